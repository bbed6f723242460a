"""LSTMs that keep their biases as a row of one weight matrix, the input of which has a one in it."""
import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class BatchLSTM:
    """[1, x, h] per tick, time first"""

    @staticmethod
    def forward(inputs, W, h0=None, c0=None):
        steps, batch, n_in = inputs.shape
        size = W.shape[1] // 4
        h0 = np.zeros((batch, size)) if h0 is None else h0
        c0 = np.zeros((batch, size)) if c0 is None else c0
        xs, gates = np.zeros((steps, batch, W.shape[0])), np.zeros((steps, batch, 4 * size))
        cs, hs, tc = np.zeros((steps, batch, size)), np.zeros((steps, batch, size)), np.zeros((steps, batch, size))
        for t in range(steps):
            h = hs[t - 1] if t else h0
            c = cs[t - 1] if t else c0
            xs[t, :, 0] = 1
            xs[t, :, 1:n_in + 1] = inputs[t]
            xs[t, :, n_in + 1:] = h
            a = xs[t] @ W
            gates[t, :, :3 * size] = sigmoid(a[:, :3 * size])
            gates[t, :, 3 * size:] = np.tanh(a[:, 3 * size:])
            i, f, o, g = np.split(gates[t], 4, axis=1)
            cs[t] = f * c + i * g
            tc[t] = np.tanh(cs[t])
            hs[t] = o * tc[t]
        cache = {'W': W, 'xs': xs, 'gates': gates, 'cs': cs, 'tc': tc, 'c0': c0, 'n_in': n_in}
        return hs, cache

    @staticmethod
    def backward(dhs, cache):
        W, xs, gates, cs, tc, c0, n_in = (cache[k] for k in ('W', 'xs', 'gates', 'cs', 'tc', 'c0', 'n_in'))
        steps, batch, size = cs.shape
        dW = np.zeros_like(W)
        dinputs = np.zeros((steps, batch, n_in))
        dh_next, dc_next = np.zeros((batch, size)), np.zeros((batch, size))
        for t in reversed(range(steps)):
            i, f, o, g = np.split(gates[t], 4, axis=1)
            c = cs[t - 1] if t else c0
            dh = dhs[t] + dh_next
            dc = dc_next + dh * o * (1 - tc[t] ** 2)
            da = np.hstack([dc * g * i * (1 - i), dc * c * f * (1 - f), dh * tc[t] * o * (1 - o), dc * i * (1 - g ** 2)])
            dW += xs[t].T @ da
            dx = da @ W.T
            dinputs[t] = dx[:, 1:n_in + 1]
            dh_next = dx[:, n_in + 1:]
            dc_next = dc * f
        return dinputs, dW


def lstm_layer_forward(X, W_lstm):
    """[h, x, 1] per step, batch first"""
    m, T, d = X.shape
    H = W_lstm.shape[1] // 4
    h, c = np.zeros((m, H)), np.zeros((m, H))
    hs, cache = np.zeros((m, T, H)), []
    for t in range(T):
        z = np.concatenate([h, X[:, t], np.ones((m, 1))], axis=1)
        a = z.dot(W_lstm)
        f, i, o = sigmoid(a[:, :H]), sigmoid(a[:, H:2 * H]), sigmoid(a[:, 2 * H:3 * H])
        g = np.tanh(a[:, 3 * H:])
        c_prev = c
        c = f * c + i * g
        h = o * np.tanh(c)
        hs[:, t] = h
        cache.append((z, f, i, o, g, c, c_prev, W_lstm))
    return hs, cache


def lstm_layer_backward(dhs, cache):
    m, T, H = dhs.shape
    d = cache[0][0].shape[1] - H - 1
    dW_lstm = np.zeros_like(cache[0][-1])
    dX = np.zeros((m, T, d))
    dh_next, dc_next = np.zeros((m, H)), np.zeros((m, H))
    for t in range(T - 1, -1, -1):
        z, f, i, o, g, c, c_prev, W = cache[t]
        dh = dhs[:, t] + dh_next
        tc = np.tanh(c)
        dc = dc_next + dh * o * (1 - tc * tc)
        da = np.concatenate([dc * c_prev * f * (1 - f), dc * g * i * (1 - i), dh * tc * o * (1 - o), dc * i * (1 - g * g)], axis=1)
        dW_lstm += z.T.dot(da)
        dz = da.dot(W.T)
        dh_next, dX[:, t] = dz[:, :H], dz[:, H:H + d]
        dc_next = dc * f
    return dX, dW_lstm
