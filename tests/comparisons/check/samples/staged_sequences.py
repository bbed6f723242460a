import numpy as np

n_steps, width, keys = 20, 48, 16
params = {
    'Q': np.random.randn(width, keys) / 7,
    'K': np.random.randn(width, keys) / 7,
    'V': np.random.randn(width, keys) / 7,
    'P': np.random.randn(keys, 3) / 4,
    'p': np.zeros(3),
}


def softmax(t):
    e = np.exp(t - t.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def forward(X, params):
    q, k, v = X @ params['Q'], X @ params['K'], X @ params['V']
    share = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(keys))
    mixed = share @ v
    pooled = mixed.mean(axis=1)
    probs = softmax(pooled @ params['P'] + params['p'])
    return probs, (X, q, k, v, share, pooled, probs)


def nll_loss(probs, y):
    return -np.mean(np.log(probs[np.arange(len(y)), y]))


def backward(cache, y, params):
    X, q, k, v, share, pooled, probs = cache
    n, T, _ = X.shape
    d = probs.copy()
    d[np.arange(n), y] -= 1
    d /= n
    grads = {'P': pooled.T @ d, 'p': d.sum(axis=0)}
    d_mixed = np.repeat((d @ params['P'].T)[:, None, :], T, axis=1) / T
    d_share = d_mixed @ v.transpose(0, 2, 1)
    d_v = share.transpose(0, 2, 1) @ d_mixed
    d_scores = share * (d_share - np.sum(d_share * share, axis=-1, keepdims=True)) / np.sqrt(keys)
    grads['Q'] = np.einsum('ntd,ntk->dk', X, d_scores @ k)
    grads['K'] = np.einsum('ntd,ntk->dk', X, d_scores.transpose(0, 2, 1) @ q)
    grads['V'] = np.einsum('ntd,ntk->dk', X, d_v)
    return grads


if __name__ == '__main__':
    X = np.random.randn(64, n_steps, width)
    y = np.random.randint(0, 3, 64)
    for epoch in range(100):
        probs, cache = forward(X, params)
        grads = backward(cache, y, params)
        for name in params:
            params[name] -= 0.1 * grads[name]
        print(epoch, nll_loss(probs, y))
