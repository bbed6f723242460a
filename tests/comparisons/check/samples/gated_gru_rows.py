import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def gru_step_forward(x, prev_h, Wx, Wh, b):
    N, H = prev_h.shape
    a = x.dot(Wx)
    u = prev_h.dot(Wh[:, :2*H])
    z = sigmoid(a[:, :H] + u[:, :H] + b[:H])
    r = sigmoid(a[:, H:2*H] + u[:, H:] + b[H:2*H])
    g = np.tanh(a[:, 2*H:] + (r * prev_h).dot(Wh[:, 2*H:]) + b[2*H:])
    next_h = (1 - z) * prev_h + z * g
    cache = (x, prev_h, Wx, Wh, z, r, g)
    return next_h, cache

def gru_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, z, r, g = cache
    N, H = prev_h.shape
    dz = dnext_h * (g - prev_h)
    dg = dnext_h * z
    dprev_h = dnext_h * (1 - z)
    dag = dg * (1 - g**2)
    drh = dag.dot(Wh[:, 2*H:].T)
    dprev_h += drh * r
    dr = drh * prev_h
    daz = dz * z * (1-z)
    dar = dr * r * (1-r)
    dzr = np.hstack((daz, dar))
    dprev_h += dzr.dot(Wh[:, :2*H].T)
    da = np.hstack((daz, dar, dag))
    dx = da.dot(Wx.T)
    dWx = x.T.dot(da)
    dWh = np.hstack((prev_h.T.dot(dzr), (r*prev_h).T.dot(dag)))
    db = da.sum(axis=0)
    return dx, dprev_h, dWx, dWh, db

def gru_forward(x, h0, Wx, Wh, b):
    N, T, D = x.shape
    H = h0.shape[1]
    h = np.zeros((N, T, H))
    cache = []
    prev = h0
    for t in range(T):
        prev, c = gru_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        cache.append(c)
    return h, cache

def gru_backward(dh, cache):
    N, T, H = dh.shape
    x, _, Wx, Wh = cache[0][:4]
    dx = np.zeros((N, T, x.shape[1]))
    dWx, dWh, db = np.zeros_like(Wx), np.zeros_like(Wh), np.zeros(3*H)
    dprev = np.zeros((N, H))
    for t in reversed(range(T)):
        dx[:, t], dprev, a, b_, c = gru_step_backward(dh[:, t] + dprev, cache[t])
        dWx += a
        dWh += b_
        db += c
    return dx, dprev, dWx, dWh, db
