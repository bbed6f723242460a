import numpy as np


class Layer(object):
    def __init__(self):
        self.network = None
        self.prev = None
        self.next = None
        self.output = None

    def connect_to(self, network, prev):
        self.network = network
        self.prev = prev
        if prev is not None:
            prev.next = self

    def n_out(self):
        raise NotImplementedError


class Dense(Layer):
    def __init__(self, n):
        super(Dense, self).__init__()
        self.n = n
        self.w = None
        self.b = None

    def connect_to(self, network, prev):
        Layer.connect_to(self, network, prev)
        size = prev.n if prev is not None else network.input_size
        self.w = np.random.randn(size, self.n) * 0.1
        self.b = np.zeros(self.n)

    def forward(self, x):
        self.input = x
        self.output = np.dot(x, self.w) + self.b
        return self.output

    def backward(self, delta):
        dw = np.dot(self.input.T, delta)
        db = np.sum(delta, axis=0)
        back = np.dot(delta, self.w.T)
        self.w = self.w - self.network.learning_rate * dw
        self.b = self.b - self.network.learning_rate * db
        return back


class Relu(Layer):
    def connect_to(self, network, prev):
        Layer.connect_to(self, network, prev)
        self.n = prev.n

    def forward(self, x):
        self.output = np.maximum(x, 0)
        return self.output

    def backward(self, delta):
        return delta * (self.output > 0)


class Dropout(Layer):
    def __init__(self, rate=0.5):
        super(Dropout, self).__init__()
        self.rate = rate

    def connect_to(self, network, prev):
        Layer.connect_to(self, network, prev)
        self.n = prev.n

    def forward(self, x):
        if self.network.training:
            self.mask = (np.random.uniform(size=x.shape) > self.rate) / (1.0 - self.rate)
            self.output = x * self.mask
        else:
            self.output = x
        return self.output

    def backward(self, delta):
        return delta * self.mask


class Network(object):
    def __init__(self, input_size, learning_rate=0.01):
        self.input_size = input_size
        self.learning_rate = learning_rate
        self.layers = []
        self.training = False

    def add(self, layer):
        layer.connect_to(self, self.layers[-1] if self.layers else None)
        self.layers.append(layer)
        return self

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def train_batch(self, x, t):
        self.training = True
        y = self.forward(x)
        delta = (y - t) / x.shape[0]
        for layer in self.layers[::-1]:
            delta = layer.backward(delta)
        self.training = False
        return 0.5 * np.sum((y - t) ** 2) / x.shape[0]
