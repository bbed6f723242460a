"""GPT-like block without autograd: modules keep parameters as Param(data, grad)."""
import numpy as np


class Param:
    def __init__(self, data):
        self.data = data
        self.grad = np.zeros_like(data)


class Dense:
    def __init__(self, d_in, d_out):
        self.w = Param(np.random.normal(0, 0.02, (d_in, d_out)))
        self.b = Param(np.zeros(d_out))

    def __call__(self, x):
        return self.forward(x)

    def forward(self, x):
        self.x = x
        return x @ self.w.data + self.b.data

    def backward(self, dy):
        flat = self.x.reshape(-1, self.x.shape[-1])
        dflat = dy.reshape(-1, dy.shape[-1])
        self.w.grad += flat.T @ dflat
        self.b.grad += dflat.sum(axis=0)
        return dy @ self.w.data.T


class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        return dy * (1 - self.y ** 2)


class FeedForward:
    def __init__(self, d_model, d_ff):
        self.up = Dense(d_model, d_ff)
        self.act = Tanh()
        self.down = Dense(d_ff, d_model)

    def forward(self, x):
        return self.down.forward(self.act.forward(self.up.forward(x)))

    def backward(self, dy):
        return self.up.backward(self.act.backward(self.down.backward(dy)))


class CausalSelfAttention:
    def __init__(self, d_model, n_heads):
        self.n_heads = n_heads
        self.d_head = d_model // n_heads
        self.query = Dense(d_model, d_model)
        self.key = Dense(d_model, d_model)
        self.value = Dense(d_model, d_model)
        self.proj = Dense(d_model, d_model)

    def _heads(self, x):
        b, t, _ = x.shape
        return x.reshape(b, t, self.n_heads, self.d_head).transpose(0, 2, 1, 3)

    def _join(self, x):
        b, _, t, _ = x.shape
        return x.transpose(0, 2, 1, 3).reshape(b, t, -1)

    def forward(self, x):
        self.q = self._heads(self.query(x))
        self.k = self._heads(self.key(x))
        self.v = self._heads(self.value(x))
        scores = self.q @ self.k.transpose(0, 1, 3, 2) / np.sqrt(self.d_head)
        t = x.shape[1]
        scores = np.where(np.tril(np.ones((t, t), dtype=bool)), scores, -np.inf)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.proj(self._join(self.p @ self.v))

    def backward(self, dy):
        dctx = self._heads(self.proj.backward(dy))
        dp = dctx @ self.v.transpose(0, 1, 3, 2)
        dv = self.p.transpose(0, 1, 3, 2) @ dctx
        ds = self.p * (dp - np.sum(dp * self.p, axis=-1, keepdims=True)) / np.sqrt(self.d_head)
        dq = ds @ self.k
        dk = ds.transpose(0, 1, 3, 2) @ self.q
        return self.query.backward(self._join(dq)) + self.key.backward(self._join(dk)) + self.value.backward(self._join(dv))


class Block:
    def __init__(self, d_model, n_heads, d_ff):
        self.attn = CausalSelfAttention(d_model, n_heads)
        self.ffn = FeedForward(d_model, d_ff)

    def forward(self, x):
        x = x + self.attn.forward(x)
        return x + self.ffn.forward(x)

    def backward(self, dy):
        dy = dy + self.ffn.backward(dy)
        return dy + self.attn.backward(dy)
