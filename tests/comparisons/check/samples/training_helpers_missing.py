"""Gradients from helpers that are not here; momentum and RMSprop kept by the caller."""
import numpy as np

from CNN.utils import network_gradients


def update(batch, labels, params, state, lr=0.01, beta1=0.95, beta2=0.99):
    [f1, w2, b1, b2] = params
    df1 = np.zeros(f1.shape)
    dw2 = np.zeros(w2.shape)
    db1 = np.zeros(b1.shape)
    db2 = np.zeros(b2.shape)
    batch_size = len(batch)
    for x, y in zip(batch, labels):
        df1_, dw2_, db1_, db2_ = network_gradients(x, y, params)
        df1 += df1_
        dw2 += dw2_
        db1 += db1_
        db2 += db2_

    state['t'] += 1
    state['v1'] = beta1 * state['v1'] + (1 - beta1) * df1 / batch_size
    state['s1'] = beta2 * state['s1'] + (1 - beta2) * (df1 / batch_size) ** 2
    f1 -= lr * state['v1'] / (1 - beta1 ** state['t']) / np.sqrt(state['s1'] / (1 - beta2 ** state['t']) + 1e-7)

    state['bv1'] = beta1 * state['bv1'] + (1 - beta1) * db1 / batch_size
    state['bs1'] = beta2 * state['bs1'] + (1 - beta2) * (db1 / batch_size) ** 2
    b1 -= lr * state['bv1'] / (1 - beta1 ** state['t']) / np.sqrt(state['bs1'] / (1 - beta2 ** state['t']) + 1e-7)
    return [f1, w2, b1, b2], state


def update_from_zero(batch, labels, params, lr=0.01, beta1=0.95, beta2=0.99):
    """The same, but with moments that live for one call."""
    [f1, b1] = params
    v1 = np.zeros(f1.shape)
    s1 = np.zeros(f1.shape)
    bv1 = np.zeros(b1.shape)
    bs1 = np.zeros(b1.shape)
    df1, db1 = network_gradients(batch, labels, params)
    v1 = beta1 * v1 + (1 - beta1) * df1
    s1 = beta2 * s1 + (1 - beta2) * df1 ** 2
    f1 -= lr * v1 / np.sqrt(s1 + 1e-7)
    bv1 = beta1 * bv1 + (1 - beta1) * db1
    bs1 = beta2 * bs1 + (1 - beta2) * db1 ** 2
    b1 -= lr * bv1 / np.sqrt(bs1 + 1e-7)
    return [f1, b1]
