# Both kinds of regularization of week 1 in one set of functions
import numpy as np


def sigmoid(z):
    return 1/(1+np.exp(-z))

def relu(z):
    return np.maximum(0, z)

def forward_propagation_with_dropout(X, parameters, keep_prob = 1):
    W1, b1 = parameters["W1"], parameters["b1"]
    W2, b2 = parameters["W2"], parameters["b2"]
    W3, b3 = parameters["W3"], parameters["b3"]

    Z1 = np.dot(W1, X) + b1
    A1 = relu(Z1)
    D1 = np.random.rand(*A1.shape) < keep_prob
    A1 = A1*D1/keep_prob
    Z2 = np.dot(W2, A1) + b2
    A2 = relu(Z2)
    D2 = np.random.rand(*A2.shape) < keep_prob
    A2 = A2*D2/keep_prob
    Z3 = np.dot(W3, A2) + b3
    A3 = sigmoid(Z3)

    cache = {"D1": D1, "A1": A1, "W2": W2, "D2": D2, "A2": A2, "W3": W3, "W1": W1, "A3": A3}
    return A3, cache

def compute_cost_with_regularization(A3, Y, parameters, lambd):
    m = Y.shape[1]
    cross_entropy = -np.sum(Y*np.log(A3) + (1-Y)*np.log(1-A3))/m
    L2 = lambd/(2*m)*sum(np.sum(parameters["W" + str(l)]**2) for l in (1, 2, 3))
    return cross_entropy + L2

def backward_propagation(X, Y, cache, lambd = 0, keep_prob = 1):
    m = X.shape[1]
    dZ3 = cache["A3"] - Y
    dW3 = np.dot(dZ3, cache["A2"].T)/m + lambd*cache["W3"]/m
    db3 = np.sum(dZ3, axis=1, keepdims=True)/m
    dA2 = np.dot(cache["W3"].T, dZ3)*cache["D2"]/keep_prob
    dZ2 = dA2*(cache["A2"] > 0)
    dW2 = np.dot(dZ2, cache["A1"].T)/m + lambd*cache["W2"]/m
    db2 = np.sum(dZ2, axis=1, keepdims=True)/m
    dA1 = np.dot(cache["W2"].T, dZ2)*cache["D1"]/keep_prob
    dZ1 = dA1*(cache["A1"] > 0)
    dW1 = np.dot(dZ1, X.T)/m + lambd*cache["W1"]/m
    db1 = np.sum(dZ1, axis=1, keepdims=True)/m
    return {"dW1": dW1, "db1": db1, "dW2": dW2, "db2": db2, "dW3": dW3, "db3": db3}
