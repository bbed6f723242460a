from abc import ABC, abstractmethod
import numpy as np
from ..wrappers import init_wrappers, Dropout
from ..initializers import (
    WeightInitializer,
    OptimizerInitializer,
    ActivationInitializer,
)
from .base import Module


class LayerBase(ABC):
    def __init__(self, optimizer=None):
        """An abstract base class inherited by all neural network layers"""
        self.X = []
        self.act_fn = None
        self.trainable = True
        self.optimizer = OptimizerInitializer(optimizer)()
        self.gradients = {}
        self.parameters = {}
        self.derived_variables = {}
        super().__init__()

    @abstractmethod
    def _init_params(self, **kwargs):
        raise NotImplementedError

    @abstractmethod
    def forward(self, z, **kwargs):
        raise NotImplementedError

    @abstractmethod
    def backward(self, out, **kwargs):
        raise NotImplementedError

    def flush_gradients(self):
        assert self.trainable, "Layer is frozen"
        self.X = []
        for k, v in self.derived_variables.items():
            self.derived_variables[k] = []
        for k, v in self.gradients.items():
            self.gradients[k] = np.zeros_like(v)


class FullyConnected(LayerBase):
    def __init__(self, n_out, act_fn=None, init="glorot_uniform", optimizer=None):
        super().__init__(optimizer)
        self.init = init
        self.n_in = None
        self.n_out = n_out
        self.act_fn = ActivationInitializer(act_fn)()
        self.parameters = {"W": None, "b": None}
        self.is_initialized = False

    def _init_params(self):
        init_weights = WeightInitializer(str(self.act_fn), mode=self.init)
        b = np.zeros((1, self.n_out))
        W = init_weights((self.n_in, self.n_out))
        self.parameters = {"W": W, "b": b}
        self.derived_variables = {"Z": []}
        self.gradients = {"W": np.zeros_like(W), "b": np.zeros_like(b)}
        self.is_initialized = True

    def forward(self, X, retain_derived=True):
        if not self.is_initialized:
            self.n_in = X.shape[1]
            self._init_params()
        Y, Z = self._fwd(X)
        if retain_derived:
            self.X.append(X)
            self.derived_variables["Z"].append(Z)
        return Y

    def _fwd(self, X):
        W = self.parameters["W"]
        b = self.parameters["b"]
        Z = X @ W + b
        Y = self.act_fn(Z)
        return Y, Z

    def backward(self, dLdy, retain_grads=True):
        assert self.trainable, "Layer is frozen"
        if not isinstance(dLdy, list):
            dLdy = [dLdy]
        dX = []
        X = self.X
        for dy, x in zip(dLdy, X):
            dx, dw, db = self._bwd(dy, x)
            dX.append(dx)
            if retain_grads:
                self.gradients["W"] += dw
                self.gradients["b"] += db
        return dX[0] if len(X) == 1 else dX

    def _bwd(self, dLdy, X):
        W = self.parameters["W"]
        b = self.parameters["b"]
        Z = X @ W + b
        dZ = dLdy * self.act_fn.grad(Z)
        dX = dZ @ W.T
        dW = X.T @ dZ
        dB = dZ.sum(axis=0, keepdims=True)
        return dX, dW, dB


class Linear(Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = np.random.randn(out_features, in_features)
        self.bias = np.zeros(out_features) if bias else None
    def forward(self, x):
        self.x = x
        return x @ self.weight.T + self.bias
    def backward(self, grad_out):
        self.grad_weight = grad_out.T @ self.x
        self.grad_bias = grad_out.sum(0)
        return grad_out @ self.weight

class Param:
    def __init__(self, value):
        self.value = value
        self.grad = np.zeros_like(value)
class FullyConnectedLayer:
    def __init__(self, n_input, n_output):
        self.W = Param(0.001 * np.random.randn(n_input, n_output))
        self.B = Param(0.001 * np.random.randn(1, n_output))
        self.X = None
    def forward(self, X):
        self.X = X
        return np.dot(X, self.W.value) + self.B.value
    def backward(self, d_out):
        self.W.grad += np.dot(self.X.T, d_out)
        self.B.grad += np.sum(d_out, axis=0)
        return np.dot(d_out, self.W.value.T)
    def params(self):
        return {"W": self.W, "B": self.B}
class ReLULayer:
    def forward(self, X):
        self.mask = X > 0
        return X * self.mask
    def backward(self, d_out):
        return d_out * self.mask
    def params(self): return {}
class ConvolutionalLayer:
    def __init__(self, in_channels, out_channels, filter_size, padding):
        self.filter_size = filter_size
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.W = Param(np.random.randn(filter_size, filter_size, in_channels, out_channels))
        self.B = Param(np.zeros(out_channels))
        self.padding = padding
    def forward(self, X):
        batch_size, height, width, channels = X.shape
        p=self.padding; fs=self.filter_size
        self.X = np.pad(X, ((0,0),(p,p),(p,p),(0,0)))
        oh = height - fs + 1 + 2*p; ow = width - fs + 1 + 2*p
        out = np.zeros((batch_size, oh, ow, self.out_channels))
        Wf = self.W.value.reshape(-1, self.out_channels)
        for y in range(oh):
            for x in range(ow):
                out[:, y, x, :] = self.X[:, y:y+fs, x:x+fs, :].reshape(batch_size, -1) @ Wf + self.B.value
        return out
    def backward(self, d_out):
        b, oh, ow, oc = d_out.shape
        fs=self.filter_size; p=self.padding
        dX = np.zeros_like(self.X)
        Wf = self.W.value.reshape(-1, self.out_channels)
        for y in range(oh):
            for x in range(ow):
                d = d_out[:, y, x, :]
                dX[:, y:y+fs, x:x+fs, :] += (d @ Wf.T).reshape(b, fs, fs, self.in_channels)
                self.W.grad += (self.X[:, y:y+fs, x:x+fs, :].reshape(b, -1).T @ d).reshape(self.W.value.shape)
        self.B.grad += d_out.sum(axis=(0,1,2))
        return dX[:, p:-p, p:-p, :] if p else dX
class MaxPoolingLayer:
    def __init__(self, pool_size, stride):
        self.pool_size = pool_size
        self.stride = stride
    def forward(self, X):
        self.X = X
        b, h, w, c = X.shape
        oh = (h - self.pool_size)//self.stride + 1
        ow = (w - self.pool_size)//self.stride + 1
        out = np.zeros((b, oh, ow, c))
        for y in range(oh):
            for x in range(ow):
                out[:, y, x, :] = X[:, y*self.stride:y*self.stride+self.pool_size, x*self.stride:x*self.stride+self.pool_size, :].max(axis=(1,2))
        return out
    def backward(self, d_out):
        b, oh, ow, c = d_out.shape
        d = np.zeros_like(self.X)
        for y in range(oh):
            for x in range(ow):
                s = np.s_[:, y*self.stride:y*self.stride+self.pool_size, x*self.stride:x*self.stride+self.pool_size, :]
                win = self.X[s]
                mask = win == win.max(axis=(1,2), keepdims=True)
                d[s] += mask * d_out[:, y:y+1, x:x+1, :]
        return d
class Flattener:
    def forward(self, X):
        self.s = X.shape
        return X.reshape(X.shape[0], -1)
    def backward(self, d_out):
        return d_out.reshape(self.s)
def softmax(predictions):
    z = predictions - np.max(predictions, axis=-1, keepdims=True)
    e = np.exp(z)
    return e / np.sum(e, axis=-1, keepdims=True)
def cross_entropy_loss(probs, target_index):
    if probs.ndim == 1:
        return -np.log(probs[target_index])
    return -np.mean(np.log(probs[np.arange(len(probs)), target_index.ravel()]))
def softmax_with_cross_entropy(predictions, target_index):
    probs = softmax(predictions)
    loss = cross_entropy_loss(probs, target_index)
    dp = probs.copy()
    dp[np.arange(len(probs)), target_index.ravel()] -= 1
    return loss, dp / len(probs)
def l2_regularization(W, reg_strength):
    return reg_strength*np.sum(W**2), 2*reg_strength*W
class MomentumSGD:
    def __init__(self, momentum=0.9):
        self.momentum = momentum
        self.velocity = 0
    def update(self, w, d_w, learning_rate):
        self.velocity = self.momentum*self.velocity - learning_rate*d_w
        return w + self.velocity
class AdamOptimizer:
    def __init__(self, parameters, learning_rate=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.parameters = parameters
        self.lr = learning_rate
        self.b1, self.b2, self.eps = beta1, beta2, eps
        self.m = [np.zeros_like(p.data) for p in parameters]
        self.v = [np.zeros_like(p.data) for p in parameters]
        self.t = 0
    def step(self):
        self.t += 1
        for i, p in enumerate(self.parameters):
            self.m[i] = self.b1*self.m[i] + (1-self.b1)*p.grad
            self.v[i] = self.b2*self.v[i] + (1-self.b2)*p.grad**2
            mh = self.m[i]/(1-self.b1**self.t); vh = self.v[i]/(1-self.b2**self.t)
            p.data = p.data - self.lr*mh/(np.sqrt(vh)+self.eps)
