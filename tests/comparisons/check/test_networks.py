"""Whole networks in many authors' styles: right as they are, and with one realistic mistake each."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import block, verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "network_lists_of_columns": {"Network.backprop"},
    "network_data_in_constructor": {"NeuralNetwork.backprop"},
    "network_gradients_from_cost_prime": {"Neural_Network.costFunctionPrime"},
    "network_loop_calls_train": {"Neural_Network.backward"},  # and no loop, which calls it
    "network_query_and_train": {"neuralNetwork.train"},
    "network_softmax_labels": {"NeuralNetwork.backward"},
    "network_negative_gradients": {"NN.backpropagation"},
    "network_dictionaries_fit": {"NeuralNet.backward"},
    "network_loss_and_grads": set(),  # another style's, which knows the penalty
    "network_functions_kaggle": {"backward_prop"},
    "network_functions_dicts": set(),  # the course's
    "network_functions_lists": {"backprop"},
    "network_script_xor": {"loop at line 26"},
    "network_loop_in_function": {"build_model"},
    "network_script_regression": {"loop at line 8"},
    "network_fit_logistic": {"LogisticRegression.fit"},
    "network_unknown_activation": {"MLP.backward"},
    "network_of_neurons": {"update_weights"},
    "network_of_neuron_objects": {"NeuralNetwork.train"},
    "network_of_numbers": {"OurNeuralNetwork.train"},
    "network_described": {"full_backward_propagation"},
    "network_weight_decay": {"Net.backward"},
    "network_bias_in_theta": {"NN.backprop"},
    "network_momentum": {"Net.train"},
    "network_in_main": {"main"},
    "network_other_losses": set(),  # not compared: Huber's gradient, and Adam, which hides it
    "network_not_backprop": {"LinearRegression.fit"},  # beside a perceptron, an SVM, a Boltzmann machine
    "network_bias_unit": {"NN.backPropagate"},
    "network_data_not_here": {"loop at line 37"},
    "differences_characters": {"forward_backward"},
    "differences_pairs": {"gelu_forward", "l2norm_forward", "mish", "swish", "softsign"},
    "differences_cost": {"cost"},
    "policy_over_an_episode": {"policy_forward"},
}
_HIDDEN = "        hidden_errors = numpy.dot(self.who.T, output_errors * final_outputs * (1.0 - final_outputs))\n"
_UPDATE = (
    "        self.who += self.lr * numpy.dot((output_errors * final_outputs * (1.0 - final_outputs)), "
    "numpy.transpose(hidden_outputs))\n"
)
MISTAKES = {
    "bias gradient of one number": (
        "network_functions_kaggle",
        "np.sum(dZ1, axis=1, keepdims=True)",
        "np.sum(dZ1)",
        "b1",
        "summed over the features too",
    ),
    "sign of the update": (
        "network_data_in_constructor",
        "self.weights1 += d",
        "self.weights1 -= d",
        "weights1",
        "sign is flipped",
    ),
    "uphill": (
        "network_lists_of_columns",
        "(output_activations-y)",
        "(y-output_activations)",
        "weights[1]",
        "sign is flipped",
    ),
    "derivative at the activation": (
        "network_script_xor",
        "return x*(1-x)",
        "return nonlin(x)*(1-nonlin(x))",
        "syn1",
        "derivative is taken at a instead of z",
    ),
    "derivative missing in the hidden layer": (
        "network_script_xor",
        "l1_error * nonlin(l1,deriv=True)",
        "l1_error",
        "syn0",
        "derivative of the activation is left out",
    ),
    "weights updated first": (
        "network_query_and_train",
        _HIDDEN + _UPDATE,
        _UPDATE + _HIDDEN,
        "wih",
        "updated before its weights were used",
    ),
    "error of the output handed back": (
        "network_query_and_train",
        "output_errors * final_outputs * (1.0 - final_outputs))\n        self.who",
        "output_errors)\n        self.who",
        "wih",
        "left out on the way back",
    ),
    "divided by m twice": (
        "network_softmax_labels",
        "db1 = np.sum(dz1, axis=0, keepdims=True)",
        "db1 = np.mean(dz1, axis=0, keepdims=True)",
        "b1",
        "divided by m once too often",
    ),
    "derivative of the wrong layer": (
        "network_dictionaries_fit",
        'self.sigmoid_derivative(store["Z" + str(l)])',
        'self.sigmoid_derivative(store["A" + str(l)])',
        "W1",
        "taken at a instead of z",
    ),
    "softmax with an elementwise derivative": (
        "network_softmax_labels",
        "dz2 /= m",
        "dz2 *= self.a2 * (1 - self.a2) / m",
        "W2",
        "the derivative of softmax once more",
    ),
    "bias of tanh's layer": (
        "network_loop_in_function",
        "np.power(a1, 2)",
        "np.power(z1, 2)",
        "W1",
        "1 - z^2 is used for 1 - a^2",
    ),
    "relu's sides": (
        "network_functions_lists",
        "(zs[i - 1] > 0)",
        "(zs[i - 1] <= 0)",
        "weights[0]",
        "sides of 0 are swapped",
    ),
    "bias without the mean": (
        "network_fit_logistic",
        "db = (1 / n_samples) * np.sum",
        "db = np.sum",
        "bias",
        "the 1/m is missing",
    ),
    "neurons uphill": (
        "network_of_neurons",
        "neuron['output'] - expected[j]",
        "expected[j] - neuron['output']",
        "[0][*]['weights']",
        "sign is flipped",
    ),
    "one of many derivatives": (
        "network_of_numbers",
        "self.w6 * deriv_sigmoid(sum_o1)",
        "self.w6 * deriv_sigmoid(o1)",
        "w4",
        "",
    ),
    "one weight does not decay": ("network_weight_decay", " + LAMBDA / m * self.W1", "", "W1", "L2 is missing"),
    "derivative at the output's activation": (
        "network_in_main",
        "dZ2 @ W2.T * (1 - A1**2)",
        "dZ2 @ W2.T * A1 * (1 - A1)",
        "W1",
        "sigmoid's derivative a (1 - a) is used for tanh's",
    ),
    "not the derivative of its own forward": (
        "network_unknown_activation",
        "self.elu_prime(self.z1)",
        "self.elu_prime(self.a1)",
        "W1",
        "",
    ),
    "a bias not averaged, layers described by dictionaries": (
        "network_described",
        "dZ.sum(axis=1, keepdims=True) / m",
        "dZ.sum(axis=1, keepdims=True)",
        "b2",
        "the 1/m is missing",
    ),
    "an error from before the activation, layers described by dictionaries": (
        "network_described",
        'params[f"W{i}"].T @ dZ',
        'params[f"W{i}"].T @ dA',
        "W1",
        "",
    ),
    "derivative missing beside a bias unit": (
        "network_bias_unit",
        "hidden_deltas[j] = dsigmoid(self.ah[j]) * error",
        "hidden_deltas[j] = error",
        "wi[*]",
        "derivative of the activation is left out",
    ),
    "derivative of a hidden neuron forgotten": (
        "network_of_neuron_objects",
        "pd_hidden[h] = d_error * neuron.pd_output_wrt_net_input()",
        "pd_hidden[h] = d_error",
        "hidden_layer.neurons[*].weights",
        "",
    ),
    "weights updated first, numbers in lists": (
        "network_bias_unit",
        "                error = error + output_deltas[k]*self.wo[j][k]\n",
        "                self.wo[j][k] += N*output_deltas[k]*self.ah[j]\n"
        "                error = error + output_deltas[k]*self.wo[j][k]\n",
        "wi[*]",
        "",
    ),
    "one bias without the mean, data not here": (
        "network_data_not_here",
        "db1 = dh.sum(axis=0, keepdims=True)",
        "db1 = m * dh.sum(axis=0, keepdims=True)",
        "b1",
        "the 1/m is missing",
    ),
    "a gate's own cell": (
        "differences_characters",
        "df = dC * C_s[t - 1]",
        "df = dC * C_s[t]",
        "W_f",
        "",
    ),
    "cost without 1/m in its gradient": ("differences_cost", "@ error / len(X)", "@ error", "theta", ""),
    "relu's derivative forgotten over an episode": (
        "policy_over_an_episode",
        "    dh[eph <= 0] = 0\n",
        "",
        "W1",
        "(eph > 0)",
    ),
    "norm without its own derivative": (
        "differences_pairs",
        "(dout - x * (dout * x).sum(axis=1, keepdims=True) / n ** 2) / n",
        "dout / n",
        "x",
        "",
    ),
}


def told(result: CheckResult) -> str:
    """The report, for failures that read well."""
    return "\n".join([*(line for c in result.checked for line in block(c)), *result.found.notes])


@pytest.mark.parametrize("sample", RIGHT)
def test_a_right_network_is_found_and_raises_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py")
    found = {c.unit.name for c in result.checked if verdict(c) == "match"}
    assert RIGHT[sample] <= found, told(result)
    assert not [c.unit.name for c in result.checked if verdict(c) == "wrong"], told(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_located_and_named(mistake: str, tmp_path: Path) -> None:
    sample, old, new, tensor, cause = MISTAKES[mistake]
    text = (SAMPLES / f"{sample}.py").read_text()
    assert text.count(old) >= 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new, 1))
    result = check(path)
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    assert wrong, told(result)
    failing = [row for c in wrong for row in c.rows if row["verdict"] in FAILING]
    names = {
        n
        for c in wrong
        for key, n in c.unit.options.get("names", {}).items()
        if f"grad/{key}" in {r["tensor"] for r in failing}
    }
    assert tensor in {n.removeprefix("self.") for n in names}, told(result)
    assert any(cause in row["diagnosis"] for row in failing), told(result)
