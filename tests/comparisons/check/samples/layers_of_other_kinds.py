"""Layers whose names hold that of another layer, layers that say what they are not given, and pooling of whole images."""

import numpy as np


class Dense:
    def __init__(self, units, input_dim):
        self.weights = np.random.randn(input_dim, units)
        self.bias = np.zeros((1, units))

    def forward_pass(self, x):
        self.input = x
        return x @ self.weights + self.bias

    def backward_pass(self, output_error):
        self.d_weights = self.input.T @ output_error
        self.d_bias = np.sum(output_error, axis=0, keepdims=True)
        return output_error @ self.weights.T


class MaxPooling1D:
    def __init__(self, pool_size=2):
        self.pool_size = pool_size

    def forward_pass(self, x):
        m, n, c = x.shape
        windows = x[:, : n // self.pool_size * self.pool_size].reshape(m, -1, self.pool_size, c)
        self.shape, self.where = x.shape, windows.argmax(axis=2)
        return windows.max(axis=2)

    def backward_pass(self, output_error):
        dx = np.zeros(self.shape)
        for (i, j, k), of in np.ndenumerate(self.where):
            dx[i, j * self.pool_size + of, k] = output_error[i, j, k]
        return dx


class MaxPooling2D:
    def __init__(self, pool_size=(2, 2), strides=(2, 2)):
        self.pool_size, self.strides = pool_size, strides

    def _windows(self, x):
        (ph, pw), (sh, sw) = self.pool_size, self.strides
        for i in range((x.shape[1] - ph) // sh + 1):
            for j in range((x.shape[2] - pw) // sw + 1):
                yield i, j, (slice(None), slice(i * sh, i * sh + ph), slice(j * sw, j * sw + pw))

    def forward_pass(self, x):
        self.x = x
        cells = {(i, j): x[at].max(axis=(1, 2)) for i, j, at in self._windows(x)}
        rows, columns = (max(k) + 1 for k in zip(*cells))
        return np.stack([np.stack([cells[i, j] for j in range(columns)], axis=1) for i in range(rows)], axis=1)

    def backward_pass(self, output_error):
        dx = np.zeros_like(self.x)
        for i, j, at in self._windows(self.x):
            window = self.x[at]
            dx[at] += (window == window.max(axis=(1, 2), keepdims=True)) * output_error[:, i : i + 1, j : j + 1]
        return dx


class GlobalAveragePooling1D:
    def forward_pass(self, x):
        assert x.ndim == 3
        self.n = x.shape[1]
        return x.mean(axis=1)

    def backward_pass(self, output_error):
        return np.repeat(output_error[:, np.newaxis], self.n, axis=1) / self.n


class GlobalAveragePooling2D:
    def forward_pass(self, x):
        self.input_shape = x.shape
        return np.mean(x, axis=(2, 3))

    def backward_pass(self, output_error):
        h, w = self.input_shape[2:]
        return np.repeat(np.repeat(output_error[:, :, np.newaxis, np.newaxis], h, axis=2), w, axis=3) / (h * w)


class GlobalMaxPooling2D:
    def forward_pass(self, x):
        self.x = x
        return x.max(axis=(2, 3))

    def backward_pass(self, output_error):
        return (self.x == self.x.max(axis=(2, 3), keepdims=True)) * output_error[:, :, np.newaxis, np.newaxis]


class HardSigmoid:
    def forward_pass(self, x):
        self.x = x
        return np.clip(0.2 * x + 0.5, 0, 1)

    def backward_pass(self, output_error):
        return output_error * 0.2 * (np.abs(self.x) < 2.5)


class LSTM:
    def __init__(self, units):
        self.units = units
        self.steps = []

    def forward_pass(self, x):
        batch, steps, n = x.shape
        if not self.steps:
            self.steps = [LSTMStep(n, self.units) for _ in range(steps)]
        raise NotImplementedError("coming soon")

    def backward_pass(self, output_error):
        return output_error


class LSTMStep:
    def __init__(self, n, units):
        self.W = np.random.randn(n + units, 4 * units)


class BidirectionalLSTM:
    def __init__(self, n_in, n_out):
        self.forwards, self.backwards = np.random.randn(2, n_in + n_out, 4 * n_out)

    def forward_pass(self, x):
        if x.ndim != 3:
            raise ValueError(f"(batch, steps, features) is wanted, not {x.shape}")
        self.n = x.shape[2]
        return np.concatenate([x @ self.forwards[: self.n], x @ self.backwards[: self.n]], axis=2)

    def backward_pass(self, output_error):
        half = output_error.shape[2] // 2
        return output_error[..., :half] @ self.forwards[: self.n].T + output_error[..., half:] @ self.backwards[: self.n].T


class Deconv2D:
    def __init__(self, in_channels, out_channels, kernel_size):
        self.W = np.random.randn(out_channels, in_channels, kernel_size, kernel_size)
        self.b = np.zeros(out_channels)

    def forward_pass(self, x):
        m, c, h, w = x.shape
        k = self.W.shape[2]
        y = np.zeros((m, len(self.W), h + k - 1, w + k - 1))
        for i in range(h):
            for j in range(w):
                y[:, :, i : i + k, j : j + k] += np.einsum("mc,ocij->moij", x[:, :, i, j], self.W)
        self.x = x
        return y + self.b[:, np.newaxis, np.newaxis]

    def backward_pass(self, output_error):
        self.db = output_error.sum(axis=(0, 2, 3))
        self.dW, dx = np.zeros_like(self.W), np.zeros_like(self.x)
        k = self.W.shape[2]
        for i in range(self.x.shape[2]):
            for j in range(self.x.shape[3]):
                window = output_error[:, :, i : i + k, j : j + k]
                dx[:, :, i, j] = np.einsum("moij,ocij->mc", window, self.W)
                self.dW += np.einsum("moij,mc->ocij", window, self.x[:, :, i, j])
        return dx


class LayerNormalization:
    def __init__(self, epsilon=1e-5):
        self.epsilon = epsilon
        self.gamma = self.beta = None

    def forward_pass(self, x):
        if x.ndim != 3:
            raise ValueError(f"sequences of shape (batch, steps, features) are wanted, not {x.shape}")
        if self.gamma is None:
            self.gamma, self.beta = np.ones(x.shape[2]), np.zeros(x.shape[2])
        self.std = np.sqrt(x.var(2, keepdims=True) + self.epsilon)
        self.hat = (x - x.mean(2, keepdims=True)) / self.std
        return self.gamma * self.hat + self.beta

    def backward_pass(self, output_error):
        self.d_gamma = (output_error * self.hat).sum(axis=(0, 1))
        self.d_beta = output_error.sum(axis=(0, 1))
        d = output_error * self.gamma
        return (d - d.mean(2, keepdims=True) - self.hat * (d * self.hat).mean(2, keepdims=True)) / self.std


FUNCTIONS = {
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y)),
    "tanh": (np.tanh, lambda y: 1 - y**2),
    "relu": (lambda x: np.maximum(x, 0), lambda y: y > 0),
}


class ActivationLayer:
    def __init__(self, activation):
        if activation not in FUNCTIONS:
            raise KeyError(f"there is no {activation}")
        self.f, self.df = FUNCTIONS[activation]

    def pass_forward(self, x, train_mode=True):
        self.state = self.f(x)
        return self.state

    def pass_backward(self, grad, epoch_num, batch_num, batch_size):
        return grad * self.df(self.state)


class Dropout:
    def __init__(self, amount=0.3):
        self.amount = amount

    def pass_forward(self, x, train_mode=True):
        if not train_mode:
            return x
        self.mask = np.random.binomial(1, 1 - self.amount, size=x.shape) / (1 - self.amount)
        return x * self.mask

    def pass_backward(self, grad, epoch_num, batch_num, batch_size):
        return grad * self.mask
