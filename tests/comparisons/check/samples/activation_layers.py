import numpy as np

class Linear:
    def __init__(self, n_in, n_out):
        self.W = np.random.randn(n_in, n_out) * np.sqrt(2. / n_in)
        self.b = np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0)
        return grad @ self.W.T

class PReLU:
    def __init__(self, alpha=0.25):
        self.alpha = np.array([alpha])
    def forward(self, x):
        self.x = x
        return np.where(x > 0, x, self.alpha * x)
    def backward(self, grad):
        self.dalpha = np.array([np.sum(grad * np.where(self.x > 0, 0, self.x))])
        return grad * np.where(self.x > 0, 1, self.alpha)

class GELU:
    def forward(self, x):
        self.x = x
        self.t = np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3))
        return 0.5 * x * (1 + self.t)
    def backward(self, grad):
        x, t = self.x, self.t
        dt = (1 - t ** 2) * np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * x ** 2)
        return grad * (0.5 * (1 + t) + 0.5 * x * dt)

class Swish:
    def __init__(self, beta=1.0):
        self.beta = beta
    def forward(self, x):
        self.x = x
        self.s = 1 / (1 + np.exp(-self.beta * x))
        return x * self.s
    def backward(self, grad):
        return grad * (self.s + self.beta * self.x * self.s * (1 - self.s))

class Softplus:
    def forward(self, x):
        self.x = x
        return np.log(1 + np.exp(x))
    def backward(self, grad):
        return grad / (1 + np.exp(-self.x))

class Mish:
    def forward(self, x):
        self.x = x
        self.sp = np.log1p(np.exp(x))
        return x * np.tanh(self.sp)
    def backward(self, grad):
        t = np.tanh(self.sp)
        s = 1 / (1 + np.exp(-self.x))
        return grad * (t + self.x * s * (1 - t ** 2))

class SELU:
    def __init__(self):
        self.scale, self.alpha = 1.0507009873554805, 1.6732632423543772
    def forward(self, x):
        self.x = x
        return self.scale * np.where(x > 0, x, self.alpha * (np.exp(x) - 1))
    def backward(self, grad):
        return grad * self.scale * np.where(self.x > 0, 1, self.alpha * np.exp(self.x))

class Sequential:
    def __init__(self, layers):
        self.layers = layers
    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x
    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

class SwishNet:
    def __init__(self, n_in, n_hidden, n_out):
        self.fc1 = Linear(n_in, n_hidden)
        self.act1 = Swish()
        self.fc2 = Linear(n_hidden, n_hidden)
        self.act2 = PReLU()
        self.fc3 = Linear(n_hidden, n_out)
    def forward(self, x):
        return self.fc3.forward(self.act2.forward(self.fc2.forward(self.act1.forward(self.fc1.forward(x)))))
    def backward(self, grad):
        return self.fc1.backward(self.act1.backward(self.fc2.backward(self.act2.backward(self.fc3.backward(grad)))))
