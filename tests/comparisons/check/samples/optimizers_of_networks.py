"""Optimizers that get at the parameters through a network: one that a trainer puts in, one that is an argument, one of the constructor."""
import numpy as np


class Optimizer(object):
    def __init__(self, lr=0.01):
        self.lr = lr
        self.first = True

    def step(self):
        pass


class SGD(Optimizer):
    def step(self):
        for (param, param_grad) in zip(self.net.params(), self.net.param_grads()):
            param -= self.lr * param_grad


class SGDMomentum(Optimizer):
    def __init__(self, lr=0.01, momentum=0.9):
        super().__init__(lr)
        self.momentum = momentum

    def step(self):
        if self.first:
            self.velocities = [np.zeros_like(param) for param in self.net.params()]
            self.first = False
        for (param, param_grad, velocity) in zip(self.net.params(), self.net.param_grads(), self.velocities):
            self._update_rule(param=param, grad=param_grad, velocity=velocity)

    def _update_rule(self, **kwargs):
        kwargs["velocity"] *= self.momentum
        kwargs["velocity"] += self.lr * kwargs["grad"]
        kwargs["param"] -= kwargs["velocity"]


class AdaGrad(Optimizer):
    def __init__(self, lr=0.01):
        super().__init__(lr)
        self.eps = 1e-7

    def step(self):
        if self.first:
            self.sum_squares = [np.zeros_like(param) for param in self.net.params()]
            self.first = False
        for (param, param_grad, sum_square) in zip(self.net.params(), self.net.param_grads(), self.sum_squares):
            sum_square += np.power(param_grad, 2)
            param -= self.lr / (np.sqrt(sum_square) + self.eps) * param_grad


class MomentumSGD:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum
        self.velocities = None

    def step(self, net):
        if self.velocities is None:
            self.velocities = [np.zeros_like(p) for p, _ in net.params_and_grads()]
        for i, (param, grad) in enumerate(net.params_and_grads()):
            self.velocities[i] = self.momentum * self.velocities[i] - self.lr * grad
            param += self.velocities[i]


class RMSProp:
    """Remembers by name."""

    def __init__(self, lr=0.001, decay_rate=0.9, eps=1e-8):
        self.lr, self.decay_rate, self.eps = lr, decay_rate, eps
        self.cache = {}

    def step(self, net):
        for name, param, grad in net.params_and_grads():
            if name not in self.cache:
                self.cache[name] = np.zeros_like(param)
            self.cache[name] = self.decay_rate * self.cache[name] + (1 - self.decay_rate) * grad * grad
            param -= self.lr * grad / (np.sqrt(self.cache[name]) + self.eps)


class Adam:
    def __init__(self, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.learning_rate = learning_rate
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.m, self.v, self.t = {}, {}, 0

    def update(self, model):
        self.t += 1
        for key in model.params.keys():
            if key not in self.m:
                self.m[key] = np.zeros_like(model.params[key])
                self.v[key] = np.zeros_like(model.params[key])
            g = model.grads[key]
            self.m[key] = self.beta1 * self.m[key] + (1 - self.beta1) * g
            self.v[key] = self.beta2 * self.v[key] + (1 - self.beta2) * g ** 2
            m_hat = self.m[key] / (1 - self.beta1 ** self.t)
            v_hat = self.v[key] / (1 - self.beta2 ** self.t)
            model.params[key] -= self.learning_rate * m_hat / (np.sqrt(v_hat) + self.epsilon)


class AdamOfLayers:
    """Made for a model whose layers have W and b, and their gradients in dLdW and dLdb."""

    def __init__(self, model, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.l = [layer for layer in model.layers if hasattr(layer, "W")]
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.t = 0
        self.m_W = [np.zeros(layer.W.shape) for layer in self.l]
        self.v_W = [np.zeros(layer.W.shape) for layer in self.l]
        self.m_b = [np.zeros(layer.b.shape) for layer in self.l]
        self.v_b = [np.zeros(layer.b.shape) for layer in self.l]

    def step(self):
        self.t += 1
        for i, layer in enumerate(self.l):
            self.m_W[i] = self.beta1 * self.m_W[i] + (1 - self.beta1) * layer.dLdW
            self.v_W[i] = self.beta2 * self.v_W[i] + (1 - self.beta2) * layer.dLdW ** 2
            self.m_b[i] = self.beta1 * self.m_b[i] + (1 - self.beta1) * layer.dLdb
            self.v_b[i] = self.beta2 * self.v_b[i] + (1 - self.beta2) * layer.dLdb ** 2
            first, second = 1 - self.beta1 ** self.t, 1 - self.beta2 ** self.t
            layer.W = layer.W - self.lr * (self.m_W[i] / first) / np.sqrt(self.v_W[i] / second + self.eps)
            layer.b = layer.b - self.lr * (self.m_b[i] / first) / np.sqrt(self.v_b[i] / second + self.eps)


class AdamByName:
    """Whoever trains calls count() once a batch."""

    def __init__(self, lr=0.001, decay1=0.9, decay2=0.999, eps=1e-7):
        self.lr, self.decay1, self.decay2, self.eps = lr, decay1, decay2, eps
        self.cache, self.cur_step = {}, 0

    def count(self):
        self.cur_step += 1

    def update(self, param, param_grad, param_name):
        if param_name not in self.cache:
            self.cache[param_name] = {"mean": np.zeros_like(param_grad), "var": np.zeros_like(param_grad)}
        t = self.cur_step
        own = self.cache[param_name]
        own["mean"] = self.decay1 * own["mean"] + (1 - self.decay1) * param_grad
        own["var"] = self.decay2 * own["var"] + (1 - self.decay2) * param_grad ** 2
        m_hat = own["mean"] / (1 - self.decay1 ** t)
        v_hat = own["var"] / (1 - self.decay2 ** t)
        return param - self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class RMSpropRegistered:
    def __init__(self, lr=0.001, rho=0.9):
        self.lr, self.rho = lr, rho
        self.model = None

    def register(self, model):
        self.model = model
        self.cache = [np.zeros_like(p) for p in model.parameters()]

    def step(self):
        for p, g, c in zip(self.model.parameters(), self.model.gradients(), self.cache):
            c[...] = self.rho * c + (1 - self.rho) * g ** 2
            p -= self.lr * g / (np.sqrt(c) + 1e-8)
