import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


class GaussianAutoencoder:
    """A small variational autoencoder."""

    def __init__(self, n_in=64, n_hidden=32, n_latent=8, beta=1.0):
        self.n_latent = n_latent
        self.beta_kl = beta
        s = 0.1
        self.params = {
            'We': s * np.random.randn(n_in, n_hidden), 'be': np.zeros(n_hidden),
            'Wm': s * np.random.randn(n_hidden, n_latent), 'bm': np.zeros(n_latent),
            'Ws': s * np.random.randn(n_hidden, n_latent), 'bs': np.zeros(n_latent),
            'Wd': s * np.random.randn(n_latent, n_hidden), 'bd': np.zeros(n_hidden),
            'Wo': s * np.random.randn(n_hidden, n_in), 'bo': np.zeros(n_in),
        }

    def forward(self, x):
        p = self.params
        h = np.tanh(x @ p['We'] + p['be'])
        mu = h @ p['Wm'] + p['bm']
        logvar = h @ p['Ws'] + p['bs']
        eps = np.random.randn(*mu.shape)
        z = mu + np.exp(0.5 * logvar) * eps
        hd = np.tanh(z @ p['Wd'] + p['bd'])
        x_hat = sigmoid(hd @ p['Wo'] + p['bo'])
        cache = (h, mu, logvar, eps, z, hd)
        return x_hat, cache

    def elbo_loss(self, x, x_hat, cache):
        h, mu, logvar, eps, z, hd = cache
        bce = -np.sum(x * np.log(x_hat + 1e-10) + (1 - x) * np.log(1 - x_hat + 1e-10))
        kl = -0.5 * np.sum(1 + logvar - mu ** 2 - np.exp(logvar))
        return (bce + self.beta_kl * kl) / x.shape[0]

    def backward(self, x, x_hat, cache):
        p = self.params
        h, mu, logvar, eps, z, hd = cache
        m = x.shape[0]
        g = {}
        do = (x_hat - x) / m
        g['Wo'], g['bo'] = hd.T @ do, do.sum(0)
        dhd = (do @ p['Wo'].T) * (1 - hd ** 2)
        g['Wd'], g['bd'] = z.T @ dhd, dhd.sum(0)
        dz = dhd @ p['Wd'].T
        dmu = dz + self.beta_kl * mu / m
        dlogvar = dz * eps * np.exp(0.5 * logvar) + self.beta_kl * 0.5 * (np.exp(logvar) - 1) / m
        g['Wm'], g['bm'] = h.T @ dmu, dmu.sum(0)
        g['Ws'], g['bs'] = h.T @ dlogvar, dlogvar.sum(0)
        dh = (dmu @ p['Wm'].T + dlogvar @ p['Ws'].T) * (1 - h ** 2)
        g['We'], g['be'] = x.T @ dh, dh.sum(0)
        return g

    def train(self, X, lr=1e-3, epochs=10):
        for e in range(epochs):
            x_hat, cache = self.forward(X)
            loss = self.elbo_loss(X, x_hat, cache)
            grads = self.backward(X, x_hat, cache)
            for k in self.params:
                self.params[k] -= lr * grads[k]
            print(e, loss)


def init_policy(n_states, n_hidden, n_actions):
    return {'W1': np.random.randn(n_states, n_hidden) * 0.3, 'b1': np.zeros(n_hidden),
            'W2': np.random.randn(n_hidden, n_actions) * 0.3, 'b2': np.zeros(n_actions)}


def policy(params, states):
    h = np.tanh(states @ params['W1'] + params['b1'])
    logits = h @ params['W2'] + params['b2']
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return h, e / e.sum(axis=1, keepdims=True)


def policy_loss(params, states, actions, returns):
    _, probs = policy(params, states)
    picked = probs[np.arange(len(actions)), actions]
    return -np.sum(np.log(picked) * returns) / len(actions)


def policy_gradients(params, states, actions, returns):
    h, probs = policy(params, states)
    d = probs.copy()
    d[np.arange(len(actions)), actions] -= 1
    d *= returns[:, None] / len(actions)
    grads = {'W2': h.T @ d, 'b2': d.sum(axis=0)}
    dh = (d @ params['W2'].T) * (1 - h)
    grads['W1'] = states.T @ dh
    grads['b1'] = dh.sum(axis=0)
    return grads


class CharRNN:
    def __init__(self, vocab_size, hidden_size=50, bptt_truncate=10):
        self.vocab_size, self.hidden_size, self.bptt_truncate = vocab_size, hidden_size, bptt_truncate
        self.Wxh = np.random.randn(hidden_size, vocab_size) * 0.1
        self.Whh = np.random.randn(hidden_size, hidden_size) * 0.1
        self.Why = np.random.randn(vocab_size, hidden_size) * 0.1
        self.bh = np.zeros(hidden_size)
        self.by = np.zeros(vocab_size)

    def forward(self, tokens):
        hs, ps = [np.zeros(self.hidden_size)], []
        for tok in tokens:
            hs.append(np.tanh(self.Wxh[:, tok] + self.Whh @ hs[-1] + self.bh))
            y = self.Why @ hs[-1] + self.by
            e = np.exp(y - y.max())
            ps.append(e / e.sum())
        return hs, ps

    def sequence_loss(self, inputs, targets):
        hs, ps = self.forward(inputs)
        return -sum(np.log(ps[t][targets[t]]) for t in range(len(targets))) / len(targets)

    def backprop_through_time(self, inputs, targets):
        hs, ps = self.forward(inputs)
        T = len(targets)
        dWxh, dWhh, dWhy = np.zeros_like(self.Wxh), np.zeros_like(self.Whh), np.zeros_like(self.Why)
        dbh, dby = np.zeros_like(self.bh), np.zeros_like(self.by)
        dnext = np.zeros(self.hidden_size)
        for t in reversed(range(T)):
            dy = ps[t].copy()
            dy[targets[t]] -= 1
            dy /= T
            dWhy += np.outer(dy, hs[t + 1])
            dby += dy
            draw = (self.Why.T @ dy + dnext) * (1 - hs[t + 1] ** 2)
            dbh += draw
            dWxh[:, inputs[t]] = draw
            dWhh += np.outer(draw, hs[t])
            dnext = self.Whh.T @ draw
        return dWxh, dWhh, dWhy, dbh, dby


if __name__ == '__main__':
    vae = GaussianAutoencoder()
    vae.train(np.random.rand(100, 64))
