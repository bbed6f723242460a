"""1D, transposed, dilated and grouped convolutions and poolings, NumPy."""
import numpy as np


def conv1d_forward(x, w, b, stride=1, padding=0):
    """x (N, C, L), w (F, C, K)"""
    N, C, L = x.shape
    F, _, K = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (padding, padding)))
    Lo = (L + 2 * padding - K) // stride + 1
    out = np.zeros((N, F, Lo))
    for t in range(Lo):
        win = xp[:, :, t * stride:t * stride + K]
        out[:, :, t] = np.tensordot(win, w, axes=([1, 2], [1, 2])) + b
    return out, (x, w, b, stride, padding, xp)


def conv1d_backward(dout, cache):
    x, w, b, stride, padding, xp = cache
    K = w.shape[2]
    dxp = np.zeros_like(xp)
    dw = np.zeros_like(w)
    db = dout.sum(axis=(0, 2))
    for t in range(dout.shape[2]):
        win = xp[:, :, t * stride:t * stride + K]
        dw += np.einsum('nf,nck->fck', dout[:, :, t], win)
        dxp[:, :, t * stride:t * stride + K] += np.einsum('nf,fck->nck', dout[:, :, t], w)
    dx = dxp[:, :, padding:dxp.shape[2] - padding]
    return dx, dw, db


def conv_transpose2d_forward(x, weight, bias, stride, padding):
    n, c, h, w = x.shape
    _, f, kh, kw = weight.shape
    full = np.zeros((n, f, (h - 1) * stride + kh, (w - 1) * stride + kw))
    for i in range(h):
        for j in range(w):
            full[:, :, i * stride:i * stride + kh, j * stride:j * stride + kw] += np.einsum('nc,cfab->nfab', x[:, :, i, j], weight)
    out = full[:, :, padding:full.shape[2] - padding, padding:full.shape[3] - padding] + bias.reshape(1, -1, 1, 1)
    return out, (x, weight, stride, padding, full.shape)


def conv_transpose2d_backward(grad_out, cache):
    x, weight, stride, padding, shape = cache
    n, c, h, w = x.shape
    _, f, kh, kw = weight.shape
    dfull = np.zeros(shape)
    dfull[:, :, padding:shape[2] - padding, padding:shape[3] - padding] = grad_out
    grad_x = np.zeros_like(x)
    grad_weight = np.zeros_like(weight)
    for i in range(h):
        for j in range(w):
            win = dfull[:, :, i * stride:i * stride + kh, j * stride:j * stride + kw]
            grad_x[:, :, i, j] = np.einsum('nfab,cfab->nc', win, weight)
            grad_weight += np.einsum('nc,nfab->cfab', x[:, :, i, j], win)
    grad_bias = grad_out.sum(axis=(0, 2, 3))
    return grad_x, grad_weight, grad_bias


def depthwise_conv_fwd(x, k, params):
    # x: N,C,H,W  k: C,kh,kw
    s, p = params['stride'], params['pad']
    N, C, H, W = x.shape
    C, kh, kw = k.shape
    xp = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
    Ho, Wo = 1 + (H + 2 * p - kh) // s, 1 + (W + 2 * p - kw) // s
    y = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            y[:, :, i, j] = (xp[:, :, i * s:i * s + kh, j * s:j * s + kw] * k).sum((2, 3))
    return y, (x, k, params, xp)


def depthwise_conv_bwd(dy, cache):
    x, k, params, xp = cache
    s, p = params['stride'], params['pad']
    _, kh, kw = k.shape
    dxp, dk = np.zeros_like(xp), np.zeros_like(k)
    for i in range(dy.shape[2]):
        for j in range(dy.shape[3]):
            g = dy[:, :, i, j][:, :, None, None]
            dxp[:, :, i * s:i * s + kh, j * s:j * s + kw] += g * k
            dk += (g * xp[:, :, i * s:i * s + kh, j * s:j * s + kw]).sum(0)
    H, W = x.shape[2:]
    return {'dx': dxp[:, :, p:p + H, p:p + W], 'dk': dk}


def maxpool1d_forward(x, size=2, stride=2):
    N, C, L = x.shape
    Lo = (L - size) // stride + 1
    out = np.empty((N, C, Lo))
    arg = np.empty((N, C, Lo), dtype=int)
    for t in range(Lo):
        win = x[:, :, t * stride:t * stride + size]
        out[:, :, t] = win.max(-1)
        arg[:, :, t] = win.argmax(-1) + t * stride
    return out, (x.shape, arg)


def maxpool1d_backward(dout, cache):
    shape, arg = cache
    dx = np.zeros(shape)
    N, C, Lo = dout.shape
    n, c = np.ogrid[:N, :C]
    for t in range(Lo):
        np.add.at(dx, (n, c, arg[:, :, t]), dout[:, :, t])
    return dx


def dilated_conv_forward(x, W, b, dilation=1):
    # NHWC, 'same'
    n, h, w, c = x.shape
    kh, kw, _, f = W.shape
    ph, pw = dilation * (kh - 1) // 2, dilation * (kw - 1) // 2
    xp = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    out = np.zeros((n, h, w, f)) + b
    for i in range(kh):
        for j in range(kw):
            out += xp[:, i * dilation:i * dilation + h, j * dilation:j * dilation + w] @ W[i, j]
    return out, (x, xp, W, dilation, ph, pw)


def dilated_conv_backward(dout, cache):
    x, xp, W, dilation, ph, pw = cache
    n, h, w, c = x.shape
    dxp, dW = np.zeros_like(xp), np.zeros_like(W)
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            win = xp[:, i * dilation:i * dilation + h, j * dilation:j * dilation + w]
            dW[i, j] = np.tensordot(win, dout, axes=([0, 1, 2], [0, 1, 2]))
            dxp[:, i * dilation:i * dilation + h, j * dilation:j * dilation + w] += dout @ W[i, j].T
    return dxp[:, ph:ph + h, pw:pw + w], dW, dout.sum((0, 1, 2))


def grouped_conv_forward(x, w, b, groups, stride=1):
    N, C, H, W = x.shape
    F, Cg, kh, kw = w.shape
    assert C == Cg * groups
    Ho, Wo = (H - kh) // stride + 1, (W - kw) // stride + 1
    out = np.zeros((N, F, Ho, Wo))
    Fg = F // groups
    for g in range(groups):
        for i in range(Ho):
            for j in range(Wo):
                win = x[:, g * Cg:(g + 1) * Cg, i * stride:i * stride + kh, j * stride:j * stride + kw]
                out[:, g * Fg:(g + 1) * Fg, i, j] = np.tensordot(win, w[g * Fg:(g + 1) * Fg], ([1, 2, 3], [1, 2, 3]))
    return out + b[None, :, None, None], (x, w, groups, stride)


def grouped_conv_backward(dout, cache):
    x, w, groups, stride = cache
    F, Cg, kh, kw = w.shape
    Fg = F // groups
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for g in range(groups):
        for i in range(dout.shape[2]):
            for j in range(dout.shape[3]):
                d = dout[:, g * Fg:(g + 1) * Fg, i, j]
                rows, cols = slice(i * stride, i * stride + kh), slice(j * stride, j * stride + kw)
                dx[:, g * Cg:(g + 1) * Cg, rows, cols] += np.tensordot(d, w[g * Fg:(g + 1) * Fg], (1, 0))
                dw[g * Fg:(g + 1) * Fg] += np.tensordot(d, x[:, g * Cg:(g + 1) * Cg, rows, cols], (0, 0))
    return dx, dw, dout.sum(axis=(0, 2, 3))


def upsample_forward(x, scale=2):
    return x.repeat(scale, axis=2).repeat(scale, axis=3), (x.shape, scale)


def upsample_backward(dout, cache):
    (n, c, h, w), s = cache
    return dout.reshape(n, c, h, s, w, s).sum(axis=(3, 5))


def avg_pool2d_forward(x, pool_size, strides):
    n, h, w, c = x.shape
    oh, ow = (h - pool_size) // strides + 1, (w - pool_size) // strides + 1
    y = np.zeros((n, oh, ow, c))
    for i in range(oh):
        for j in range(ow):
            y[:, i, j] = x[:, i * strides:i * strides + pool_size, j * strides:j * strides + pool_size].mean(axis=(1, 2))
    return y


def avg_pool2d_backward(dy, x, pool_size, strides):
    dx = np.zeros_like(x)
    for i in range(dy.shape[1]):
        for j in range(dy.shape[2]):
            dx[:, i * strides:i * strides + pool_size, j * strides:j * strides + pool_size] += dy[:, i:i + 1, j:j + 1] / pool_size ** 2
    return dx
