import numpy as np
import pandas as pd

# A denoiser of sensor rows, a classifier of readings, and a chain of symbols; all parameters are global.
table = pd.read_csv('sensors.csv')
rows = table.drop('kind', axis=1).values / 50.0

n_sensors, n_code = 300, 40
decay = 1e-3
V = np.random.randn(n_sensors, n_code) * 0.05
a = np.zeros((1, n_code))
U = np.random.randn(n_code, n_sensors) * 0.05
c = np.zeros((1, n_sensors))


def squash(t):
    return 1.0 / (1.0 + np.exp(-t))


def denoise(x, x_noisy):
    n = len(x)
    code = squash(x_noisy @ V + a)
    back = squash(code @ U + c)
    cost = -np.mean(np.sum(x * np.log(back) + (1 - x) * np.log(1 - back), axis=1)) + 0.5 * decay * np.sum(V ** 2)
    d_out = (back - x) / n
    dU = code.T @ d_out
    dc = d_out.sum(axis=0, keepdims=True)
    d_in = (d_out @ U.T) * code * (1 - code)
    dV = x_noisy.T @ d_in + decay * V
    da = d_in.sum(axis=0, keepdims=True)
    return cost, dV, da, dU, dc


def matrix_init(rows, columns):
    return (np.random.uniform(-1, 1, (rows, columns)) / np.sqrt(rows * columns)).astype(np.float32)


first = matrix_init(500, 64)
second = matrix_init(64, 6)


def classify(x, y):
    wanted = np.zeros((len(y), 6), np.float32)
    wanted[range(len(y)), y] = 1
    before = x.dot(first)
    hidden = np.maximum(before, 0)
    scores = hidden.dot(second)
    scores = scores - scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    losses = -(wanted * logs).sum(axis=1)
    d_scores = (np.exp(logs) - wanted) / len(y)
    d_second = hidden.T.dot(d_scores)
    d_before = d_scores.dot(second.T) * (before > 0)
    d_first = x.T.dot(d_before)
    return losses, scores, d_first, d_second


symbols = open('song.txt').read()
alphabet = sorted(set(symbols))
units, span, lanes = 90, 40, 16
A = np.random.randn(len(alphabet), units) * 0.01
R = np.random.randn(units, units) * 0.01
O = np.random.randn(units, len(alphabet)) * 0.01


def chain_loss(x, y, h0):
    hs, ps, loss = {-1: h0}, {}, 0.0
    for t in range(len(x)):
        hs[t] = np.tanh(A[x[t]] + hs[t - 1] @ R)
        e = np.exp(hs[t] @ O)
        ps[t] = e / e.sum(axis=1, keepdims=True)
        loss -= np.log(ps[t][np.arange(lanes), y[t]]).sum()
    dA, dR, dO = np.zeros_like(A), np.zeros_like(R), np.zeros_like(O)
    later = np.zeros_like(h0)
    for t in reversed(range(len(x))):
        ds = ps[t].copy()
        ds[np.arange(lanes), y[t]] -= 1
        dO += hs[t].T @ ds
        dz = (ds @ O.T + later) * (1 - hs[t] ** 2)
        dR += hs[t - 1].T @ dz
        np.add.at(dA, x[t], dz)
        later = dz @ R.T
    return loss, dA, dR, dO, hs[len(x) - 1]


x = np.zeros((span, lanes), dtype=int)
y = np.zeros((span, lanes), dtype=int)

# What is no gradient of the cost beside it, and is not meant to be one.
M_ = np.random.randn(20, 8) * 0.1
p = np.zeros(20)


def contrast(x):
    h = squash(x @ M_)
    again = squash(h @ M_.T + p)
    error = np.mean((x - again) ** 2)
    dM_ = (again.T @ squash(again @ M_) - x.T @ h) / len(x)
    dp = (again - x).mean(axis=0)
    return error, dM_, dp
