"""Project 2: a small framework, tensors only, no autograd."""
import math
from torch import empty, Tensor, set_grad_enabled
import torch

set_grad_enabled(False)


class Module(object):
    def forward(self, *input):
        raise NotImplementedError

    def backward(self, *gradwrtoutput):
        raise NotImplementedError

    def param(self):
        return []


class FullyConnected(Module):
    def __init__(self, nb_in, nb_out):
        self.w = Tensor(nb_out, nb_in).uniform_(-1 / math.sqrt(nb_in), 1 / math.sqrt(nb_in))
        self.b = Tensor(nb_out).fill_(0)
        self.dl_dw = Tensor(self.w.size())
        self.dl_db = Tensor(self.b.size())
        self.zero_grad()

    def zero_grad(self):
        self.dl_dw.zero_()
        self.dl_db.zero_()

    def forward(self, x):
        self.x = x
        return torch.addmm(self.b, x, self.w.t())

    def backward(self, dl_ds):
        self.dl_dw += dl_ds.t().matmul(self.x)
        self.dl_db += dl_ds.sum(dim=0)
        return dl_ds @ self.w

    def param(self):
        return [(self.w, self.dl_dw), (self.b, self.dl_db)]


class Sigmoid(Module):
    def forward(self, x):
        self.s = 1 / (1 + (-x).exp())
        return self.s

    def backward(self, dl_dx):
        return dl_dx.mul(self.s).mul(1 - self.s)


class LeakyReLU(Module):
    def __init__(self, alpha=0.01):
        self.alpha = alpha

    def forward(self, x):
        self.x = x
        return torch.where(x > 0, x, self.alpha * x)

    def backward(self, g):
        d = torch.ones_like(self.x)
        d[self.x < 0] = self.alpha
        return g * d


class SoftmaxLayer(Module):
    def forward(self, x):
        e = (x - x.max(dim=1, keepdim=True)[0]).exp()
        self.p = e / e.sum(1, keepdim=True)
        return self.p

    def backward(self, g):
        return self.p * (g - (g * self.p).sum(1).view(-1, 1))


class BatchNorm(Module):
    def __init__(self, size, momentum=0.9, eps=1e-5):
        self.gamma, self.beta = torch.ones(size), torch.zeros(size)
        self.dgamma, self.dbeta = torch.zeros(size), torch.zeros(size)
        self.eps = eps

    def forward(self, x):
        mean, var = x.mean(0), x.var(0, unbiased=False)
        self.std = (var + self.eps).sqrt()
        self.xhat = (x - mean) / self.std
        return self.gamma * self.xhat + self.beta

    def backward(self, g):
        n = g.size(0)
        self.dgamma.add_((g * self.xhat).sum(0))
        self.dbeta.add_(g.sum(0))
        d = g * self.gamma
        return (n * d - d.sum(0) - self.xhat * (d * self.xhat).sum(0)) / (n * self.std)


class CrossEntropyLoss(Module):
    def forward(self, logits, target):
        self.p = torch.softmax(logits, dim=1)
        self.t = target
        return -(target * self.p.log()).sum() / logits.shape[0]

    def backward(self):
        return (self.p - self.t) / self.p.shape[0]


class Net(Module):
    def __init__(self, layers):
        self.layers = layers

    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x

    def backward(self, g):
        for layer in self.layers[::-1]:
            g = layer.backward(g)
        return g

    def param(self):
        return [p for layer in self.layers for p in layer.param()]


class SGD:
    def __init__(self, params, lr=1e-2):
        self.params, self.lr = params, lr

    def step(self):
        for p, g in self.params:
            p -= self.lr * g


def sigma(x):
    return x.tanh()


def dsigma(x):
    return 1 - x.tanh().pow(2)
