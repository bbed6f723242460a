import numpy as np


class Engine:
    def __init__(self):
        self.ops = []

    def record(self, inputs, output, go_back):
        self.ops.append((inputs, output, go_back))


def plus_backward(grad_output, a, b):
    b_grad = grad_output.sum(axis=0, keepdims=True) if b.shape[0] == 1 else grad_output
    return grad_output, b_grad


def mul_backward(grad_output, a, b):
    return grad_output * b, grad_output * a


def div_backward(grad_output, a, b):
    grad_a = grad_output / b
    grad_b = -grad_output * a / b ** 2
    return grad_b, grad_a


def matmul_backward(grad_output, a, b):
    return [grad_output @ b.T, a.T @ grad_output]


def power_backward(grad_output, a, n):
    return grad_output * n * a ** (n - 1)


def exp_backward(grad_output, out):
    return (grad_output * out,)


def log_backward(grad_output, a):
    return [grad_output / a]


def mean_backward(grad_output, a):
    return grad_output * np.ones(a.shape) / a.size


def square_backward(grad_output, prediction, target):
    return 2 * grad_output * (prediction - target)


def max_grad(grad, max_norm):
    return np.clip(grad, -max_norm, max_norm)


def relu_backward(grad_output, a):
    return np.where(a > 0, grad_output, 0.01 * grad_output)
