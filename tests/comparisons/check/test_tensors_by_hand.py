"""Gradients of torch tensors that are written down one after the other, and of objects that are fed step by step."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import Derived, row
from comparisons.check.judging import check
from comparisons.check.styles.fed_objects import find_fed
from comparisons.check.styles.tensor_scripts import NAME, find_tensor_scripts

SAMPLES = Path(__file__).parent / "samples"
NONE: frozenset[str] = frozenset()
SCRIPT_MISTAKES = {
    "tanh": ("(1 - h**2) * dh", "(1 - h) * dh", "post", "(1 - h ** 2)"),
    "batch norm": ("n / (n - 1) * scaled", "scaled", "pre", ""),
    "once for each index": (
        "        for i in range(n):\n            for j in range(2):\n                dE[x[i, j]] += demb[i, j]\n",
        "        dE[x] += demb\n",
        "E",
        "gradient of one use",
    ),
    "updated before": ("        dh = dlogits @ V.T\n", "        V -= 0.1 * dV\n        dh = dlogits @ V.T\n", "h", "after V had been updated"),
    "a mean": ("dc = dlogits.sum(0)", "dc = dlogits.mean(0)", "c", ""),
}  # fmt: skip
STEP_MISTAKES = {
    "tanh": ("(1 - A1**2)", "(1 - A1)", "descend", {"Z1"}),
    "not divided": ("db1 = dZ1.sum(0, keepdim=True) / m", "db1 = dZ1.sum(0, keepdim=True)", "descend", {"b1"}),
    "no mask": ("(first > 0).float() * second.g", "second.g", "both_ways", {"first"}),
    "a part": ("w.g = a.t() @ out.g", "w.g = a.t() @ out.g / len(a)", "both_ways", {"w", "v"}),
}
FED_MISTAKES = {
    "the gate's way to the state before": ("d * (1 - u) + (w.wu", "(w.wu", "GatedReader", {"wu", "wn", "bu", "bn"}),
    "one bias": ("w.bn_diff += an", "w.bn_diff = an", "GatedReader", {"bn"}),
    "turned": ("np.outer(self.states[t], da)", "np.outer(da, self.states[t])", "LetterReader", {"W"}),
    "the last use": ('self.grads["E"][self.letters[t]] += da', 'self.grads["E"][self.letters[t]] = da', "LetterReader", {"E"}),
}  # fmt: skip


def changed(sample: str, old: str, new: str, folder: Path) -> Path:
    text = (SAMPLES / f"{sample}.py").read_text()
    assert text.count(old) == 1
    path = folder / "mistaken.py"
    path.write_text(text.replace(old, new))
    return path


def wrong(rows: list[Derived]) -> dict[str, str]:
    """What is wrong, and why."""
    judged = {d.tensor.rpartition(".")[2]: row(d, {}) for d in rows}
    return {re.findall(r"\w+", n)[-1]: r["diagnosis"] for n, r in judged.items() if r["verdict"] != "match"}


def by_hand(path: Path) -> dict[str, list[Derived]]:
    return {s.name: list(s.derived(np.random.default_rng(0))) for s in find_tensor_scripts(source.run(path), NONE)}


def fed(path: Path) -> dict[str, list[Derived]]:
    return {s.owner: list(s.derived(np.random.default_rng(0))) for s in find_fed(source.run(path), NONE, set())}


def test_script_agrees() -> None:
    pytest.importorskip("torch")
    found = by_hand(SAMPLES / "tensor_script.py")
    assert found.keys() == {NAME}
    assert len(found[NAME]) == 11
    assert not wrong(found[NAME])


@pytest.mark.parametrize("name", SCRIPT_MISTAKES)
def test_mistake_in_script_is_the_only_one_told(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    old, new, tensor, cause = SCRIPT_MISTAKES[name]
    path = changed("tensor_script", old, new, tmp_path)
    rows = by_hand(path)[NAME]
    told = wrong(rows)
    assert told.keys() == {tensor}
    assert cause in told[tensor]
    [spot] = [d.spot for d in rows if d.tensor.endswith(f".{tensor}") and d.spot]
    assert f"d{tensor}" in spot.text


@pytest.mark.parametrize("compares", [False, True])
def test_a_common_factor_is_wrong_where_the_code_compares_with_autograd(compares: bool, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = changed("tensor_script", "        dlogits /= n\n", "", tmp_path)
    if compares:
        path.write_text(path.read_text() + "    compare('logits', dlogits, logits)\n")
    [script] = find_tensor_scripts(source.run(path), NONE)
    told = wrong(list(script.derived(np.random.default_rng(0))))
    assert told.keys() == ({"logits"} if compares else set())
    assert script.scale == pytest.approx(1 if compares else 16)


def test_gradients_that_autograd_makes_are_not_compared(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    text = (SAMPLES / "tensor_script.py").read_text()
    head = text[: text.index("    with torch.no_grad()")]
    path = tmp_path / "autograd.py"
    path.write_text(head + "    loss.backward()\n    dW, dV = W.grad, V.grad\n    dh = h.shape\n")
    assert not by_hand(path)


def test_gradients_of_functions_agree() -> None:
    pytest.importorskip("torch")
    found = by_hand(SAMPLES / "tensor_steps.py")
    assert found.keys() == {"descend", "both_ways"}
    assert not any(map(wrong, found.values()))


@pytest.mark.parametrize("name", STEP_MISTAKES)
def test_mistake_in_function_is_told(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    old, new, function, tensors = STEP_MISTAKES[name]
    found = by_hand(changed("tensor_steps", old, new, tmp_path))
    assert wrong(found.pop(function)).keys() == tensors
    assert not any(map(wrong, found.values()))


@pytest.mark.parametrize(("update", "agrees"), [("+= lr *", True), ("-= lr *", False)])
def test_gradients_of_minus_the_loss_are_right_uphill_alone(update: str, agrees: bool, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = changed("tensor_steps", "dA2 = A2 - Y ", "dA2 = Y - A2 ", tmp_path)
    text = path.read_text().replace("-= lr *", update).replace("dA2", "dZ2")
    named = "Z2 = A1 @ W2 + b2\n        A2 = torch.sigmoid(Z2)"
    path.write_text(text.replace("A2 = torch.sigmoid(A1 @ W2 + b2)", named))
    assert wrong(by_hand(path)["descend"]).keys() == (set() if agrees else {"Z2"})


def test_fed_objects_agree() -> None:
    found = fed(SAMPLES / "fed_steps.py")
    assert {n: len(rows) for n, rows in found.items()} == {"GatedReader": 4, "LetterReader": 3}
    assert not any(map(wrong, found.values()))


@pytest.mark.parametrize("name", FED_MISTAKES)
def test_mistake_in_fed_object_is_told(name: str, tmp_path: Path) -> None:
    old, new, owner, tensors = FED_MISTAKES[name]
    found = fed(changed("fed_steps", old, new, tmp_path))
    assert wrong(found.pop(owner)).keys() == tensors
    assert not any(map(wrong, found.values()))


def test_script_is_found_by_check(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    old, new, *_ = SCRIPT_MISTAKES["once for each index"]
    result = check(changed("tensor_script", old, new, tmp_path))
    [unit] = [c for c in result.checked if c.unit.name == NAME]
    [failing] = [r for r in unit.rows if r["verdict"] == "mismatch"]
    assert failing["tensor"].endswith(".E")
    assert failing["reference"] == "autograd"
    assert unit.spots[failing["case"], failing["tensor"]].text == "dE[x] += demb"
