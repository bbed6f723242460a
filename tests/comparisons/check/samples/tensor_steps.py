"""Two steps of gradient descent in tensors: one in a function whose gradients of sums are divided in the end, one with attributes."""

import torch

X = torch.randn(24, 4)
Y = (X.sum(1, keepdim=True) > 0).float()


def descend(X, Y, units=7, lr=0.5, turns=1000):
    m = X.shape[0]
    W1, b1 = torch.randn(4, units) * 0.5, torch.zeros(1, units)
    W2, b2 = torch.randn(units, 1) * 0.5, torch.zeros(1, 1)
    for _ in range(turns):
        Z1 = X @ W1 + b1
        A1 = torch.tanh(Z1)
        A2 = torch.sigmoid(A1 @ W2 + b2)
        loss = -(Y * torch.log(A2) + (1 - Y) * torch.log(1 - A2)).mean().item()
        dA2 = A2 - Y  # by what goes into the sigmoid, whatever it is called
        dW2 = A1.T @ dA2 / m
        db2 = dA2.sum(0, keepdim=True) / m
        dZ1 = dA2 @ W2.T * (1 - A1**2)
        dW1 = X.T @ dZ1 / m
        db1 = dZ1.sum(0, keepdim=True) / m
        W1 -= lr * dW1
        b1 -= lr * db1
        W2 -= lr * dW2
        b2 -= lr * db2
    return loss


def affine(a, w, b):
    return a @ w + b


def affine_back(a, out, w, b):
    a.g = out.g @ w.t()
    w.g = a.t() @ out.g
    b.g = out.g.sum(0)


def both_ways(data, target, w, b, v, d):
    first = affine(data, w, b)
    second = first.clamp_min(0.0)
    out = affine(second, v, d)
    off = out - target
    loss = off.pow(2).mean()
    out.g = 2.0 * off / off.numel()
    affine_back(second, out, v, d)
    first.g = (first > 0).float() * second.g
    affine_back(data, first, w, b)
    return loss


descend(X, Y)
both_ways(X, Y, torch.randn(4, 6), torch.zeros(6), torch.randn(6, 1), torch.zeros(1))
