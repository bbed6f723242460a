# Deep learning from scratch: computational graphs
import numpy as np

_gradient_registry = {}


class RegisterGradient:
    def __init__(self, op_type):
        self._op_type = eval(op_type)

    def __call__(self, f):
        _gradient_registry[self._op_type] = f
        return f


class Operation:
    def __init__(self, input_nodes=[]):
        self.input_nodes = input_nodes
        self.consumers = []
        for input_node in input_nodes:
            input_node.consumers.append(self)

    def compute(self):
        pass


class placeholder:
    def __init__(self):
        self.consumers = []


class Variable:
    def __init__(self, initial_value=None):
        self.value = initial_value
        self.consumers = []


class add(Operation):
    def __init__(self, x, y):
        super().__init__([x, y])

    def compute(self, x_value, y_value):
        return x_value + y_value


class matmul(Operation):
    def __init__(self, a, b):
        super().__init__([a, b])

    def compute(self, a_value, b_value):
        return a_value.dot(b_value)


class sigmoid(Operation):
    def __init__(self, a):
        super().__init__([a])

    def compute(self, a_value):
        return 1 / (1 + np.exp(-a_value))


class softmax(Operation):
    def __init__(self, a):
        super().__init__([a])

    def compute(self, a_value):
        return np.exp(a_value) / np.sum(np.exp(a_value), axis=1)[:, None]


class log(Operation):
    def __init__(self, x):
        super().__init__([x])

    def compute(self, x_value):
        return np.log(x_value)


class multiply(Operation):
    def __init__(self, x, y):
        super().__init__([x, y])

    def compute(self, x_value, y_value):
        return x_value * y_value


class reduce_sum(Operation):
    def __init__(self, A, axis=None):
        super().__init__([A])
        self.axis = axis

    def compute(self, A_value):
        return np.sum(A_value, self.axis)


@RegisterGradient("add")
def _add_gradient(op, grad):
    a, b = op.inputs[0], op.inputs[1]
    grad_wrt_a = grad
    while np.ndim(grad_wrt_a) > len(a.shape):
        grad_wrt_a = np.sum(grad_wrt_a, axis=0)
    for axis, size in enumerate(a.shape):
        if size == 1:
            grad_wrt_a = np.sum(grad_wrt_a, axis=axis, keepdims=True)
    grad_wrt_b = grad
    while np.ndim(grad_wrt_b) > len(b.shape):
        grad_wrt_b = np.sum(grad_wrt_b, axis=0)
    return [grad_wrt_a, grad_wrt_b]


@RegisterGradient("matmul")
def _matmul_gradient(op, grad):
    A = op.inputs[0]
    B = op.inputs[1]
    return [grad.dot(B.T), A.T.dot(grad)]


@RegisterGradient("sigmoid")
def _sigmoid_gradient(op, grad):
    sigmoid = op.output
    return grad * sigmoid * (1 - sigmoid)


@RegisterGradient("softmax")
def _softmax_gradient(op, grad):
    softmax = op.output
    return (grad - np.reshape(np.sum(grad * softmax, 1), [-1, 1])) * softmax


@RegisterGradient("multiply")
def _multiply_gradient(op, grad):
    A = op.inputs[0]
    B = op.inputs[1]
    return [grad * B, grad * A]


@RegisterGradient("log")
def _log_gradient(op, grad):
    return grad / op.inputs[0]
