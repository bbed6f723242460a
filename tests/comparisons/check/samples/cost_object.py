import numpy
import scipy.optimize

class SparseAutoencoder(object):
    def __init__(self, visible_size, hidden_size, rho, lamda, beta):
        self.v, self.h = visible_size, hidden_size
        self.rho, self.lamda, self.beta = rho, lamda, beta
        r = numpy.sqrt(6. / (visible_size + hidden_size + 1))
        W1 = numpy.random.uniform(-r, r, (hidden_size, visible_size))
        W2 = numpy.random.uniform(-r, r, (visible_size, hidden_size))
        self.theta = numpy.concatenate((W1.flatten(), W2.flatten(), numpy.zeros(hidden_size), numpy.zeros(visible_size)))

    def sigmoid(self, x):
        return 1 / (1 + numpy.exp(-x))

    def cost(self, theta, data):
        n, m = self.h * self.v, data.shape[1]
        W1 = theta[:n].reshape(self.h, self.v)
        W2 = theta[n:2 * n].reshape(self.v, self.h)
        b1 = theta[2 * n:2 * n + self.h].reshape(-1, 1)
        b2 = theta[2 * n + self.h:].reshape(-1, 1)
        a2 = self.sigmoid(W1.dot(data) + b1)
        a3 = self.sigmoid(W2.dot(a2) + b2)
        rho_hat = a2.mean(axis=1).reshape(-1, 1)
        diff = a3 - data
        KL = self.rho * numpy.log(self.rho / rho_hat) + (1 - self.rho) * numpy.log((1 - self.rho) / (1 - rho_hat))
        cost = 0.5 * (diff ** 2).sum() / m + 0.5 * self.lamda * ((W1 ** 2).sum() + (W2 ** 2).sum()) + self.beta * KL.sum()

        d3 = diff * a3 * (1 - a3)
        sparsity = self.beta * (-self.rho / rho_hat + (1 - self.rho) / (1 - rho_hat))
        d2 = (W2.T.dot(d3) + sparsity) * a2 * (1 - a2)
        W1_grad = d2.dot(data.T) / m + self.lamda * W1
        W2_grad = d3.dot(a2.T) / m + self.lamda * W2
        grad = numpy.concatenate((W1_grad.flatten(), W2_grad.flatten(), d2.mean(axis=1), d3.mean(axis=1)))
        return [cost, grad]
