"""A network whose parameters and gradients are entries of one dictionary, and whose forward pass returns another one."""

import numpy as np


def make_net(num_inputs, num_hiddens, num_outputs):
    net = {
        "W1": 0.1 * np.random.randn(num_inputs, num_hiddens),
        "b1": np.zeros(num_hiddens),
        "W2": 0.1 * np.random.randn(num_hiddens, num_outputs),
        "b2": np.zeros(num_outputs),
    }
    for name in list(net):
        net["v_" + name] = np.zeros_like(net[name])
    return net


def NetForward(model, x):
    h = x @ model["W1"] + model["b1"]
    hr = np.maximum(h, 0)
    return {"x": x, "h": h, "hr": hr, "y": hr @ model["W2"] + model["b2"]}


def NetBackward(model, err, var):
    model["dE_dW2"] = var["hr"].T @ err
    model["dE_db2"] = err.sum(axis=0)
    back = (err @ model["W2"].T) * (var["h"] > 0)
    model["dE_dW1"] = var["x"].T @ back
    model["dE_db1"] = back.sum(axis=0)
