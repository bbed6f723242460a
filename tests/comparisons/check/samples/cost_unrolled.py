# ex4 of the machine learning class, translated from Octave
import numpy as np
from scipy.io import loadmat
from scipy.optimize import fmin_cg

def g(z):
    return 1.0 / (1.0 + np.exp(-z))

def costFunction(nn_params, input_layer_size, hidden_layer_size, num_labels, X, y, lam):
    cut = hidden_layer_size * (input_layer_size + 1)
    Theta1 = nn_params[:cut].reshape(hidden_layer_size, input_layer_size + 1)
    Theta2 = nn_params[cut:].reshape(num_labels, hidden_layer_size + 1)
    m = X.shape[0]
    Y = np.eye(num_labels)[y.ravel() - 1]

    A1 = np.hstack([np.ones((m, 1)), X])
    Z2 = A1.dot(Theta1.T)
    A2 = np.hstack([np.ones((m, 1)), g(Z2)])
    H = g(A2.dot(Theta2.T))

    J = -np.sum(Y * np.log(H) + (1 - Y) * np.log(1 - H)) / m
    J += lam / (2.0 * m) * (np.sum(Theta1[:, 1:] ** 2) + np.sum(Theta2[:, 1:] ** 2))

    d3 = H - Y
    d2 = d3.dot(Theta2[:, 1:]) * g(Z2) * (1 - g(Z2))
    T1 = d2.T.dot(A1) / m
    T2 = d3.T.dot(A2) / m
    T1[:, 1:] += lam / m * Theta1[:, 1:]
    T2[:, 1:] += lam / m * Theta2[:, 1:]
    grad = np.concatenate([T1.ravel(), T2.ravel()])
    return J, grad

data = loadmat('ex4data1.mat')
X, y = data['X'], data['y']
print(fmin_cg(lambda p: costFunction(p, 400, 25, 10, X, y, 1.0)[0], np.random.rand(10285)))
