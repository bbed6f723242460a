import math


class Var:
    def __init__(self, value):
        self.value = value
        self.used_by = []
        self.grad_value = None

    def grad(self):
        if self.grad_value is None:
            self.grad_value = sum(weight * var.grad() for weight, var in self.used_by)
        return self.grad_value

    def __add__(self, other):
        z = Var(self.value + other.value)
        self.used_by.append((1.0, z))
        other.used_by.append((1.0, z))
        return z

    def __mul__(self, other):
        z = Var(self.value * other.value)
        self.used_by.append((other.value, z))
        other.used_by.append((self.value, z))
        return z


def exp(x):
    z = Var(math.exp(x.value))
    x.used_by.append((z.value, z))
    return z
