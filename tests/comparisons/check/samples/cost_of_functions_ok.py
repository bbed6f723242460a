# Two layers, column by column, after a popular notebook.
import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def initialize_parameters_NN(x_train, y_train):
    return {"weight1": np.random.randn(3, x_train.shape[0]) * 0.1, "bias1": np.zeros((3, 1)),
            "weight2": np.random.randn(y_train.shape[0], 3) * 0.1, "bias2": np.zeros((y_train.shape[0], 1))}


def forward_NN(x_train, parameters):
    Z1 = np.dot(parameters["weight1"], x_train) + parameters["bias1"]
    A1 = np.tanh(Z1)
    Z2 = np.dot(parameters["weight2"], A1) + parameters["bias2"]
    A2 = sigmoid(Z2)
    cache = {"A1": A1, "A2": A2}
    return A2, cache


def compute_cost_NN(A2, Y, parameters):
    logprobs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
    cost = -np.sum(logprobs) / Y.shape[1]
    return cost


def backward_NN(parameters, cache, X, Y):
    dZ2 = cache["A2"] - Y
    dW2 = np.dot(dZ2, cache["A1"].T) / X.shape[1]
    db2 = np.sum(dZ2, axis=1, keepdims=True) / X.shape[1]
    dZ1 = np.dot(parameters["weight2"].T, dZ2) * (1 - np.power(cache["A1"], 2))
    dW1 = np.dot(dZ1, X.T) / X.shape[1]
    db1 = np.sum(dZ1, axis=1, keepdims=True) / X.shape[1]
    return {"dweight1": dW1, "dbias1": db1, "dweight2": dW2, "dbias2": db2}


def two_layers(x_train, y_train, num_iterations):
    parameters = initialize_parameters_NN(x_train, y_train)
    for i in range(num_iterations):
        A2, cache = forward_NN(x_train, parameters)
        cost = compute_cost_NN(A2, y_train, parameters)
        grads = backward_NN(parameters, cache, x_train, y_train)
        for name in parameters:
            parameters[name] = parameters[name] - 0.01 * grads["d" + name]
        if i % 100 == 0:
            print("Cost after iteration %i: %f" % (i, cost))
    return parameters
