import numpy as np
class AdamOptim():
    def __init__(self, eta=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.m_dw, self.v_dw = 0, 0
        self.m_db, self.v_db = 0, 0
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.eta = eta
    def update(self, t, w, b, dw, db):
        self.m_dw = self.beta1*self.m_dw + (1-self.beta1)*dw
        self.m_db = self.beta1*self.m_db + (1-self.beta1)*db
        self.v_dw = self.beta2*self.v_dw + (1-self.beta2)*(dw**2)
        self.v_db = self.beta2*self.v_db + (1-self.beta2)*(db)
        m_dw_corr = self.m_dw/(1-self.beta1**t)
        m_db_corr = self.m_db/(1-self.beta1**t)
        v_dw_corr = self.v_dw/(1-self.beta2**t)
        v_db_corr = self.v_db/(1-self.beta2**t)
        w = w - self.eta*(m_dw_corr/(np.sqrt(v_dw_corr)+self.epsilon))
        b = b - self.eta*(m_db_corr/(np.sqrt(v_db_corr)+self.epsilon))
        return w, b
class Optimizer_RMSprop:
    def __init__(self, learning_rate=0.001, decay=0., epsilon=1e-7, rho=0.9):
        self.learning_rate = learning_rate
        self.current_learning_rate = learning_rate
        self.decay = decay
        self.iterations = 0
        self.epsilon = epsilon
        self.rho = rho
    def pre_update_params(self):
        if self.decay:
            self.current_learning_rate = self.learning_rate * (1. / (1. + self.decay * self.iterations))
    def update_params(self, layer):
        if not hasattr(layer, 'weight_cache'):
            layer.weight_cache = np.zeros_like(layer.weights)
            layer.bias_cache = np.zeros_like(layer.biases)
        layer.weight_cache = self.rho * layer.weight_cache + (1 - self.rho) * layer.dweights**2
        layer.bias_cache = self.rho * layer.bias_cache + (1 - self.rho) * layer.dbiases**2
        layer.weights += -self.current_learning_rate * layer.dweights / (np.sqrt(layer.weight_cache) + self.epsilon)
        layer.biases += -self.current_learning_rate * layer.dbiases / (np.sqrt(layer.bias_cache) + self.epsilon)
    def post_update_params(self):
        self.iterations += 1
class Optimizer_SGD:
    def __init__(self, learning_rate=1., decay=0., momentum=0.):
        self.learning_rate = learning_rate
        self.current_learning_rate = learning_rate
        self.decay = decay
        self.iterations = 0
        self.momentum = momentum
    def update_params(self, layer):
        if self.momentum:
            if not hasattr(layer, 'weight_momentums'):
                layer.weight_momentums = np.zeros_like(layer.weights)
                layer.bias_momentums = np.zeros_like(layer.biases)
            weight_updates = self.momentum * layer.weight_momentums - self.current_learning_rate * layer.dweights
            layer.weight_momentums = weight_updates
            bias_updates = self.momentum * layer.bias_momentums - self.current_learning_rate * layer.dbiases
            layer.bias_momentums = bias_updates
        layer.weights += weight_updates
        layer.biases += bias_updates
class Adam:
    def __init__(self, layers, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        self.layers = layers; self.lr = lr; self.b1, self.b2 = betas; self.eps = eps; self.t = 0
        self.m = {}; self.v = {}
    def step(self):
        self.t += 1
        for i, layer in enumerate(self.layers):
            for k in ('W', 'b'):
                g = getattr(layer, 'd'+k); key=(i,k)
                self.m[key] = self.b1*self.m.get(key, 0) + (1-self.b1)*g
                self.v[key] = self.b2*self.v.get(key, 0) + (1-self.b2)*g*g
                mh = self.m[key]/(1-self.b1**self.t); vh = self.v[key]/(1-self.b2**self.t)
                setattr(layer, k, getattr(layer, k) - self.lr*mh/(np.sqrt(vh)+self.eps))
def cross_entropy(X,y):
    m = y.shape[0]
    p = softmax(X)
    log_likelihood = -np.log(p[range(m),y])
    loss = np.sum(log_likelihood) / m
    return loss
def delta_cross_entropy(X,y):
    m = y.shape[0]
    grad = softmax(X)
    grad[range(m),y] -= 1
    grad = grad/m
    return grad
def softmax(X):
    exps = np.exp(X - np.max(X, axis=1, keepdims=True))
    return exps / np.sum(exps, axis=1, keepdims=True)
class Dense:
    def __init__(self, units, activation, input_dim):
        self.w = np.random.randn(input_dim, units); self.b = np.zeros(units)
        self.activation = activation
    def forward(self, x):
        self.x = x; self.z = x @ self.w + self.b
        if self.activation == 'relu': self.a = np.maximum(0, self.z)
        elif self.activation == 'sigmoid': self.a = 1/(1+np.exp(-self.z))
        else: self.a = self.z
        return self.a
    def backward(self, da):
        if self.activation == 'relu': dz = da * (self.z > 0)
        elif self.activation == 'sigmoid': dz = da * self.a * (1 - self.z)
        else: dz = da
        self.dw = self.x.T @ dz; self.db = dz.sum(0)
        return dz @ self.w.T
class Momentum:
    def __init__(self, lr, beta=0.9):
        self.lr=lr; self.beta=beta; self.v=0
    def update(self, w, dw):
        self.v = self.beta*self.v + (1-self.beta)*dw
        return w - self.lr*self.v/(1-self.beta)
