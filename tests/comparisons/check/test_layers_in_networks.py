"""Layers that a network tells something, links or trains in a script, and networks of layers of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import block, verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "layers_told_shapes": {"Flatten", "Dense", "MaxPool", "Network.backward"},
    "layers_connected": {"Dense", "Dropout", "Network.train_batch"},
    "layers_linked": {"Linear", "Network.train_step"},
    "script_over_list": {"training loop over layers"},
    "script_over_names": {"training loop over layers"},
    "network_convolutional": {"SimpleConvNet.gradient"},
    "network_extended": {"MultiLayerNetExtend.gradient"},
    "network_lenet": {"LeNet5.backward"},
}
"""Members of units that must be compared, in files without a mistake."""
LOOP = "training loop over layers"
MISTAKES = {
    "flatten keeps nothing": (
        "layers_told_shapes",
        "return grad.reshape((self.batch,) + self.input_shape)",
        "return grad.reshape((self.batch,) + self.inputs_shape)",
        "Flatten",
        "",
    ),
    "dropout not scaled in evaluation": (
        "layers_connected",
        "> self.rate) / (1.0 - self.rate)",
        "> self.rate) * 1.0",
        "Dropout",
        "not multiplied by keep_prob in evaluation",
    ),
    "uphill through linked layers": (
        "layers_linked",
        "grad = (out - y)",
        "grad = (y - out)",
        "Network.train_step",
        "the sign is flipped",
    ),
    "loop not reversed": (
        "script_over_list",
        "reversed(network)",
        "network",
        LOOP,
        "in the order of the forward pass, not in reverse",
    ),
    "loop without the first layer": (
        "script_over_list",
        "reversed(network)",
        "reversed(network[1:])",
        LOOP,
        "the backward pass leaves out Dense 1 of 2",
    ),
    "begins with the output": (
        "script_over_list",
        "grad = mse_prime(y, output)",
        "grad = output",
        LOOP,
        "the backward pass begins with the output",
    ),
    "begins with the loss": (
        "script_over_list",
        "grad = mse_prime(y, output)",
        "grad = mse(y, output) * np.ones_like(output)",
        LOOP,
        "the loss is the squared error, but what goes back is not its gradient",
    ),
    "gradient of another layer": (
        "script_over_names",
        "grad = a1.backward(grad)",
        "a1.backward(grad)",
        LOOP,
        "in the backward pass Linear 1 of 2 is handed what ReLU was given",
    ),
    "squared error for cross-entropy": (
        "script_over_names",
        "grad = (probs - Y)",
        "grad = (out - Y)",
        LOOP,
        "what goes back is the gradient of the squared error",
    ),
    "a layer is not updated": (
        "script_over_names",
        "for layer in layers:",
        "for layer in layers[:-1]:",
        LOOP,
        "the parameters are not updated: Linear 2 of 2",
    ),
    "convolutional network not reversed": (
        "network_convolutional",
        "        layers.reverse()\n",
        "",
        "SimpleConvNet.gradient",
        "in the order of the forward pass, not in reverse",
    ),
    "gradients of another layer": (
        "network_convolutional",
        "self.layers['Affine1'].dW, self.layers['Affine1'].db",
        "self.layers['Affine1'].dW, self.layers['Affine2'].db",
        "SimpleConvNet.gradient",
        "shape",
    ),
    "a layer works with a copy": (
        "network_convolutional",
        "Affine(self.params['W2'], self.params['b2'])",
        "Affine(self.params['W2'], self.params['b2'].copy())",
        "SimpleConvNet.gradient",
        "works with a copy of b2",
    ),
    "no decay in the gradient": (
        "network_extended",
        ".dW + self.weight_decay_lambda * self.params['W' + str(idx)]",
        ".dW",
        "MultiLayerNetExtend.gradient",
        "the penalty's gradient is missing",
    ),
    "another gradient of batch norm": (
        "network_extended",
        "self.layers['BatchNorm' + str(idx)].dbeta",
        "self.layers['BatchNorm' + str(idx)].dgamma",
        "MultiLayerNetExtend.gradient",
        "this is the gradient of gamma",
    ),
    "an activation left out": (
        "network_lenet",
        "        deltaL = self.tanh1.backward(deltaL)\n",
        "",
        "LeNet5.backward",
        "leaves out TanH 1 of 3",
    ),
}
"""By what is wrong: sample, text, what stands there instead, member of the unit, part of the cause."""


def told(result: CheckResult) -> str:
    """The report, for failures that read well."""
    return "\n".join([*(line for c in result.checked for line in block(c)), *result.found.notes])


def failing(result: CheckResult) -> Iterator[tuple[tuple[str, ...], str]]:
    """Members of units that are wrong, with each diagnosis."""
    for c in result.checked:
        for row in c.rows:
            if row["verdict"] in FAILING or row["verdict"] == "error":
                yield c.unit.members, row.get("diagnosis") or ""


@pytest.mark.parametrize("sample", RIGHT)
def test_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py")
    assert not list(failing(result)), told(result)
    assert all(verdict(c) == "match" for c in result.checked), told(result)
    seen = {member for c in result.checked for member in c.unit.members}
    assert RIGHT[sample] <= seen, told(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_named(mistake: str, tmp_path: Path) -> None:
    sample, old, new, member, cause = MISTAKES[mistake]
    text = (SAMPLES / f"{sample}.py").read_text()
    assert old in text
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    result = check(path)
    found = list(failing(result))
    assert found, told(result)
    assert all(member in members for members, _ in found), told(result)
    assert any(cause in diagnosis for _, diagnosis in found), told(result)
