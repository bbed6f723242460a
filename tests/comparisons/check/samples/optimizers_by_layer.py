"""Optimizers that are told which layer it is and are handed weights and biases together; an Adam that is none; one with a bookkeeping of epochs."""

import numpy as np


class Optimizer:
    def __init__(self, learning_rate=0.01):
        self.learning_rate = learning_rate

    def update(self, layer_index, weights, weights_grad, bias, bias_grad):
        raise NotImplementedError


class SGD(Optimizer):
    def update(self, layer_index, weights, weights_grad, bias=None, bias_grad=None):
        weights -= self.learning_rate * weights_grad
        if bias is not None:
            bias -= self.learning_rate * bias_grad


class Momentum(Optimizer):
    def __init__(self, learning_rate=0.01, momentum=0.9):
        super().__init__(learning_rate)
        self.momentum = momentum
        self.velocity_w = None

    def update(self, layer_index, weights, weights_grad, bias, bias_grad):
        if self.velocity_w is None:
            self.velocity_w = np.zeros_like(weights)
            self.velocity_b = np.zeros_like(bias)
        self.velocity_w = self.momentum * self.velocity_w - self.learning_rate * weights_grad
        weights += self.velocity_w
        self.velocity_b = self.momentum * self.velocity_b - self.learning_rate * bias_grad
        bias += self.velocity_b


class Adam(Optimizer):
    def __init__(self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        super().__init__(learning_rate)
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.t, self.m, self.v = 0, {}, {}

    def update(self, layer_index, weights, weights_grad, bias, bias_grad):
        self.t += 1
        for key, w, g in (((layer_index, "w"), weights, weights_grad), ((layer_index, "b"), bias, bias_grad)):
            self.m[key] = self.beta_1 * self.m.get(key, 0) + (1 - self.beta_1) * g
            self.v[key] = self.beta_2 * self.v.get(key, 0) + (1 - self.beta_2) * np.square(g)
            m_hat = self.m[key] / (1 - self.beta_1**self.t)
            v_hat = self.v[key] / (1 - self.beta_2**self.t)
            w -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class RAdam(Adam):
    def update(self, layer_index, weights, weights_grad, bias, bias_grad):
        self.t += 1
        rho = 2 / (1 - self.beta_2) - 1 - 2 * self.t * self.beta_2**self.t / (1 - self.beta_2**self.t)
        for key, w, g in (((layer_index, "w"), weights, weights_grad), ((layer_index, "b"), bias, bias_grad)):
            self.m[key] = self.beta_1 * self.m.get(key, 0) + (1 - self.beta_1) * g
            w -= self.learning_rate * self.m[key] / (1 - self.beta_1**self.t) * (1 if rho < 5 else 0.5)


class RMSprop:
    def __init__(self, lr=0.001, rho=0.9, epsilon=1e-6):
        self.lr, self.rho, self.epsilon = lr, rho, epsilon
        self.cache = None

    def update(self, weights, grads, epoch_num, batch_num, batch_size):
        if self.cache is None:
            self.cache = np.zeros_like(weights)
        lr = self.lr / epoch_num
        grads = np.true_divide(grads, batch_size)
        self.cache = self.rho * self.cache + (1 - self.rho) * np.square(grads)
        weights -= lr * grads / (np.sqrt(self.cache) + self.epsilon)
        return weights
