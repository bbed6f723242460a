"""Character-level LSTM, vanilla numpy, after min-char-rnn."""
import numpy as np

with open('shakespeare.txt') as f:
    data = f.read()
chars = sorted(list(set(data)))
data_size, X_size = len(data), len(chars)
char_to_idx = {ch: i for i, ch in enumerate(chars)}
idx_to_char = {i: ch for i, ch in enumerate(chars)}

H_size = 100
T_steps = 25
learning_rate = 1e-1
weight_sd = 0.1
z_size = H_size + X_size

W_f = np.random.randn(H_size, z_size) * weight_sd + 0.5
b_f = np.zeros((H_size, 1))
W_i = np.random.randn(H_size, z_size) * weight_sd + 0.5
b_i = np.zeros((H_size, 1))
W_C = np.random.randn(H_size, z_size) * weight_sd
b_C = np.zeros((H_size, 1))
W_o = np.random.randn(H_size, z_size) * weight_sd + 0.5
b_o = np.zeros((H_size, 1))
W_y = np.random.randn(X_size, H_size) * weight_sd
b_y = np.zeros((X_size, 1))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def forward(x, h_prev, C_prev):
    z = np.vstack((h_prev, x))
    f = sigmoid(np.dot(W_f, z) + b_f)
    i = sigmoid(np.dot(W_i, z) + b_i)
    C_bar = np.tanh(np.dot(W_C, z) + b_C)
    C = f * C_prev + i * C_bar
    o = sigmoid(np.dot(W_o, z) + b_o)
    h = o * np.tanh(C)
    y = np.dot(W_y, h) + b_y
    p = np.exp(y) / np.sum(np.exp(y))
    return z, f, i, C_bar, C, o, h, y, p


def forward_backward(inputs, targets, h_prev, C_prev):
    x_s, z_s, f_s, i_s, C_bar_s, C_s, o_s, h_s, p_s = {}, {}, {}, {}, {}, {}, {}, {}, {}
    h_s[-1] = np.copy(h_prev)
    C_s[-1] = np.copy(C_prev)
    loss = 0
    for t in range(len(inputs)):
        x_s[t] = np.zeros((X_size, 1))
        x_s[t][inputs[t]] = 1
        z_s[t], f_s[t], i_s[t], C_bar_s[t], C_s[t], o_s[t], h_s[t], _, p_s[t] = forward(x_s[t], h_s[t - 1], C_s[t - 1])
        loss += -np.log(p_s[t][targets[t], 0])

    dW_f, dW_i, dW_C, dW_o, dW_y = [np.zeros_like(w) for w in (W_f, W_i, W_C, W_o, W_y)]
    db_f, db_i, db_C, db_o, db_y = [np.zeros_like(b) for b in (b_f, b_i, b_C, b_o, b_y)]
    dh_next = np.zeros_like(h_s[0])
    dC_next = np.zeros_like(C_s[0])

    for t in reversed(range(len(inputs))):
        dy = np.copy(p_s[t])
        dy[targets[t]] -= 1
        dW_y += np.dot(dy, h_s[t].T)
        db_y += dy
        dh = np.dot(W_y.T, dy) + dh_next

        do = dh * np.tanh(C_s[t])
        do = o_s[t] * (1 - o_s[t]) * do
        dW_o += np.dot(do, z_s[t].T)
        db_o += do

        dC = np.copy(dC_next)
        dC += dh * o_s[t] * (1 - np.tanh(C_s[t]) ** 2)
        dC_bar = dC * i_s[t] * (1 - C_bar_s[t] ** 2)
        dW_C += np.dot(dC_bar, z_s[t].T)
        db_C += dC_bar

        di = dC * C_bar_s[t] * i_s[t] * (1 - i_s[t])
        dW_i += np.dot(di, z_s[t].T)
        db_i += di

        df = dC * C_s[t - 1] * f_s[t] * (1 - f_s[t])
        dW_f += np.dot(df, z_s[t].T)
        db_f += df

        dz = np.dot(W_f.T, df) + np.dot(W_i.T, di) + np.dot(W_C.T, dC_bar) + np.dot(W_o.T, do)
        dh_next = dz[:H_size, :]
        dC_next = f_s[t] * dC

    grads = dict(W_f=dW_f, W_i=dW_i, W_C=dW_C, W_o=dW_o, W_y=dW_y, b_f=db_f, b_i=db_i, b_C=db_C, b_o=db_o, b_y=db_y)
    for g in grads.values():
        np.clip(g, -1, 1, out=g)
    return loss, grads, h_s[len(inputs) - 1], C_s[len(inputs) - 1]


n, p = 0, 0
h_prev = np.zeros((H_size, 1))
C_prev = np.zeros((H_size, 1))
while True:
    inputs = [char_to_idx[ch] for ch in data[p:p + T_steps]]
    targets = [char_to_idx[ch] for ch in data[p + 1:p + T_steps + 1]]
    loss, grads, h_prev, C_prev = forward_backward(inputs, targets, h_prev, C_prev)
    for w, name in ((W_f, 'W_f'), (W_y, 'W_y')):
        w -= learning_rate * grads[name]
    n += 1
