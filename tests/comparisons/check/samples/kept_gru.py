import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class GRU:
    def __init__(self, input_dim, hidden_dim, output_dim):
        k = 1 / np.sqrt(hidden_dim)
        self.input_dim, self.hidden_dim, self.output_dim = input_dim, hidden_dim, output_dim
        self.params = {}
        for gate in ("z", "r", "h"):
            self.params["W" + gate] = np.random.uniform(-k, k, (hidden_dim, input_dim))
            self.params["U" + gate] = np.random.uniform(-k, k, (hidden_dim, hidden_dim))
            self.params["b" + gate] = np.zeros((hidden_dim, 1))
        self.params["Wy"] = np.random.uniform(-k, k, (output_dim, hidden_dim))
        self.params["by"] = np.zeros((output_dim, 1))
        self.grads = {k: np.zeros_like(v) for k, v in self.params.items()}

    def forward(self, inputs, targets):
        """inputs, targets: lists of one-hot columns"""
        p = self.params
        self.inputs, self.targets = inputs, targets
        self.hs = {-1: np.zeros((self.hidden_dim, 1))}
        self.zs, self.rs, self.cs, self.ps = {}, {}, {}, {}
        loss = 0.0
        for t, x in enumerate(inputs):
            h = self.hs[t - 1]
            self.zs[t] = sigmoid(p["Wz"] @ x + p["Uz"] @ h + p["bz"])
            self.rs[t] = sigmoid(p["Wr"] @ x + p["Ur"] @ h + p["br"])
            self.cs[t] = np.tanh(p["Wh"] @ x + p["Uh"] @ (self.rs[t] * h) + p["bh"])
            self.hs[t] = (1 - self.zs[t]) * h + self.zs[t] * self.cs[t]
            y = p["Wy"] @ self.hs[t] + p["by"]
            e = np.exp(y - y.max())
            self.ps[t] = e / e.sum()
            loss -= np.sum(targets[t] * np.log(self.ps[t] + 1e-12))
        return loss

    def backward(self):
        p, g = self.params, self.grads
        for k in g:
            g[k][...] = 0
        dh_next = np.zeros((self.hidden_dim, 1))
        for t in reversed(range(len(self.inputs))):
            x, h_prev, z, r, c = self.inputs[t], self.hs[t - 1], self.zs[t], self.rs[t], self.cs[t]
            dy = self.ps[t] - self.targets[t]
            g["Wy"] += dy @ self.hs[t].T
            g["by"] += dy
            dh = p["Wy"].T @ dy + dh_next
            dc = dh * z
            dc_raw = dc * (1 - c ** 2)
            g["Wh"] += dc_raw @ x.T
            g["Uh"] += dc_raw @ (r * h_prev).T
            g["bh"] += dc_raw
            drh = p["Uh"].T @ dc_raw
            dr_raw = drh * h_prev * r * (1 - r)
            g["Wr"] += dr_raw @ x.T
            g["Ur"] += dr_raw @ h_prev.T
            g["br"] += dr_raw
            dz_raw = dh * (c - h_prev) * z * (1 - z)
            g["Wz"] += dz_raw @ x.T
            g["Uz"] += dz_raw @ h_prev.T
            g["bz"] += dz_raw
            dh_next = dh * (1 - z) + drh * r + p["Ur"].T @ dr_raw + p["Uz"].T @ dz_raw

    def update(self, lr):
        for k in self.params:
            self.params[k] -= lr * self.grads[k]
