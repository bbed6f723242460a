# transformer block by hand, forward / backward as functions
import numpy as np


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))


def gelu_grad(x):
    t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))
    return 0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x ** 2)


def cross_attention_forward(x, context, p, n_head):
    B, T, C = x.shape
    S = context.shape[1]
    hs = C // n_head
    q = (x @ p['wq']).reshape(B, T, n_head, hs).swapaxes(1, 2)
    k = (context @ p['wk']).reshape(B, S, n_head, hs).swapaxes(1, 2)
    v = (context @ p['wv']).reshape(B, S, n_head, hs).swapaxes(1, 2)
    att = softmax(q @ k.swapaxes(-2, -1) / np.sqrt(hs))
    y = (att @ v).swapaxes(1, 2).reshape(B, T, C)
    out = y @ p['wo'] + p['bo']
    return out, (x, context, p, n_head, q, k, v, att, y)


def cross_attention_backward(dout, cache):
    x, context, p, n_head, q, k, v, att, y = cache
    B, T, C = x.shape
    S, hs = context.shape[1], C // n_head
    g = {'wo': y.reshape(-1, C).T @ dout.reshape(-1, C), 'bo': dout.sum((0, 1))}
    dy = (dout @ p['wo'].T).reshape(B, T, n_head, hs).swapaxes(1, 2)
    datt = dy @ v.swapaxes(-2, -1)
    dv = att.swapaxes(-2, -1) @ dy
    ds = att * (datt - (datt * att).sum(-1, keepdims=True)) / np.sqrt(hs)
    dq = (ds @ k).swapaxes(1, 2).reshape(B, T, C)
    dk = (ds.swapaxes(-2, -1) @ q).swapaxes(1, 2).reshape(B, S, C)
    dv = dv.swapaxes(1, 2).reshape(B, S, C)
    g['wq'] = x.reshape(-1, C).T @ dq.reshape(-1, C)
    g['wk'] = context.reshape(-1, C).T @ dk.reshape(-1, C)
    g['wv'] = context.reshape(-1, C).T @ dv.reshape(-1, C)
    dx = dq @ p['wq'].T
    dcontext = dk @ p['wk'].T + dv @ p['wv'].T
    return dx, dcontext, g


def layer_norm_fwd(x, scale, shift, eps=1e-5):
    mu, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    xhat = (x - mu) / np.sqrt(var + eps)
    return scale * xhat + shift, (xhat, scale, var, eps)


def layer_norm_bwd(dy, cache):
    xhat, scale, var, eps = cache
    axes = tuple(range(dy.ndim - 1))
    dxhat = dy * scale
    dx = (dxhat - dxhat.mean(-1, keepdims=True) - xhat * (dxhat * xhat).mean(-1, keepdims=True)) / np.sqrt(var + eps)
    return dx, (dy * xhat).sum(axes), dy.sum(axes)


def mlp_forward(x, params):
    h = x @ params['c_fc']['w'] + params['c_fc']['b']
    a = gelu(h)
    return a @ params['c_proj']['w'] + params['c_proj']['b'], (x, h, a)


def mlp_backward(dout, params, cache):
    x, h, a = cache
    n = x.shape[-1]
    grads = {'c_proj': {'w': a.reshape(-1, a.shape[-1]).T @ dout.reshape(-1, dout.shape[-1]), 'b': dout.sum(axis=(0, 1))}}
    dh = dout @ params['c_proj']['w'].T * gelu_grad(h)
    grads['c_fc'] = {'w': x.reshape(-1, n).T @ dh.reshape(-1, dh.shape[-1]), 'b': dh.sum(axis=(0, 1))}
    return dh @ params['c_fc']['w'].T, grads


def causal_attention(q, k, v, mask=None):
    s = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[-1])
    if mask is not None:
        s = s + (1 - mask) * -1e9
    w = softmax(s)
    return w @ v, w


def causal_attention_backward(dout, q, k, v, w):
    dv = w.transpose(0, 2, 1) @ dout
    dw = dout @ v.transpose(0, 2, 1)
    ds = w * (dw - (dw * w).sum(axis=-1, keepdims=True)) / np.sqrt(q.shape[-1])
    return ds @ k, ds.transpose(0, 2, 1) @ q, dv


def embedding_forward(idx, wte, wpe):
    B, T = idx.shape
    return wte[idx] + wpe[np.arange(T)], (idx, wte.shape, wpe.shape)


def embedding_backward(dout, cache):
    idx, tshape, pshape = cache
    dwte, dwpe = np.zeros(tshape), np.zeros(pshape)
    np.add.at(dwte, idx, dout)
    dwpe[:idx.shape[1]] += dout.sum(axis=0)
    return dwte, dwpe


class RMSNorm:
    @staticmethod
    def forward(x, weight):
        rms = np.sqrt((x ** 2).mean(-1, keepdims=True) + 1e-6)
        return x / rms * weight, (x, weight, rms)

    @staticmethod
    def backward(dout, cache):
        x, weight, rms = cache
        dweight = (dout * x / rms).sum(axis=tuple(range(x.ndim - 1)))
        d = dout * weight
        dx = d / rms - x * (d * x).mean(-1, keepdims=True) / rms ** 3
        return dx, dweight
