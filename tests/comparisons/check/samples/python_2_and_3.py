from __future__ import print_function, division
from builtins import range, object
from future import standard_library
standard_library.install_aliases()
from past.builtins import xrange
from past.utils import old_div
from six.moves import cPickle as pickle, xrange as xr
import six.moves.cPickle as cp
import cPickle
import six
from future.utils import iteritems
from itertools import izip
import numpy as np


def affine_forward(x, w, b):
    n = x.shape[0]
    out = np.zeros((n, w.shape[1]))
    for i in xrange(n):
        for k in six.moves.xrange(w.shape[1]):
            out[i, k] = sum(a * c for a, c in izip(x[i], w[:, k])) + b[k]
    return out, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    grads = {'w': x.T.dot(dout), 'b': dout.sum(0) * old_div(3, 2)}
    out = dict((k, v) for k, v in iteritems(grads))
    for k, v in grads.iteritems():
        assert out[k] is v
    return dout.dot(w.T), out['w'], out['b']


def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape)
    loss = 0.0
    for i in xrange(X.shape[0]):
        scores = X[i].dot(W)
        for j in xr(W.shape[1]):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    loss = loss / X.shape[0] + 0.5 * reg * np.sum(W * W)
    dW = dW / X.shape[0] + reg * W
    return loss, dW
