"""Costs whose parameters are global names, and sequences with a global dictionary: right ones pass, mistakes are located and named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.costs import Objective
from comparisons.check.styles.global_costs import find_global_costs
from comparisons.check.styles.staged_costs import find_staged

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "global_costs": {"denoise": {"V", "a", "U", "c"}, "classify": {"first", "second"}, "chain_loss": {"A", "R", "O"}},
    "staged_sequences": {"backward": {"['Q']", "['K']", "['V']", "['P']", "['p']"}},
}
MISTAKES = {
    "clean rows for noisy ones": ("global_costs", "x_noisy.T @ d_in", "x.T @ d_in", "denoise", {"V"}),
    "sigmoid's derivative": ("global_costs", "* code * (1 - code)", "* (1 - code)", "denoise", {"V", "a"}),
    "decay forgotten": ("global_costs", "@ d_in + decay * V", "@ d_in", "denoise", {"V"}),
    "mask of the ReLU": ("global_costs", " * (before > 0)", "", "classify", {"first"}),
    "what was before the ReLU": ("global_costs", "hidden.T.dot(d_scores)", "before.T.dot(d_scores)", "classify", {"second"}),
    "nothing from later steps": ("global_costs", "ds @ O.T + later", "ds @ O.T", "chain_loss", {"A", "R"}),
    "symbols that come twice": ("global_costs", "np.add.at(dA, x[t], dz)", "dA[x[t]] += dz", "chain_loss", {"A"}),
    "root of the width forgotten": (
        "staged_sequences", "keepdims=True)) / np.sqrt(keys)", "keepdims=True))", "backward", {"['Q']", "['K']"},
    ),
    "scores not transposed": (
        "staged_sequences", "d_scores.transpose(0, 2, 1) @ q", "d_scores @ q", "backward", {"['K']"},
    ),
    "mean over the steps": (
        "staged_sequences", "axis=1) / T", "axis=1)", "backward", {"['Q']", "['K']", "['V']"},
    ),
}  # fmt: skip


def _found(path: Path) -> dict[str, Objective]:
    file = source.run(path)
    search = find_staged if path.stem == "staged_sequences" else find_global_costs
    # A cost that is compared by itself is the case in a whole run.
    taken = frozenset({"nll_loss"} & set(file.functions()))
    return {o.members[0]: o for o in search(file, taken, set())}


def _wrong(objective: Objective) -> set[str]:
    rows = [row(d, {}) for d in objective.derived(np.random.default_rng(4))]
    assert rows
    return {r["tensor"].rpartition(".")[2] for r in rows if r["verdict"] == "mismatch"}


@pytest.mark.parametrize("sample", RIGHT)
def test_right_ones_agree(sample: str) -> None:
    found = _found(SAMPLES / f"{sample}.py")
    assert {n: set(o.parameters) for n, o in found.items()} == RIGHT[sample]
    for objective in found.values():
        verdicts = [row(d, {})["verdict"] for d in objective.derived(np.random.default_rng(4))]
        assert set(verdicts) == {"match"}
        assert len(verdicts) == len(objective.parameters)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(mistake: str, tmp_path: Path) -> None:
    sample, old, new, function, tensors = MISTAKES[mistake]
    text = (SAMPLES / f"{sample}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / f"{sample}.py"
    path.write_text(text.replace(old, new))
    assert _wrong(_found(path)[function]) == tensors


def test_several_losses_are_averaged() -> None:
    found = _found(SAMPLES / "global_costs.py")["classify"]
    assert "the loss is the mean of what it returns for each example" in found.remarks


def test_gradients_that_are_added_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "uphill.py"
    path.write_text(
        "import numpy as np\nw1 = np.random.randn(4, 3)\nw2 = np.random.randn(3, 2)\n\n\n"
        "def step(X, y):\n    h = np.tanh(X @ w1)\n    e = y - h @ w2\n    loss = 0.5 * np.sum(e ** 2)\n"
        "    dw2 = h.T @ e\n    dw1 = X.T @ ((e @ w2.T) * (1 - h ** 2))\n    return loss, dw1, dw2\n\n\n"
        "for i in range(5):\n    loss, g1, g2 = step(X, y)\n    w1 += lr * g1\n    w2 += lr * g2\n"
    )
    assert not _found(path)
