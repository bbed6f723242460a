import numpy as np
import sys
import matplotlib.pyplot as plt


class LogisticRegressionGD(object):
    """Logistic regression by gradient descent, after the machine learning books."""

    def __init__(self, eta=0.05, n_iter=100, random_state=1, l2=0.0):
        self.eta = eta
        self.n_iter = n_iter
        self.random_state = random_state
        self.l2 = l2

    def fit(self, X, y):
        rgen = np.random.RandomState(self.random_state)
        self.w_ = rgen.normal(loc=0.0, scale=0.01, size=1 + X.shape[1])
        self.cost_ = []
        for i in range(self.n_iter):
            net_input = self.net_input(X)
            output = self.activation(net_input)
            errors = (y - output)
            self.w_[1:] += self.eta * (X.T.dot(errors) - self.l2 * self.w_[1:])
            self.w_[0] += self.eta * errors.sum()
            cost = (-y.dot(np.log(output)) - ((1 - y).dot(np.log(1 - output)))) + self.l2 / 2 * np.sum(self.w_[1:] ** 2)
            self.cost_.append(cost)
        return self

    def net_input(self, X):
        return np.dot(X, self.w_[1:]) + self.w_[0]

    def activation(self, z):
        return 1. / (1. + np.exp(-np.clip(z, -250, 250)))

    def predict(self, X):
        return np.where(self.net_input(X) >= 0.0, 1, 0)


class SoftmaxRegression:
    def __init__(self, lr=0.1, epochs=50, reg=1e-3, batch_size=32, n_classes=3):
        self.lr = lr
        self.epochs = epochs
        self.reg = reg
        self.batch_size = batch_size
        self.n_classes = n_classes
        self.losses = []

    def _softmax(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    def _loss(self, P, Y):
        return -np.mean(np.sum(Y * np.log(P + 1e-9), axis=1)) + 0.5 * self.reg * np.sum(self.W * self.W)

    def train(self, X, y, verbose=True):
        n, d = X.shape
        self.W = np.random.randn(d, self.n_classes) * 0.01
        self.b = np.zeros((1, self.n_classes))
        Y = np.eye(self.n_classes)[y]
        for epoch in range(self.epochs):
            order = np.random.permutation(n)
            for start in range(0, n, self.batch_size):
                idx = order[start:start + self.batch_size]
                Xb, Yb = X[idx], Y[idx]
                P = self._softmax(Xb @ self.W + self.b)
                G = (P - Yb) / len(idx)
                dW = Xb.T @ G + self.reg * self.W
                db = G.sum(axis=0, keepdims=True)
                self.W -= self.lr * dW
                self.b -= self.lr * db
            loss = self._loss(self._softmax(X @ self.W + self.b), Y)
            self.losses.append(loss)
            if verbose and epoch % 10 == 0:
                print('epoch', epoch, 'loss', loss)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def train_xor(X, Y, n_h=4, learning_rate=0.5, num_epochs=5000, print_cost=False):
    np.random.seed(2)
    n_x, n_y = X.shape[0], Y.shape[0]
    m = X.shape[1]
    params = {'W1': np.random.randn(n_h, n_x) * 0.5, 'b1': np.zeros((n_h, 1)),
              'W2': np.random.randn(n_y, n_h) * 0.5, 'b2': np.zeros((n_y, 1))}
    costs = []
    for i in range(num_epochs):
        # forward, with a skip of the hidden units that are squared
        Z1 = params['W1'] @ X + params['b1']
        A1 = np.sin(Z1) + 0.1 * Z1
        Z2 = params['W2'] @ A1 + params['b2']
        A2 = sigmoid(Z2)
        cost = -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)) * n_y
        costs.append(cost)
        # backward
        dZ2 = A2 - Y
        dW2 = dZ2 @ A1.T / m
        db2 = dZ2.sum(axis=1, keepdims=True) / m
        dA1 = params['W2'].T @ dZ2
        dZ1 = dA1 * (np.cos(Z1) + 0.1)
        dW1 = dZ1 @ X.T / m
        db1 = dZ1.sum(axis=1, keepdims=True) / m
        params['W1'] = params['W1'] - learning_rate * dW1
        params['b1'] = params['b1'] - learning_rate * db1
        params['W2'] = params['W2'] - learning_rate * dW2
        params['b2'] = params['b2'] - learning_rate * db2
        if print_cost and i % 1000 == 0:
            print(i, cost)
    plt.plot(costs)
    return params


def fit_words(X, Y, word_to_vec_map, learning_rate=0.01, num_iterations=400):
    """Averages of word vectors into a softmax, one sentence at a time."""
    any_word = list(word_to_vec_map.keys())[0]
    n_h = word_to_vec_map[any_word].shape[0]
    n_y = len(np.unique(Y))
    W = np.random.randn(n_y, n_h) / np.sqrt(n_h)
    b = np.zeros((n_y,))
    Y_oh = np.eye(n_y)[Y.reshape(-1)]
    for t in range(num_iterations):
        total = 0
        for i in range(len(X)):
            words = X[i].lower().split()
            avg = sum(word_to_vec_map[w] for w in words) / len(words)
            z = W @ avg + b
            a = np.exp(z - z.max())
            a = a / a.sum()
            total += -np.sum(Y_oh[i] * np.log(a))
            cost = -np.sum(Y_oh[i] * np.log(a))
            dz = a - Y_oh[i]
            W = W - learning_rate * np.outer(dz, avg)
            b = b - learning_rate * dz
        if t % 100 == 0:
            print(t, cost, evaluate_words(X, Y, W, b))
    return W, b


if __name__ == '__main__':
    X = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    train_xor(X, np.array([[0, 1, 1, 0]]), print_cost=True)
