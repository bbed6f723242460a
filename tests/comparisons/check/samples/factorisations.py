import numpy as np


def matrix_factorization(R, P, Q, K, steps=5000, alpha=0.0002, beta=0.02):
    Q = Q.T
    for step in range(steps):
        for i in range(len(R)):
            for j in range(len(R[i])):
                if R[i][j] > 0:
                    eij = R[i][j] - np.dot(P[i, :], Q[:, j])
                    for k in range(K):
                        pik = P[i][k]
                        P[i][k] = P[i][k] + alpha * (2 * eij * Q[k][j] - beta * P[i][k])
                        Q[k][j] = Q[k][j] + alpha * (2 * eij * pik - beta * Q[k][j])
        e = 0
        for i in range(len(R)):
            for j in range(len(R[i])):
                if R[i][j] > 0:
                    e = e + pow(R[i][j] - np.dot(P[i, :], Q[:, j]), 2)
        if e < 0.001:
            break
    return P, Q.T


class MF():
    def __init__(self, R, K, alpha, beta, iterations):
        self.R = R
        self.num_users, self.num_items = R.shape
        self.K = K
        self.alpha = alpha
        self.beta = beta
        self.iterations = iterations

    def train(self):
        self.P = np.random.normal(scale=1. / self.K, size=(self.num_users, self.K))
        self.Q = np.random.normal(scale=1. / self.K, size=(self.num_items, self.K))
        self.b_u = np.zeros(self.num_users)
        self.b_i = np.zeros(self.num_items)
        self.b = np.mean(self.R[np.where(self.R != 0)])
        self.samples = [(i, j, self.R[i, j]) for i in range(self.num_users) for j in range(self.num_items) if self.R[i, j] > 0]
        training_process = []
        for i in range(self.iterations):
            np.random.shuffle(self.samples)
            self.sgd()
            training_process.append((i, self.mse()))
        return training_process

    def mse(self):
        xs, ys = self.R.nonzero()
        predicted = self.full_matrix()
        error = 0
        for x, y in zip(xs, ys):
            error += pow(self.R[x, y] - predicted[x, y], 2)
        return np.sqrt(error)

    def sgd(self):
        for i, j, r in self.samples:
            prediction = self.get_rating(i, j)
            e = (r - prediction)
            self.b_u[i] += self.alpha * (e - self.beta * self.b_u[i])
            self.b_i[j] += self.alpha * (e - self.beta * self.b_i[j])
            P_i = self.P[i, :].copy()
            self.P[i, :] += self.alpha * (e * self.Q[j, :] - self.beta * self.P[i, :])
            self.Q[j, :] += self.alpha * (e * P_i - self.beta * self.Q[j, :])

    def get_rating(self, i, j):
        return self.b + self.b_u[i] + self.b_i[j] + self.P[i, :].dot(self.Q[j, :].T)

    def full_matrix(self):
        return self.b + self.b_u[:, np.newaxis] + self.b_i[np.newaxis:, ] + self.P.dot(self.Q.T)


class SVD:
    """Ratings as (user, item, rating) triples."""

    def __init__(self, n_users, n_items, n_factors=20, n_epochs=20, lr=.005, reg=.02):
        self.n_factors, self.n_epochs, self.lr, self.reg = n_factors, n_epochs, lr, reg
        self.n_users, self.n_items = n_users, n_items

    def fit(self, ratings):
        self.mu = np.mean([r for _, _, r in ratings])
        self.bu = np.zeros(self.n_users)
        self.bi = np.zeros(self.n_items)
        self.pu = np.random.normal(0, .1, (self.n_users, self.n_factors))
        self.qi = np.random.normal(0, .1, (self.n_items, self.n_factors))
        for epoch in range(self.n_epochs):
            for u, i, r in ratings:
                u, i = int(u), int(i)
                err = r - self.predict(u, i)
                self.bu[u] += self.lr * (err - self.reg * self.bu[u])
                self.bi[i] += self.lr * (err - self.reg * self.bi[i])
                pu, qi = self.pu[u].copy(), self.qi[i].copy()
                self.pu[u] += self.lr * (err * qi - self.reg * pu)
                self.qi[i] += self.lr * (err * pu - self.reg * qi)
        return self

    def predict(self, u, i):
        return self.mu + self.bu[u] + self.bi[i] + self.pu[u] @ self.qi[i]


class BatchFactorization:
    """All users and items at once."""

    def __init__(self, n_factors=2, learning_rate=0.01, reg=0.1, n_iters=100, seed=0):
        self.n_factors, self.learning_rate, self.reg, self.n_iters, self.seed = n_factors, learning_rate, reg, n_iters, seed

    def fit(self, R):
        rng = np.random.RandomState(self.seed)
        mask = R > 0
        self.U = rng.rand(R.shape[0], self.n_factors)
        self.V = rng.rand(R.shape[1], self.n_factors)
        for _ in range(self.n_iters):
            E = mask * (self.U @ self.V.T - R)
            dU = E @ self.V + self.reg * self.U
            dV = E.T @ self.U + self.reg * self.V
            self.U -= self.learning_rate * dU
            self.V -= self.learning_rate * dV
        return self

    def predict(self):
        return self.U @ self.V.T
