import numpy as np
class Layer:
    def __init__(self): pass
    def forward(self, input): return input
    def backward(self, input, grad_output):
        num_units = input.shape[1]
        d_layer_d_input = np.eye(num_units)
        return np.dot(grad_output, d_layer_d_input)
class ReLU(Layer):
    def __init__(self): pass
    def forward(self, input): return np.maximum(0,input)
    def backward(self, input, grad_output):
        relu_grad = input > 0
        return grad_output*relu_grad
class Dense(Layer):
    def __init__(self, input_units, output_units, learning_rate=0.1):
        self.learning_rate = learning_rate
        self.weights = np.random.randn(input_units, output_units)*0.01
        self.biases = np.zeros(output_units)
    def forward(self,input):
        return np.dot(input,self.weights) + self.biases
    def backward(self,input,grad_output):
        grad_input = np.dot(grad_output, self.weights.T)
        grad_weights = np.dot(input.T, grad_output)
        grad_biases = grad_output.mean(axis=0)*input.shape[0]
        self.weights = self.weights - self.learning_rate*grad_weights
        self.biases = self.biases - self.learning_rate*grad_biases
        return grad_input

class SigmoidLayer:
    def __init__(self, n_inputs, n_neurons, activation='sigmoid'):
        self.W = np.random.randn(n_neurons, n_inputs)
        self.b = np.zeros((n_neurons, 1))
        self.act = activation
    def forward(self, A_prev):
        self.A_prev = A_prev
        self.Z = self.W @ A_prev + self.b
        self.A = 1/(1+np.exp(-self.Z))
        return self.A
    def backward(self, dA, lr):
        m = dA.shape[1]
        dZ = dA * self.A * (1 - self.A)
        self.dW = dZ @ self.A_prev.T / m
        self.db = dZ.sum(axis=1, keepdims=True) / m
        dA_prev = self.W.T @ dZ
        self.W -= lr * self.dW
        self.b -= lr * self.db
        return dA_prev

class FullyConnected:
    def __init__(self, n_out, act_fn=None, init="glorot", optimizer=None):
        self.n_in = None
        self.n_out = n_out
        self.is_initialized = False
        self.X = []
        self.derived_variables = {"Z": []}
        self.gradients = {}
        self.parameters = {"W": None, "b": None}
        self.trainable = True
    def _init_params(self):
        self.parameters = {"W": np.random.randn(self.n_in, self.n_out), "b": np.zeros((1, self.n_out))}
        self.gradients = {"W": np.zeros_like(self.parameters["W"]), "b": np.zeros_like(self.parameters["b"])}
        self.is_initialized = True
    def forward(self, X, retain_derived=True):
        if not self.is_initialized:
            self.n_in = X.shape[1]
            self._init_params()
        Y = X @ self.parameters["W"] + self.parameters["b"]
        if retain_derived:
            self.X.append(X)
        return Y
    def backward(self, dLdy, retain_grads=True):
        if not isinstance(dLdy, list):
            dLdy = [dLdy]
        dX = []
        X = self.X
        for dy, x in zip(dLdy, X):
            dx = dy @ self.parameters["W"].T
            dX.append(dx)
            if retain_grads:
                self.gradients["W"] += x.T @ dy
                self.gradients["b"] += dy.sum(axis=0, keepdims=True)
        return dX[0] if len(X) == 1 else dX
