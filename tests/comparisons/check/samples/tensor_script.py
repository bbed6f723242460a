"""A small model of letters whose gradients are written down by hand, one tensor after the other."""

import torch
import torch.nn.functional as F

lines = open("cities.txt").read().splitlines()
letters = sorted(set("".join(lines)))
index = {c: i + 1 for i, c in enumerate(letters)}
index["."] = 0
before, after = [], []
for line in lines:
    seen = [0, 0]
    for c in line + ".":
        before.append(seen)
        after.append(index[c])
        seen = seen[1:] + [index[c]]
before, after = torch.tensor(before), torch.tensor(after)

n, width, hidden = 16, 6, 20
E = torch.randn(len(index), width)
W = torch.randn(2 * width, hidden) * 0.3
gain = torch.ones(1, hidden)
V = torch.randn(hidden, len(index)) * 0.2
c = torch.zeros(len(index))
for p in (E, W, gain, V, c):
    p.requires_grad = True

for turn in range(10_000):
    pick = torch.randint(0, len(before), (n,))
    x, y = before[pick], after[pick]
    emb = E[x]
    flat = emb.view(n, -1)
    pre = flat @ W
    mean = pre.mean(0, keepdim=True)
    var = pre.var(0, keepdim=True, unbiased=True)
    scaled = (pre - mean) * (var + 1e-5) ** -0.5
    post = gain * scaled
    h = torch.tanh(post)
    logits = h @ V + c
    loss = F.cross_entropy(logits, y)

    with torch.no_grad():
        dlogits = F.softmax(logits, 1)
        dlogits[range(n), y] -= 1
        dlogits /= n
        dV = h.T @ dlogits
        dc = dlogits.sum(0)
        dh = dlogits @ V.T
        dpost = (1 - h**2) * dh
        dgain = (dpost * scaled).sum(0, keepdim=True)
        dscaled = dpost * gain
        dpre = (var + 1e-5) ** -0.5 / n * (n * dscaled - dscaled.sum(0) - n / (n - 1) * scaled * (dscaled * scaled).sum(0))
        dW = flat.T @ dpre
        demb = (dpre @ W.T).view(emb.shape)
        dE = torch.zeros_like(E)
        for i in range(n):
            for j in range(2):
                dE[x[i, j]] += demb[i, j]
        for p, g in zip((E, W, gain, V, c), (dE, dW, dgain, dV, dc)):
            p -= 0.1 * g
    if turn % 1000 == 0:
        print(turn, loss.item())
