"""Networks that a file puts together below its definitions, and layers whose arrays are lists."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import block, verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "network_built_of_layers": {"TwoLayers.train"},
    "network_built_of_lists": {"backpropagate"},
    "network_built_globals": {"backward"},
    "layers_of_lists": {"Affine", "Tanh", "Chain"},
}
MISTAKES = {
    "another activation's derivative": (
        "network_built_of_layers",
        "(1 - hidden ** 2)",
        "hidden * (1 - hidden)",
        "lower.w",
        "sigmoid",
    ),
    "one layer goes uphill": (
        "network_built_of_layers",
        "self.lower.w += ",
        "self.lower.w -= ",
        "lower.w",
        "sign is flipped",
    ),
    "weights updated before they are used, objects": (
        "network_built_of_layers",
        "            hidden_error =",
        "            self.upper.w += hidden.T.dot(out_error)\n            hidden_error =",
        "lower.w",
        "",
    ),
    "weights updated before they are used, lists": (
        "network_built_of_lists",
        "    inner_deltas =",
        "    for delta, row in zip(outer_deltas, layers[1]):\n"
        "        for j, h in enumerate(inner + [1]):\n"
        "            row[j] -= delta * h\n"
        "    inner_deltas =",
        "brain[0]",
        "",
    ),
    "derivative left out, lists": (
        "network_built_of_lists",
        "[h * (1 - h) * sum(d",
        "[sum(d",
        "brain[0]",
        "derivative of the activation is left out",
    ),
    "power of a derivative, sizes made small": (
        "network_built_globals",
        "(1 + np.abs(Z)) ** 2",
        "(1 + np.abs(Z))",
        "W_in",
        "",
    ),
    "mean for a sum": (
        "network_built_globals",
        "lr * err.sum(axis=0)",
        "lr * err.mean(axis=0)",
        "b_out",
        "",
    ),
    "sign of a list": ("layers_of_lists", "[g for g in grad]", "[-g for g in grad]", "dense1.b", "sign is flipped"),
    "layers in the order of the forward pass": (
        "layers_of_lists",
        "in reversed(self.layers)",
        "in self.layers",
        "dense2.W",
        "in reverse",
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
    assert text.count(old) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    result = check(path)
    wrong = [c for c in result.checked if verdict(c) == "wrong"]
    failing = [row for c in wrong for row in c.rows if row["verdict"] in FAILING]
    named = {n: key for c in wrong for key, n in c.unit.options.get("names", {}).items()}
    wanted = f"grad/{named.get(tensor, tensor)}"
    assert wanted in {row["tensor"] for row in failing}, told(result)
    assert any(cause in row["diagnosis"] for row in failing), told(result)


def test_what_trains_or_reads_is_not_run(tmp_path: Path) -> None:
    """The main part makes a network between statements that must not be run."""
    text = (SAMPLES / "network_built_of_lists.py").read_text()
    left = tmp_path / "was_run"
    text = text.replace(
        "    wide = 4\n", f"    open({str(left)!r}, 'w')\n    backpropagate(None, None, None)\n    wide = 4\n"
    )
    path = tmp_path / "careful.py"
    path.write_text(text)
    result = check(path)
    assert {c.unit.name for c in result.checked if verdict(c) == "match"} >= {"backpropagate"}, told(result)
    assert not left.exists()
