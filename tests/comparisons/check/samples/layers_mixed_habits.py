import numpy as np
from scipy.special import expit
class Linear():
    def __init__(self, in_size, out_size):
        self.w = (np.random.rand(out_size, in_size) - 0.5) * 2
        self.b = np.zeros(out_size)
    def __call__(self, x):
        return self.forward(x)
    def forward(self, x):
        self.old_x = x
        return np.dot(x, self.w.T) + self.b
    def backward(self, grad):
        self.grad_b = grad.mean(axis=0)
        self.grad_w = (np.matmul(self.old_x[:,:,None], grad[:,None,:])).mean(axis=0).T
        return np.dot(grad, self.w)
class Relu():
    def __call__(self, x):
        return self.forward(x)
    def forward(self, x):
        self.old_x = np.copy(x)
        return np.clip(x, 0, None)
    def backward(self, grad):
        return np.where(self.old_x>0, grad, 0)
class Softmax():
    def __call__(self, x): return self.forward(x)
    def forward(self, x):
        self.old_y = np.exp(x) / np.exp(x).sum(axis=1)[:,None]
        return self.old_y
    def backward(self, grad):
        return self.old_y * (grad - (grad * self.old_y).sum(axis=1)[:,None])
class CrossEntropy():
    def __call__(self, x, y): return self.forward(x, y)
    def forward(self, x, y):
        self.old_x = x.clip(min=1e-8, max=None)
        self.old_y = y
        return (np.where(y==1, -np.log(self.old_x), 0)).sum(axis=1)
    def backward(self):
        return np.where(self.old_y==1, -1/self.old_x, 0)
class Sigmoid():
    def forward(self, x):
        self.s = expit(x); return self.s
    def backward(self, dout): return dout*self.s*(1-self.s)
class Module:
    def __init__(self): self._parameters = {}; self._grads = {}
class FullyConnected(Module):
    def __init__(self, input_units, output_units):
        super().__init__()
        self._parameters['W'] = np.random.randn(input_units, output_units)
        self._parameters['b'] = np.zeros(output_units)
        self._grads['W'] = np.zeros((input_units, output_units))
        self._grads['b'] = np.zeros(output_units)
    def forward(self, x):
        self.x = x
        return x @ self._parameters['W'] + self._parameters['b']
    def backward(self, dout):
        np.dot(self.x.T, dout, out=self._grads['W'])
        self._grads['b'][:] = np.sum(dout, 0)
        return dout.dot(self._parameters['W'].T)
class LinearLayer:
    def __init__(self, input_shape, n_out, ini_type="plain"):
        self.m = input_shape[1]
        self.params = {'W': np.random.randn(n_out, input_shape[0])*0.01, 'b': np.zeros((n_out, 1))}
        self.Z = np.zeros((self.params['W'].shape[0], input_shape[1]))
    def forward(self, A_prev):
        self.A_prev = A_prev
        self.Z = np.dot(self.params['W'], self.A_prev) + self.params['b']
    def backward(self, upstream_grad):
        self.dW = np.dot(upstream_grad, self.A_prev.T)
        self.db = np.sum(upstream_grad, axis=1, keepdims=True)
        self.dA_prev = np.dot(self.params['W'].T, upstream_grad)
    def update_params(self, learning_rate=0.1):
        self.params['W'] = self.params['W'] - learning_rate * self.dW
        self.params['b'] = self.params['b'] - learning_rate * self.db
class SigmoidLayer:
    def __init__(self, shape):
        self.A = np.zeros(shape)
    def forward(self, Z):
        self.A = 1 / (1 + np.exp(-Z))
    def backward(self, upstream_grad):
        self.dZ = upstream_grad * self.A * (1 - self.A)
def compute_cost(Y, Y_hat):
    m = Y.shape[1]
    cost = (1. / (2. * m)) * np.sum(np.square(Y - Y_hat))
    cost = np.squeeze(cost)
    dY_hat = -1. / m * (Y - Y_hat)
    return cost, dY_hat
class MaxPool:
    def __init__(self, filter_size): self.filter_size = filter_size
    def forward(self, image):
        self.image = image
        h, w, n = image.shape; f = self.filter_size
        out = np.zeros((h//f, w//f, n))
        for i in range(h//f):
            for j in range(w//f):
                out[i,j] = np.amax(image[i*f:i*f+f, j*f:j*f+f], axis=(0,1))
        return out
    def backward(self, d):
        g = np.zeros(self.image.shape); f=self.filter_size
        for i in range(d.shape[0]):
            for j in range(d.shape[1]):
                for k in range(d.shape[2]):
                    p = self.image[i*f:i*f+f, j*f:j*f+f, k]
                    a, b = np.unravel_index(p.argmax(), p.shape)
                    g[i*f+a, j*f+b, k] = d[i,j,k]
        return g
class Dropout:
    def __init__(self, keep_prob=0.5):
        self.keep_prob = keep_prob
    def forward(self, A):
        self.D = np.random.rand(A.shape[0], A.shape[1]) < self.keep_prob
        return A * self.D / self.keep_prob
    def backward(self, dA):
        return dA * self.D / self.keep_prob
class RNNCell:
    def __init__(self, input_size, hidden_size):
        self.Wxh = np.random.randn(hidden_size, input_size); self.Whh = np.random.randn(hidden_size, hidden_size); self.bh = np.zeros((hidden_size,1))
    def forward(self, xs):
        self.xs = xs; h = np.zeros((self.Whh.shape[0],1)); self.hs=[h]
        for x in xs:
            h = np.tanh(self.Wxh @ x.reshape(-1,1) + self.Whh @ h + self.bh); self.hs.append(h)
        return np.array([h.ravel() for h in self.hs[1:]])
    def backward(self, dhs):
        self.dWxh=np.zeros_like(self.Wxh); self.dWhh=np.zeros_like(self.Whh); self.dbh=np.zeros_like(self.bh)
        dnext=np.zeros_like(self.hs[0]); dxs=[None]*len(self.xs)
        for t in reversed(range(len(self.xs))):
            dh = dhs[t].reshape(-1,1)+dnext
            dz = dh*(1-self.hs[t+1]**2)
            self.dWxh += dz @ self.xs[t].reshape(1,-1); self.dWhh += dz @ self.hs[t].T; self.dbh += dz
            dnext = self.Whh.T @ dz; dxs[t] = (self.Wxh.T @ dz).ravel()
        return np.array(dxs)
