import numpy as np

class Tanh:
    def fn(self, z):
        return np.tanh(z)
    def grad(self, x):
        return 1 - np.tanh(x) ** 2

class RNNCell:
    def __init__(self, n_out, init="glorot_uniform"):
        self.n_in = None
        self.n_out = n_out
        self.n_timesteps = None
        self.act_fn = Tanh()
        self.parameters = {"Waa": None, "Wax": None, "ba": None, "bx": None}
        self.is_initialized = False

    def _init_params(self):
        self.X = []
        Wax = np.random.randn(self.n_in, self.n_out)
        Waa = np.random.randn(self.n_out, self.n_out)
        ba = np.zeros((self.n_out, 1))
        bx = np.zeros((self.n_out, 1))
        self.parameters = {"Waa": Waa, "Wax": Wax, "ba": ba, "bx": bx}
        self.gradients = {"Waa": np.zeros_like(Waa), "Wax": np.zeros_like(Wax), "ba": np.zeros_like(ba), "bx": np.zeros_like(bx)}
        self.derived_variables = {"A": [], "Z": [], "n_timesteps": 0, "current_step": 0, "dLdA_accumulator": None}
        self.is_initialized = True

    def forward(self, Xt):
        if not self.is_initialized:
            self.n_in = Xt.shape[1]
            self._init_params()
        self.derived_variables["n_timesteps"] += 1
        self.derived_variables["current_step"] += 1
        ba = self.parameters["ba"]
        bx = self.parameters["bx"]
        Wax = self.parameters["Wax"]
        Waa = self.parameters["Waa"]
        As = self.derived_variables["A"]
        if len(As) == 0:
            n_ex, n_in = Xt.shape
            A0 = np.zeros((n_ex, self.n_out))
            As.append(A0)
        Zt = As[-1] @ Waa + ba.T + Xt @ Wax + bx.T
        At = self.act_fn.fn(Zt)
        self.derived_variables["Z"].append(Zt)
        self.derived_variables["A"].append(At)
        self.X.append(Xt)
        return At

    def backward(self, dLdAt):
        self.derived_variables["current_step"] -= 1
        Zs = self.derived_variables["Z"]
        As = self.derived_variables["A"]
        t = self.derived_variables["current_step"]
        dA_acc = self.derived_variables["dLdA_accumulator"]
        if dA_acc is None:
            dA_acc = np.zeros_like(As[0])
        Wax = self.parameters["Wax"]
        Waa = self.parameters["Waa"]
        dA = dLdAt + dA_acc
        dZ = self.act_fn.grad(Zs[t]) * dA
        dXt = dZ @ Wax.T
        self.gradients["Waa"] += As[t].T @ dZ
        self.gradients["Wax"] += self.X[t].T @ dZ
        self.gradients["ba"] += dZ.sum(axis=0, keepdims=True).T
        self.gradients["bx"] += dZ.sum(axis=0, keepdims=True).T
        self.derived_variables["dLdA_accumulator"] = dZ @ Waa.T
        return dXt
