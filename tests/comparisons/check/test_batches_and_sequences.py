"""What shows with several examples, steps or batches only: a softmax over all, axes summed, penalties of a step, shares of dropout."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import Checked, judge_all
from comparisons.check.matching import InProcess
from reports.schema import FAILING

pytest.importorskip("torch")

DIGITS = """
import numpy as np

def init_params():
    W1 = np.random.rand(5, 4) - 0.5
    b1 = np.random.rand(5, 1) - 0.5
    W2 = np.random.rand(3, 5) - 0.5
    b2 = np.random.rand(3, 1) - 0.5
    return W1, b1, W2, b2

def relu(Z):
    return np.maximum(Z, 0)

def softmax(Z):
    E = np.exp(Z - Z.max(axis=0))
    return E / E.sum(axis=0)

def forward_prop(W1, b1, W2, b2, X):
    Z1 = W1.dot(X) + b1
    A1 = relu(Z1)
    Z2 = W2.dot(A1) + b2
    A2 = softmax(Z2)
    return Z1, A1, Z2, A2

def one_hot(Y):
    Y_hot = np.zeros((Y.size, 3))
    Y_hot[np.arange(Y.size), Y] = 1
    return Y_hot.T

def back_prop(Z1, A1, Z2, A2, W2, X, Y):
    m = Y.size
    dZ2 = A2 - one_hot(Y)
    dW2 = 1 / m * dZ2.dot(A1.T)
    db2 = 1 / m * dZ2.sum(axis=1, keepdims=True)
    dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
    dW1 = 1 / m * dZ1.dot(X.T)
    db1 = 1 / m * dZ1.sum(axis=1, keepdims=True)
    return dW1, db1, dW2, db2
"""

REGRESSION = """
import numpy as np

def softmax(z):
    e = np.exp(z)
    return e / e.sum(axis=1, keepdims=True)

def cost_and_grad(theta, X, Y, lam):
    m = X.shape[0]
    p = softmax(X.dot(theta))
    cost = -np.sum(Y * np.log(p)) / m + lam / 2 * np.sum(theta ** 2)
    grad = X.T.dot(p - Y) / m + lam * theta
    return cost, grad
"""

SEQUENCES = """
import numpy as np

class LayerNorm:
    def __init__(self, dim, eps=1e-5):
        self.gamma, self.beta, self.eps = np.ones(dim), np.zeros(dim), eps
    def forward(self, x):
        mu = x.mean(-1, keepdims=True)
        self.inv = 1 / np.sqrt(x.var(-1, keepdims=True) + self.eps)
        self.xhat = (x - mu) * self.inv
        return self.gamma * self.xhat + self.beta
    def backward(self, dy):
        self.dgamma = (dy * self.xhat).sum((0, 1))
        self.dbeta = dy.sum((0, 1))
        d = dy * self.gamma
        return self.inv * (d - d.mean(-1, keepdims=True) - self.xhat * (d * self.xhat).mean(-1, keepdims=True))

class Linear:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out) * 0.1, np.zeros(n_out)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW = np.einsum('bti,bto->io', self.x, dout)
        self.db = dout.sum((0, 1))
        return dout @ self.W.T
"""

CHARACTERS = """
import numpy as np

def softmax(x):
    e = np.exp(x - np.max(x))
    return e / e.sum(axis=0)

def initialize_parameters(n_a, n_x, n_y):
    return {"Wax": np.random.randn(n_a, n_x), "Waa": np.random.randn(n_a, n_a), "Wya": np.random.randn(n_y, n_a),
            "b": np.zeros((n_a, 1)), "by": np.zeros((n_y, 1))}

def rnn_step_forward(parameters, a_prev, x):
    a = np.tanh(parameters["Wax"] @ x + parameters["Waa"] @ a_prev + parameters["b"])
    return a, softmax(parameters["Wya"] @ a + parameters["by"])

def rnn_step_backward(dy, gradients, parameters, x, a, a_prev):
    gradients["dWya"] += dy @ a.T
    gradients["dby"] += dy
    da = parameters["Wya"].T @ dy + gradients["da_next"]
    daraw = (1 - a * a) * da
    gradients["db"] += daraw
    gradients["dWax"] += daraw @ x.T
    gradients["dWaa"] += daraw @ a_prev.T
    gradients["da_next"] = parameters["Waa"].T @ daraw
    return gradients

def rnn_forward(X, Y, a0, parameters, vocab_size=27):
    x, a, y_hat = {}, {-1: np.copy(a0)}, {}
    loss = 0
    for t in range(len(X)):
        x[t] = np.zeros((vocab_size, 1))
        if X[t] != None:
            x[t][X[t]] = 1
        a[t], y_hat[t] = rnn_step_forward(parameters, a[t - 1], x[t])
        loss -= np.log(y_hat[t][Y[t], 0])
    cache = (y_hat, a, x)
    return loss, cache

def rnn_backward(X, Y, parameters, cache):
    (y_hat, a, x) = cache
    gradients = {"d" + n: np.zeros_like(p) for n, p in parameters.items()}
    gradients["da_next"] = np.zeros_like(a[0])
    for t in reversed(range(len(X))):
        dy = np.copy(y_hat[t])
        dy[Y[t]] -= 1
        gradients = rnn_step_backward(dy, gradients, parameters, x[t], a[t], a[t - 1])
    return gradients, a
"""

DROPPED = """
import numpy as np

def init_params(layers_dims):
    parameters = {}
    for l in range(1, len(layers_dims)):
        parameters['W' + str(l)] = np.random.randn(layers_dims[l], layers_dims[l-1]) * 0.5
        parameters['b' + str(l)] = np.zeros((layers_dims[l], 1))
    return parameters

def forward_with_dropout(X, parameters, keep_prob=0.5):
    np.random.seed(1)
    Z1 = parameters['W1'] @ X + parameters['b1']
    A1 = np.maximum(Z1, 0)
    D1 = np.random.rand(*A1.shape) < keep_prob
    A1 = A1 * D1 / keep_prob
    Z2 = parameters['W2'] @ A1 + parameters['b2']
    A2 = 1 / (1 + np.exp(-Z2))
    return A2, {'Z1': Z1, 'D1': D1, 'A1': A1, 'A2': A2}

def backward_propagation(X, Y, cache, parameters, keep_prob):
    m = X.shape[1]
    dZ2 = cache['A2'] - Y
    grads = {'dW2': dZ2 @ cache['A1'].T / m, 'db2': dZ2.sum(axis=1, keepdims=True) / m}
    dA1 = parameters['W2'].T @ dZ2 * cache['D1'] / keep_prob
    dZ1 = dA1 * (cache['Z1'] > 0)
    grads['dW1'] = dZ1 @ X.T / m
    grads['db1'] = dZ1.sum(axis=1, keepdims=True) / m
    return grads
"""

PENALISED = """
import numpy as np

class Dense:
    def __init__(self, n_in, n_out):
        self.W, self.b = np.random.randn(n_in, n_out) * 0.3, np.zeros(n_out)
        self.params = [self.W, self.b]
    def forward(self, X):
        self.X = X
        return X @ self.W + self.b
    def backward(self, dout):
        return dout @ self.W.T, [self.X.T @ dout, dout.sum(axis=0)]

class Relu:
    def __init__(self):
        self.params = []
    def forward(self, X):
        self.X = X
        return np.maximum(0, X)
    def backward(self, dout):
        return dout * (self.X > 0), []

def softmax_loss(X, y):
    m = y.shape[0]
    e = np.exp(X - X.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dx = p.copy()
    dx[range(m), y] -= 1
    return -np.log(p[range(m), y]).sum() / m, dx / m

def add_l2(layers, grads, lam=0.01):
    for layer, grad in zip(layers, reversed(grads)):
        if layer.params:
            grad[0] += lam * layer.params[0]
    return grads

class Net:
    def __init__(self, layers, loss_func=softmax_loss):
        self.layers = layers
        self.loss_func = loss_func
    def forward(self, X):
        for layer in self.layers:
            X = layer.forward(X)
        return X
    def backward(self, dout):
        grads = []
        for layer in reversed(self.layers):
            dout, grad = layer.backward(dout)
            grads.append(grad)
        return grads
    def train_step(self, X, y):
        loss, dout = self.loss_func(self.forward(X), y)
        grads = add_l2(self.layers, self.backward(dout))
        return loss, grads
"""

SINGLE = """
import numpy as np

class TwoLayerNet:
    def __init__(self, input_dim=12, hidden_dim=20, num_classes=4, weight_scale=1e-2, reg=0.0, dtype=np.float32):
        self.reg = reg
        self.params = {'W1': weight_scale * np.random.randn(input_dim, hidden_dim), 'b1': np.zeros(hidden_dim),
                       'W2': weight_scale * np.random.randn(hidden_dim, num_classes), 'b2': np.zeros(num_classes)}
        for k, v in self.params.items():
            self.params[k] = v.astype(dtype)
    def loss(self, X, y=None):
        W1, b1, W2, b2 = (self.params[k] for k in ('W1', 'b1', 'W2', 'b2'))
        a = X @ W1 + b1
        h = np.tanh(a)
        scores = h @ W2 + b2
        if y is None:
            return scores
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean() + 0.5 * self.reg * ((W1 ** 2).sum() + (W2 ** 2).sum())
        dscores = p.copy()
        dscores[np.arange(len(y)), y] -= 1
        dscores /= len(y)
        grads = {'W2': h.T @ dscores + self.reg * W2, 'b2': dscores.sum(axis=0)}
        da = dscores @ W2.T * (1 - h ** 2)
        grads['W1'] = X.T @ da + self.reg * W1
        grads['b1'] = da.sum(axis=0)
        return loss, grads
"""

COURSE = """
import numpy as np

def initialize_parameters(layer_dims):
    parameters = {}
    for l in range(1, len(layer_dims)):
        parameters['W' + str(l)] = np.random.randn(layer_dims[l], layer_dims[l-1]) * 0.5
        parameters['b' + str(l)] = np.zeros((layer_dims[l], 1))
    return parameters

def forward_propagation(X, parameters):
    W1, b1, W2, b2 = parameters["W1"], parameters["b1"], parameters["W2"], parameters["b2"]
    z1 = np.dot(W1, X) + b1
    a1 = np.maximum(0, z1)
    z2 = np.dot(W2, a1) + b2
    a2 = 1 / (1 + np.exp(-z2))
    return a2, (z1, a1, W1, b1, z2, a2, W2, b2)

def compute_cost(a2, Y):
    logprobs = np.multiply(-np.log(a2), Y) + np.multiply(-np.log(1 - a2), 1 - Y)
    return np.sum(logprobs)

def backward_propagation(X, Y, cache):
    m = X.shape[1]
    (z1, a1, W1, b1, z2, a2, W2, b2) = cache
    dz2 = 1. / m * (a2 - Y.reshape(a2.shape))
    dW2 = np.dot(dz2, a1.T)
    db2 = np.sum(dz2, axis=1, keepdims=True)
    dz1 = np.dot(W2.T, dz2) * (a1 > 0)
    dW1 = np.dot(dz1, X.T)
    db1 = np.sum(dz1, axis=1, keepdims=True)
    return {"dz2": dz2, "dW2": dW2, "db2": db2, "dz1": dz1, "dW1": dW1, "db1": db1}

def update_parameters(parameters, grads, learning_rate):
    for n in parameters:
        parameters[n] = parameters[n] - learning_rate * grads["d" + n]
    return parameters

def model(X, Y, layers_dims, learning_rate=0.01, num_iterations=100, print_cost=True):
    m = X.shape[1]
    parameters = initialize_parameters(layers_dims)
    for i in range(num_iterations):
        a2, cache = forward_propagation(X, parameters)
        cost_avg = compute_cost(a2, Y) / m
        grads = backward_propagation(X, Y, cache)
        parameters = update_parameters(parameters, grads, learning_rate)
        if print_cost and i % 10 == 0:
            print(cost_avg)
    return parameters
"""

KAGGLE = """
import numpy as np

def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

def forward(X, p):
    z1 = X @ p['W1'] + p['b1']
    a1 = np.maximum(z1, 0)
    z2 = a1 @ p['W2'] + p['b2']
    return softmax(z2), (z1, a1, z2)

def cross_entropy(probs, Y, p, lam):
    data = -np.sum(Y * np.log(probs)) / len(Y)
    return data + lam / 2 * sum(np.sum(p[f'W{i}'] ** 2) for i in (1, 2))

def backward(X, Y, probs, cache, p, lam):
    z1, a1, z2 = cache
    d2 = (probs - Y) / X.shape[0]
    d1 = (d2 @ p['W2'].T) * (z1 > 0)
    return {'W2': a1.T @ d2 + lam * p['W2'], 'b2': d2.sum(axis=0, keepdims=True),
            'W1': X.T @ d1 + lam * p['W1'], 'b1': d1.sum(axis=0, keepdims=True)}
"""

BLOG = """
import numpy as np

DTYPE = np.float32

class Dense:
    def __init__(self, n_in, n_out, dtype=DTYPE):
        self.params = {"W": np.random.uniform(-1, 1, (n_in, n_out)).astype(dtype), "b": np.zeros((1, n_out), dtype=dtype)}
        self.grads = {}
    def forward(self, x):
        self.x = x
        return x @ self.params["W"] + self.params["b"]
    def backward(self, grad):
        self.grads["W"] = self.x.T @ grad
        self.grads["b"] = grad.sum(axis=0, keepdims=True)
        return grad @ self.params["W"].T

class Tanh:
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y
    def backward(self, grad):
        return grad * (1 - self.y ** 2)

class Sequential:
    def __init__(self, *layers):
        self.layers = layers
    def forward(self, x):
        for layer in self.layers:
            x = layer.forward(x)
        return x
    def backward(self, grad):
        for layer in reversed(self.layers):
            grad = layer.backward(grad)
        return grad

def cross_entropy(logits, y):
    z = logits - logits.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    grad = np.exp(logp)
    grad[np.arange(len(y)), y] -= 1
    return -logp[np.arange(len(y)), y].sum(), grad / len(y)

class Trainer:
    def __init__(self, net, lr=0.001):
        self.net, self.lr, self.t = net, lr, 0
        self.p = {i: layer.params["W"] for i, layer in enumerate(net.layers) if hasattr(layer, "params")}
        self.m = {k: np.zeros_like(a) for k, a in self.p.items()}
        self.v = {k: np.zeros_like(a) for k, a in self.p.items()}
    def adam(self, grads, b1=0.9, b2=0.999, eps=1e-8):
        self.t += 1
        lr_t = self.lr * np.sqrt(1 - b2 ** self.t) / (1 - b1 ** self.t)
        for k in self.p:
            self.m[k] = b1 * self.m[k] + (1 - b1) * grads[k]
            self.v[k] = b2 * self.v[k] + (1 - b2) * grads[k] ** 2
            self.p[k] -= lr_t * self.m[k] / (np.sqrt(self.v[k]) + eps)
    def epoch(self, batches):
        total, seen = 0, 0
        for x, y in batches:
            loss, grad = cross_entropy(self.net.forward(x), y)
            self.net.backward(grad)
            total += loss
            seen += len(y)
        return total / seen
"""

FILES = {"blog": BLOG, "digits": DIGITS, "regression": REGRESSION, "sequences": SEQUENCES, "characters": CHARACTERS, "dropped": DROPPED,
         "penalised": PENALISED, "single": SINGLE, "course": COURSE, "kaggle": KAGGLE}  # fmt: skip


def checked(text: str, folder: Path) -> list[Checked]:
    file = folder / "mine.py"
    file.write_text(text)
    return judge_all(InProcess(source.run(file)), ("torch",), 0).checked


def failing(found: list[Checked]) -> list[Checked]:
    return [c for c in found if {row["verdict"] for row in c.rows} & set(FAILING)]


@pytest.mark.parametrize(
    ("name", "units"),
    [
        ("digits", {"back_prop"}),
        ("regression", {"cost_and_grad"}),
        ("sequences", {"LayerNorm", "Linear"}),
        ("characters", {"rnn_forward"}),
        ("dropped", {"backward_propagation", "backward_propagation with dropout"}),
        ("penalised", {"Net", "Dense", "softmax_loss"}),
        ("single", {"TwoLayerNet with reg 0.1"}),
        ("course", {"backward_propagation", "model", "update_parameters"}),
        ("kaggle", {"backward"}),
        ("blog", {"Dense", "Sequential", "cross_entropy", "update in Trainer.adam"}),
    ],
)
def test_right_code_agrees(name: str, units: set[str], tmp_path: Path) -> None:
    found = checked(FILES[name], tmp_path)
    assert not failing(found)
    agreeing = {c.unit.name for c in found if any(row["verdict"] == "match" for row in c.rows)}
    assert units <= agreeing, agreeing


WHOLE = "softmax divides by the sum over the whole batch"
MISTAKES = [
    ("digits", "E.sum(axis=0)", "np.sum(E)", "E / np.sum(E)", WHOLE),
    ("regression", "e.sum(axis=1, keepdims=True)", "e.sum()", "e / e.sum()", WHOLE),
    ("sequences", "dy.sum((0, 1))", "dy.sum(0).mean(0)", "dy.sum(0).mean(0)", "sum"),
    ("sequences", "self.x, dout)", "self.x, dout) / len(dout)", "einsum", "agrees as"),
    ("characters", 'parameters["Waa"].T @ daraw', 'parameters["Waa"] @ daraw', '["Waa"] @ daraw', "Waa"),
    ("characters", '"db"] += daraw', '"db"] = daraw', '"db"] = daraw', "+="),
    ("dropped", "* cache['D1'] / keep_prob", "* cache['D1']", "'db1'", "0.625"),
    ("penalised", "grad[0] += lam", "grad[0] += lam * (grad[0].shape[1] == 3) ", "", ""),
    ("course", "np.dot(dz1, X.T)", "np.dot(dz1, X.T) / m", "dW1 = np", "m"),
    ("blog", " * np.sqrt(1 - b2 ** self.t) / (1 - b1 ** self.t)", "", "self.p[k] -=", "without bias correction"),
    ("kaggle", "a1.T @ d2 + lam * p['W2']", "a1.T @ d2 + lam / X.shape[0] * p['W2']", "", "L2"),
    ("single", "+ self.reg * W2, 'b2'", ", 'b2'", "'W2': h.T @ dscores", "the penalty's gradient is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "line", "cause"), MISTAKES)
def test_a_mistake_is_found_and_located(name: str, old: str, new: str, line: str, cause: str, tmp_path: Path) -> None:
    text = FILES[name].replace(old, new, 1)
    assert text != FILES[name]
    wrong = failing(checked(text, tmp_path))
    assert wrong
    spots = [text.splitlines()[spot.line - 1] for c in wrong for spot in c.spots.values()]
    assert any(line in spot for spot in spots), spots
    causes = [row["diagnosis"] for c in wrong for row in c.rows if row["verdict"] in FAILING]
    assert any(cause in told for told in causes), causes
