import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class LSTM:
    """LSTM layer from scratch, one sequence at a time"""

    def __init__(self, input_size, hidden_size):
        self.input_size = input_size
        self.hidden_size = hidden_size
        z = input_size + hidden_size
        scale = 1.0 / np.sqrt(z)
        self.W_f = np.random.randn(hidden_size, z) * scale
        self.W_i = np.random.randn(hidden_size, z) * scale
        self.W_c = np.random.randn(hidden_size, z) * scale
        self.W_o = np.random.randn(hidden_size, z) * scale
        self.b_f = np.zeros((hidden_size, 1))
        self.b_i = np.zeros((hidden_size, 1))
        self.b_c = np.zeros((hidden_size, 1))
        self.b_o = np.zeros((hidden_size, 1))

    def forward(self, inputs):
        h = np.zeros((self.hidden_size, 1))
        c = np.zeros((self.hidden_size, 1))
        self.cache = []
        outputs = []
        for x in inputs:
            concat = np.vstack((h, x))
            f = sigmoid(self.W_f @ concat + self.b_f)
            i = sigmoid(self.W_i @ concat + self.b_i)
            c_tilde = np.tanh(self.W_c @ concat + self.b_c)
            o = sigmoid(self.W_o @ concat + self.b_o)
            c_prev = c
            c = f * c_prev + i * c_tilde
            h = o * np.tanh(c)
            self.cache.append((concat, f, i, c_tilde, o, c, c_prev))
            outputs.append(h)
        return outputs

    def backward(self, dh_list):
        self.dW_f, self.dW_i = np.zeros_like(self.W_f), np.zeros_like(self.W_i)
        self.dW_c, self.dW_o = np.zeros_like(self.W_c), np.zeros_like(self.W_o)
        self.db_f, self.db_i = np.zeros_like(self.b_f), np.zeros_like(self.b_i)
        self.db_c, self.db_o = np.zeros_like(self.b_c), np.zeros_like(self.b_o)
        dh_next = np.zeros((self.hidden_size, 1))
        dc_next = np.zeros((self.hidden_size, 1))
        dxs = []
        for t in reversed(range(len(self.cache))):
            concat, f, i, c_tilde, o, c, c_prev = self.cache[t]
            dh = dh_list[t] + dh_next
            do = dh * np.tanh(c) * o * (1 - o)
            dc = dh * o * (1 - np.tanh(c) ** 2) + dc_next
            df = dc * c_prev * f * (1 - f)
            di = dc * c_tilde * i * (1 - i)
            dc_tilde = dc * i * (1 - c_tilde ** 2)
            self.dW_f += df @ concat.T
            self.dW_i += di @ concat.T
            self.dW_c += dc_tilde @ concat.T
            self.dW_o += do @ concat.T
            self.db_f += df
            self.db_i += di
            self.db_c += dc_tilde
            self.db_o += do
            dconcat = self.W_f.T @ df + self.W_i.T @ di + self.W_c.T @ dc_tilde + self.W_o.T @ do
            dh_next = dconcat[:self.hidden_size]
            dxs.insert(0, dconcat[self.hidden_size:])
            dc_next = f * dc
        return dxs


class GRUCell:
    """GRU in PyTorch's form: two biases, the reset gate acts on the product"""

    def __init__(self, input_size, hidden_size):
        k = 1 / np.sqrt(hidden_size)
        self.W_ih = np.random.uniform(-k, k, (3 * hidden_size, input_size))
        self.W_hh = np.random.uniform(-k, k, (3 * hidden_size, hidden_size))
        self.b_ih = np.random.uniform(-k, k, 3 * hidden_size)
        self.b_hh = np.random.uniform(-k, k, 3 * hidden_size)
        self.grads = {}

    def forward(self, x, h_prev):
        gi = x @ self.W_ih.T + self.b_ih
        gh = h_prev @ self.W_hh.T + self.b_hh
        ir, iz, inn = np.split(gi, 3, axis=1)
        hr, hz, hn = np.split(gh, 3, axis=1)
        r, z = sigmoid(ir + hr), sigmoid(iz + hz)
        n = np.tanh(inn + r * hn)
        self.saved = x, h_prev, r, z, n, hn
        return (1 - z) * n + z * h_prev

    def backward(self, dh):
        x, h_prev, r, z, n, hn = self.saved
        dn = dh * (1 - z) * (1 - n ** 2)
        dz = dh * (h_prev - n) * z * (1 - z)
        dr = dn * hn * r * (1 - r)
        dgi = np.concatenate([dr, dz, dn], axis=1)
        dgh = np.concatenate([dr, dz, dn * r], axis=1)
        self.grads = {'W_ih': dgi.T @ x, 'W_hh': dgh.T @ h_prev, 'b_ih': dgi.sum(axis=0), 'b_hh': dgh.sum(axis=0)}
        dx = dgi @ self.W_ih
        dh_prev = dgh @ self.W_hh + dh * z
        return dx, dh_prev


def rnn_forward_pass(x_seq, h0, W_xh, W_hh, b_h):
    T = x_seq.shape[0]
    hs = {-1: h0}
    for t in range(T):
        hs[t] = np.tanh(W_xh @ x_seq[t] + W_hh @ hs[t - 1] + b_h)
    return hs, (x_seq, hs)


def rnn_backward_pass(dhs, cache, W_xh, W_hh, b_h):
    x_seq, hs = cache
    dW_xh, dW_hh, db_h = np.zeros_like(W_xh), np.zeros_like(W_hh), np.zeros_like(b_h)
    dh_next = np.zeros_like(hs[0])
    for t in reversed(range(x_seq.shape[0])):
        dh = dhs[t] + dh_next
        draw = (1 - hs[t] ** 2) * dh
        db_h += draw
        dW_xh += np.outer(draw, x_seq[t])
        dW_hh += np.outer(draw, hs[t - 1])
        dh_next = W_hh.T @ draw
    return dW_xh, dW_hh, db_h
