"""Predict tomorrow's temperature from the last days with a GRU. Written out by hand, no framework."""
import numpy as np


def sig(x):
    return 1.0 / (1.0 + np.exp(-x))


class WeatherGRU:
    def __init__(self, n_features=3, n_hidden=12, n_targets=2, seed=1):
        rng = np.random.RandomState(seed)
        self.n_hidden = n_hidden

        def mat(rows, cols):
            return rng.randn(rows, cols) / np.sqrt(cols)

        self.Wz, self.Wr, self.Wn = (mat(n_hidden, n_features + n_hidden) for _ in range(3))
        self.bz, self.br, self.bn = (np.zeros((n_hidden, 1)) for _ in range(3))
        self.V = mat(n_targets, n_hidden)
        self.c = np.zeros((n_targets, 1))

    def forward(self, days):
        """days: (number of days, features); gives the prediction for the day after."""
        h = np.zeros((self.n_hidden, 1))
        self.steps = []
        for day in days:
            x = day.reshape(-1, 1)
            xh = np.concatenate([x, h])
            z = sig(self.Wz @ xh + self.bz)
            r = sig(self.Wr @ xh + self.br)
            xrh = np.concatenate([x, r * h])
            n = np.tanh(self.Wn @ xrh + self.bn)
            self.steps.append((x, h, xh, xrh, z, r, n))
            h = (1 - z) * h + z * n
        self.h = h
        return self.V @ h + self.c

    def backward(self, target, prediction):
        """Gradients of half the squared error."""
        grads = {k: np.zeros_like(v) for k, v in vars(self).items() if k in ('Wz', 'Wr', 'Wn', 'bz', 'br', 'bn')}
        error = prediction - target
        grads['V'] = error @ self.h.T
        grads['c'] = error
        dh = self.V.T @ error
        for x, h, xh, xrh, z, r, n in reversed(self.steps):
            k = len(x)
            dz = dh * (n - h) * z * (1 - z)
            dn = dh * z * (1 - n * n)
            grads['Wn'] += dn @ xrh.T
            grads['bn'] += dn
            drh = (self.Wn.T @ dn)[k:]
            dr = drh * h * r * (1 - r)
            grads['Wz'] += dz @ xh.T
            grads['bz'] += dz
            grads['Wr'] += dr @ xh.T
            grads['br'] += dr
            dh = dh * (1 - z) + drh * r + (self.Wz.T @ dz)[k:] + (self.Wr.T @ dr)[k:]
        for g in grads.values():
            np.clip(g, -5, 5, out=g)
        return grads


if __name__ == '__main__':
    weather = np.loadtxt('weather.csv', delimiter=',', skiprows=1)
    net = WeatherGRU()
    for epoch in range(20):
        for start in range(len(weather) - 8):
            window, tomorrow = weather[start:start + 7, :3], weather[start + 7, :2].reshape(-1, 1)
            for name, g in net.backward(tomorrow, net.forward(window)).items():
                setattr(net, name, getattr(net, name) - 0.01 * g)
