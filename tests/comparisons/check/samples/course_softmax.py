# a learner's multi-class variant: softmax output, log guarded, keyword names changed, row sums by hand
import numpy as np


def softmax(Z):
    e = np.exp(Z - Z.max(axis=0, keepdims=True))
    return e / e.sum(axis=0, keepdims=True)


def linear_forward(a_prev, w, bias):
    z = w @ a_prev + bias
    return z, (a_prev, w, bias)


def linear_backward(dz, cache):
    a_prev, w, bias = cache
    m = a_prev.shape[1]
    return w.T @ dz, dz @ a_prev.T / m, np.sum(dz, axis=1).reshape(-1, 1) / m


def forward_propagation(X, params):
    caches = {'A0': X}
    L = len(params) // 2
    A = X
    for l in range(1, L):
        Z, _ = linear_forward(A, params['W%d' % l], params['b%d' % l])
        A = np.maximum(Z, 0)
        caches['Z%d' % l], caches['A%d' % l] = Z, A
    Z, _ = linear_forward(A, params['W%d' % L], params['b%d' % L])
    AL = softmax(Z)
    caches['Z%d' % L], caches['A%d' % L] = Z, AL
    return AL, caches


def compute_cost(AL, Y):
    return -np.sum(Y * np.log(AL + 1e-8)) / Y.shape[1]


def backward_propagation(AL, Y, params, caches):
    grads = {}
    L = len(params) // 2
    dZ = AL - Y
    for l in range(L, 0, -1):
        dA_prev, grads['dW%d' % l], grads['db%d' % l] = linear_backward(dZ, (caches['A%d' % (l - 1)], params['W%d' % l], params['b%d' % l]))
        if l > 1:
            dZ = dA_prev * (caches['Z%d' % (l - 1)] > 0)
    return grads


def update_parameters(params, grads, lr=0.1):
    for k in params:
        params[k] -= lr * grads['d' + k]
    return params
