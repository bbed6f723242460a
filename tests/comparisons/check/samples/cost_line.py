"""A straight line fitted by gradient descent, the way tutorials do it: single numbers, whose names differ from function to function."""


def mean_squared_error(b, m, points):
    error = 0
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        error += (y - (m * x + b)) ** 2
    return error / float(len(points))


def step_downhill(b_current, m_current, points, learning_rate):
    slope_b, slope_m = 0, 0
    n = float(len(points))
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        slope_b += -(2 / n) * (y - (m_current * x + b_current))
        slope_m += -(2 / n) * x * (y - (m_current * x + b_current))
    new_b = b_current - learning_rate * slope_b
    new_m = m_current - learning_rate * slope_m
    return [new_b, new_m]


def cost_of_adverts(radio, sales, weight, bias):
    total = 0.0
    for i in range(len(radio)):
        total += (sales[i] - (weight * radio[i] + bias)) ** 2
    return total / len(radio)


def update_weights(radio, sales, weight, bias, learning_rate):
    by_weight = by_bias = 0
    for i in range(len(radio)):
        by_weight += -2 * radio[i] * (sales[i] - (weight * radio[i] + bias))
        by_bias += -2 * (sales[i] - (weight * radio[i] + bias))
    weight -= by_weight / len(radio) * learning_rate
    bias -= by_bias / len(radio) * learning_rate
    return weight, bias


def compute_cost(x, y, w, b):
    m = x.shape[0]
    cost = 0
    for i in range(m):
        cost = cost + (w * x[i] + b - y[i]) ** 2
    return 1 / (2 * m) * cost


def compute_gradient(x, y, w, b):
    m = x.shape[0]
    dj_dw = dj_db = 0
    for i in range(m):
        miss = w * x[i] + b - y[i]
        dj_db += miss
        dj_dw += miss * x[i]
    return dj_dw / m, dj_db / m
