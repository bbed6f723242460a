import numpy as np
from CNN.utils import *


def convolution(image, filt, bias, s=1):
    n_f, n_c, f, _ = filt.shape
    assert n_c == image.shape[0]
    size = (image.shape[1] - f) // s + 1
    out = np.zeros((n_f, size, size))
    for k in range(n_f):
        for i in range(size):
            for j in range(size):
                out[k, i, j] = np.sum(filt[k] * image[:, i * s:i * s + f, j * s:j * s + f]) + bias[k, 0]
    return out


def maxpool(image, f=3, s=2):
    size = (image.shape[1] - f) // s + 1
    out = np.zeros((image.shape[0], size, size))
    for i in range(size):
        for j in range(size):
            out[:, i, j] = image[:, i * s:i * s + f, j * s:j * s + f].max(axis=(1, 2))
    return out


def convolutionBackward(dconv_prev, conv_in, filt, s):
    n_f, n_c, f, _ = filt.shape
    dout, dfilt, dbias = np.zeros(conv_in.shape), np.zeros(filt.shape), np.zeros((n_f, 1))
    for k in range(n_f):
        for i in range(dconv_prev.shape[1]):
            for j in range(dconv_prev.shape[2]):
                window = conv_in[:, i * s:i * s + f, j * s:j * s + f]
                dfilt[k] += dconv_prev[k, i, j] * window
                dout[:, i * s:i * s + f, j * s:j * s + f] += dconv_prev[k, i, j] * filt[k]
        dbias[k] = np.sum(dconv_prev[k])
    return dout, dfilt, dbias


def maxpoolBackward(dpool, orig, f=3, s=2):
    dout = np.zeros(orig.shape)
    for c in range(orig.shape[0]):
        for i in range(dpool.shape[1]):
            for j in range(dpool.shape[2]):
                window = orig[c, i * s:i * s + f, j * s:j * s + f]
                a, b = np.unravel_index(np.nanargmax(window), window.shape)
                dout[c, i * s + a, j * s + b] += dpool[c, i, j]
    return dout
