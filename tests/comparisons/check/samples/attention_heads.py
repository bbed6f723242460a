import numpy as np

def softmax(x, axis=-1):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)

def attention_forward(Q, K, V, mask=None):
    d_k = Q.shape[-1]
    scores = Q @ K.transpose(0, 2, 1) / np.sqrt(d_k)
    if mask is not None:
        scores = np.where(mask, scores, -1e9)
    A = softmax(scores)
    out = A @ V
    return out, (Q, K, V, A)

def attention_backward(dout, cache):
    Q, K, V, A = cache
    d_k = Q.shape[-1]
    dV = A.transpose(0, 2, 1) @ dout
    dA = dout @ V.transpose(0, 2, 1)
    dscores = A * (dA - np.sum(dA * A, axis=-1, keepdims=True))
    dscores = dscores / np.sqrt(d_k)
    dQ = dscores @ K
    dK = dscores.transpose(0, 2, 1) @ Q
    return dQ, dK, dV


class MultiHeadSelfAttention:
    def __init__(self, d_model, num_heads):
        self.d_model, self.h = d_model, num_heads
        self.d_k = d_model // num_heads
        self.Wq = np.random.randn(d_model, d_model) * 0.1
        self.Wk = np.random.randn(d_model, d_model) * 0.1
        self.Wv = np.random.randn(d_model, d_model) * 0.1
        self.Wo = np.random.randn(d_model, d_model) * 0.1

    def split(self, x):
        B, T, _ = x.shape
        return x.reshape(B, T, self.h, self.d_k).transpose(0, 2, 1, 3)

    def merge(self, x):
        B, h, T, d = x.shape
        return x.transpose(0, 2, 1, 3).reshape(B, T, h * d)

    def forward(self, x):
        self.x = x
        self.Q, self.K, self.V = (self.split(x @ W) for W in (self.Wq, self.Wk, self.Wv))
        scores = self.Q @ self.K.transpose(0, 1, 3, 2) / np.sqrt(self.d_k)
        self.A = softmax(scores)
        self.heads = self.merge(self.A @ self.V)
        return self.heads @ self.Wo

    def backward(self, dout):
        B, T, D = dout.shape
        self.dWo = self.heads.reshape(-1, D).T @ dout.reshape(-1, D)
        dheads = self.split(dout @ self.Wo.T)
        dA = dheads @ self.V.transpose(0, 1, 3, 2)
        dV = self.A.transpose(0, 1, 3, 2) @ dheads
        dS = self.A * (dA - (dA * self.A).sum(axis=-1, keepdims=True))
        dS /= np.sqrt(self.d_k)
        dQ = self.merge(dS @ self.K)
        dK = self.merge(dS.transpose(0, 1, 3, 2) @ self.Q)
        dV = self.merge(dV)
        x = self.x.reshape(-1, D)
        self.dWq = x.T @ dQ.reshape(-1, D)
        self.dWk = x.T @ dK.reshape(-1, D)
        self.dWv = x.T @ dV.reshape(-1, D)
        return dQ @ self.Wq.T + dK @ self.Wk.T + dV @ self.Wv.T
