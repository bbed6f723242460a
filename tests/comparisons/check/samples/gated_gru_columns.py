import numpy as np

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def gru_cell_forward(xt, h_prev, parameters):
    Wz, Wr, Wh = parameters["Wz"], parameters["Wr"], parameters["Wh"]
    Uz, Ur, Uh = parameters["Uz"], parameters["Ur"], parameters["Uh"]
    bz, br, bh = parameters["bz"], parameters["br"], parameters["bh"]
    z = sigmoid(np.dot(Wz, xt) + np.dot(Uz, h_prev) + bz)
    r = sigmoid(np.dot(Wr, xt) + np.dot(Ur, h_prev) + br)
    h_hat = np.tanh(np.dot(Wh, xt) + np.dot(Uh, r * h_prev) + bh)
    h = (1 - z) * h_prev + z * h_hat
    cache = (xt, h_prev, z, r, h_hat, parameters)
    return h, cache

def gru_cell_backward(dh, cache):
    xt, h_prev, z, r, h_hat, parameters = cache
    Wz, Wr, Wh = parameters["Wz"], parameters["Wr"], parameters["Wh"]
    Uz, Ur, Uh = parameters["Uz"], parameters["Ur"], parameters["Uh"]
    dh_hat = dh * z
    dz = dh * (h_hat - h_prev)
    dh_prev = dh * (1 - z)
    dah = dh_hat * (1 - h_hat ** 2)
    drh = np.dot(Uh.T, dah)
    dr = drh * h_prev
    dh_prev += drh * r
    daz = dz * z * (1 - z)
    dar = dr * r * (1 - r)
    dh_prev += np.dot(Uz.T, daz) + np.dot(Ur.T, dar)
    dxt = np.dot(Wz.T, daz) + np.dot(Wr.T, dar) + np.dot(Wh.T, dah)
    grads = {"dxt": dxt, "dh_prev": dh_prev,
             "dWz": np.dot(daz, xt.T), "dWr": np.dot(dar, xt.T), "dWh": np.dot(dah, xt.T),
             "dUz": np.dot(daz, h_prev.T), "dUr": np.dot(dar, h_prev.T), "dUh": np.dot(dah, (r * h_prev).T),
             "dbz": np.sum(daz, axis=1, keepdims=True), "dbr": np.sum(dar, axis=1, keepdims=True), "dbh": np.sum(dah, axis=1, keepdims=True)}
    return grads
