"""Containers of layers in many authors' styles: right as they are, and with one realistic mistake each."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import Checked, CheckResult, check
from comparisons.check.report import block, verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "container_use_and_fit": {"Network.predict", "Network.fit"},
    "container_list_of_columns": {"predict", "train"},
    "container_params_and_grads": {"NeuralNet.forward", "NeuralNet.backward", "train"},
    "container_of_sizes": {"TwoLayerNet.predict", "TwoLayerNet.gradient"},
    "container_of_hidden_list": {"MultiLayerNetExtend.gradient"},
    "container_input_shapes": {"NeuralNetwork.train_on_batch", "NeuralNetwork.fit", "NeuralNetwork._backward_pass"},
    "container_finalized": {"Model.forward", "Model.backward", "Model.train"},
    "container_compiled": {"Sequential.fit", "Sequential.predict"},
    "container_modules": {"Sequential.backward", "train_step"},
    "container_mean_in_layers": {"MLP.forward", "MLP.train", "MLP.cost"},
}
_FIT = "                error = self.loss_prime(y_train[j], output)\n"
_BACK = """                for layer in reversed(self.layers):
                    error = layer.backward_propagation(error, learning_rate)
"""
MISTAKES = {
    "backward in the order of forward": (
        "container_use_and_fit",
        "in reversed(self.layers):",
        "in self.layers:",
        "Network.fit",
        "grad/dense2.W",
        "in the order of the forward pass",
    ),
    "last layer skipped": (
        "container_use_and_fit",
        "in reversed(self.layers):",
        "in reversed(self.layers[:-1]):",
        "Network.fit",
        "grad/dense2.W",
        "leaves out ActivationLayer 2 of 2",
    ),
    "target and output swapped": (
        "container_use_and_fit",
        "self.loss_prime(y_train[j], output)",
        "self.loss_prime(output, y_train[j])",
        "Network.fit",
        "grad/dense2.W",
        "sign is flipped",
    ),
    "backward pass behind the loop": (
        "container_use_and_fit",
        _FIT + _BACK,
        (_FIT + _BACK).replace("\n    ", "\n").removeprefix("    "),
        "Network.fit",
        "step3/param/dense1.W",
        "only the last one is learned from",
    ),
    "target of the first example": (
        "container_use_and_fit",
        "self.loss_prime(y_train[j], output)",
        "self.loss_prime(y_train[0], output)",
        "Network.fit",
        "step3/param/dense1.W",
        "a call with several batches",
    ),
    "gradient not handed on": (
        "container_list_of_columns",
        "grad = layer.backward(grad, learning_rate)",
        "layer.backward(grad, learning_rate)",
        "train",
        "grad/dense1.W",
        "in the backward pass every layer is handed what the first one was given",
    ),
    "output not handed on": (
        "container_params_and_grads",
        "inputs = layer.forward(inputs)",
        "out = layer.forward(inputs)",
        "NeuralNet.forward",
        "forward/tanh1",
        "in the forward pass every layer is handed what the first one was given",
    ),
    "gradient of another layer": (
        "container_of_sizes",
        "self.layers['Affine2'].dW, self.layers['Affine2'].db",
        "self.layers['Affine2'].dW, self.layers['Affine1'].db",
        "TwoLayerNet.gradient",
        "grad/dense2.b",
        "shape (5,)",
    ),
    "first layer skipped": (
        "container_finalized",
        "in reversed(self.layers[:-1]):",
        "in reversed(self.layers[1:-1]):",
        "Model.backward",
        "grad/dense1.W",
        "leaves out Layer_Dense 1 of 2",
    ),
    "loss for its gradient": (
        "container_input_shapes",
        "self.loss_function.gradient(y, y_pred)",
        "self.loss_function.loss(y, y_pred)",
        "NeuralNetwork.train_on_batch",
        "grad/dense2.W",
        "",
    ),
    "dropout in prediction": (
        "container_input_shapes",
        "return self._forward_pass(X, training=False)",
        "return self._forward_pass(X)",
        "NeuralNetwork.predict",
        "step1/evaluation/dense2",
        "predict runs Dropout as in training",
    ),
    "inputs shuffled without targets": (
        "container_compiled",
        "Xs, ys = X[idx], y[idx]",
        "Xs, ys = X[idx], y",
        "Sequential.fit",
        "grad/dense2.W",
        "",
    ),
    "bias moved uphill": (
        "container_compiled",
        "layer.b -= self.lr * layer.db",
        "layer.b += self.lr * layer.db",
        "Sequential.fit",
        "grad/dense2.b",
        "sign is flipped",
    ),
    "gradients not set to 0": (
        "container_modules",
        "    optimizer.zero_grad()\n    loss",
        "    loss",
        "train_step",
        "step1/grad/dense2.W",
        "not set to 0 between batches",
    ),
    "step before the backward pass": (
        "container_modules",
        "    model.backward(criterion.backward())\n    optimizer.step()",
        "    optimizer.step()\n    model.backward(criterion.backward())",
        "train_step",
        "grad/dense2.W",
        "",
    ),
    "cost with a term missing": (
        "container_mean_in_layers",
        "(1 - Y) * np.log(1 - A)",
        "(1 - Y) * np.log(A)",
        "MLP.cost",
        "loss",
        "cost is not the binary cross-entropy",
    ),
    "gradient of the logits handed to the sigmoid": (
        "container_mean_in_layers",
        "dA = -(Y / A) + (1 - Y) / (1 - A)",
        "dA = A - Y",
        "MLP.train",
        "grad/dense2.W",
        "cost is the binary cross-entropy, while the gradients are those of the squared error",
    ),
    "masks of dropout not applied": (
        "container_of_hidden_list",
        "            dout = layer.backward(dout)\n",
        "            dout = dout if isinstance(layer, Dropout) else layer.backward(dout)\n",
        "MultiLayerNetExtend.gradient",
        "grad/dense1.W",
        "leaves out Dropout",
    ),
    "one bias averaged in the container": (
        "container_of_hidden_list",
        "self.layers['Affine' + str(idx)].db\n",
        "self.layers['Affine' + str(idx)].db / x.shape[0]\n",
        "MultiLayerNetExtend.gradient",
        "grad/dense4.b",
        "",
    ),
}


def told(result: CheckResult) -> str:
    """The report, for failures that read well."""
    return "\n".join([*(line for c in result.checked for line in block(c)), *result.found.notes])


def containers(result: CheckResult) -> list[Checked]:
    """What was found of containers."""
    return [c for c in result.checked if c.unit.style == "containers"]


@pytest.mark.parametrize("sample", RIGHT)
def test_a_right_container_is_driven_and_raises_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py")
    found = containers(result)
    assert all(verdict(c) == "match" for c in result.checked), told(result)
    assert RIGHT[sample] <= {member for c in found for member in c.unit.members}, told(result)
    seen = {row["tensor"] for c in found for row in c.rows}
    assert {"grad/dense1.W", "grad/dense1.b", "grad/dense2.W", "grad/dense2.b"} <= seen


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_the_container_is_its_own(mistake: str, tmp_path: Path) -> None:
    sample, old, new, member, tensor, cause = MISTAKES[mistake]
    text = (SAMPLES / f"{sample}.py").read_text()
    assert old in text
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    result = check(path)
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    assert wrong == [c for c in containers(result) if c in wrong], told(result)
    assert any(member in c.unit.members for c in wrong), told(result)
    failing = [row for c in wrong for row in c.rows if row["verdict"] in FAILING]
    assert tensor in {row["tensor"] for row in failing}, told(result)
    assert any(cause in row["diagnosis"] for row in failing), told(result)


def test_a_cost_that_is_another_measure_is_told_and_no_mistake(tmp_path: Path) -> None:
    text = (SAMPLES / "container_mean_in_layers.py").read_text()
    path = tmp_path / "other.py"
    path.write_text(text.replace("-np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m", "np.mean(np.abs(A - Y))"))
    result = check(path)
    assert all(verdict(c) == "match" for c in result.checked), told(result)
    (found,) = containers(result)
    assert any("cost is the absolute error" in text for text in found.unit.assumptions)


def test_dropout_and_batch_norm_in_a_container_are_compared() -> None:
    result = check(SAMPLES / "container_of_hidden_list.py")
    (found,) = containers(result)
    assert "forward/dropout1" in {row["tensor"] for row in found.rows if row["verdict"] == "match"}, told(result)


def test_a_container_of_wrong_layers_is_not_blamed(tmp_path: Path) -> None:
    text = (SAMPLES / "container_list_of_columns.py").read_text()
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace("np.dot(self.weights.T, output_gradient)", "np.dot(self.weights.T, -output_gradient)"))
    result = check(path)
    assert [c.unit.name for c in result.checked if verdict(c) == "wrong"] == ["Dense"], told(result)
    assert not containers(result)
