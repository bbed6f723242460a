"""Activations that scratch does not have, as layers of their own and between the layers of a network, and globals of a notebook."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "activation_layers": {"PReLU", "GELU", "Swish", "Softplus", "Mish", "SELU", "SwishNet.backward"},
    "network_global_data": {"forward", "backward"},
}
MISTAKES = {
    "the slope's own gradient": (
        "activation_layers", "np.where(self.x > 0, 0, self.x))])", "np.where(self.x > 0, 0, 1))])", {("PReLU", "grad/PReLU.alpha")}, "",
    ),
    "the product rule, and the network that inherits it": (
        "activation_layers", "self.s + self.beta * self.x * self.s * (1 - self.s)", "self.s + self.beta * self.x * (1 - self.s)",
        {("Swish", "grad/Swish.input"), ("SwishNet.forward", "grad/network.fc1.W"), ("SwishNet.forward", "grad/network.fc1.b")},
        "Swish is wrong by itself",
    ),
    "the output for the derivative": (
        "activation_layers", "np.where(self.x > 0, 1, self.alpha * np.exp(self.x))",
        "np.where(self.x > 0, 1, self.alpha * (np.exp(self.x) - 1))", {("SELU", "grad/SELU.input")}, "the output is taken for the derivative",
    ),
    "globals, bias summed over all": (
        "network_global_data", "db1 = np.sum(delta2, axis=0, keepdims=True)", "db1 = np.sum(delta2)", {("forward", "grad/dense1.b")},
        "summed over the features too",
    ),
}  # fmt: skip


def wrong(result: CheckResult) -> dict[tuple[str, str], str]:
    return {
        (c.unit.members[0], r["tensor"]): r["diagnosis"]
        for c in result.checked
        for r in c.rows
        if r["verdict"] in FAILING and r["reference"] != "none"
    }


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pass(name: str) -> None:
    result = check(SAMPLES / f"{name}.py", ("torch",))
    assert RIGHT[name] <= {m for c in result.checked for m in c.unit.members}
    assert not wrong(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(tmp_path: Path, mistake: str) -> None:
    name, old, new, where, cause = MISTAKES[mistake]
    text = (SAMPLES / f"{name}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    found = wrong(check(path, ("torch",)))
    assert set(found) == where
    assert any(cause in told for told in found.values())
