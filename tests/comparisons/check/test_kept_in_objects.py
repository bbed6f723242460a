"""Networks that keep everything in the object: parameters that are made later, gradients that are left behind, gates that are shared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.judging import check
from comparisons.check.styles.begun_networks import find_begun
from comparisons.check.styles.costs import find_objectives
from comparisons.check.styles.kept_gradients import find_kept
from comparisons.check.styles.network_objects import find_objects
from comparisons.check.styles.network_reading import Reading, best_reading
from comparisons.check.styles.staged_costs import find_staged
from comparisons.check.unit import UserFile

SAMPLES = Path(__file__).parent / "samples"
NONE: frozenset[str] = frozenset()
COSTS = {
    "kept_rnn": ("VanillaRNN.loss_pass", 5),
    "kept_gru": ("GRU.backward", 11),
    "staged_gates": ("SequenceModel.bptt", 3),
    "begun_gru": ("WeatherGRU.backward", 8),
    "cost_handed_over": ("Classifier._get_gradient", 2),
    "cost_made_by_fit": ("Regressor._backward", 6),
}
COST_MISTAKES = {
    "tanh's derivative at another place": (
        "kept_rnn", "(1 - hs[t] * hs[t]) * dh", "(1 - hs[t - 1] * hs[t - 1]) * dh", {"Wxh", "Whh", "bh"},
    ),
    "output's gradient of the last step only": ("kept_rnn", "self.dWhy += dy @", "self.dWhy = dy @", {"Why"}),
    "the path through the gate that resets": ("kept_gru", " + p[\"Ur\"].T @ dr_raw", "", {"Wz", "Uz", "bz", "Wr", "Ur", "br", "Wh", "Uh", "bh"}),
    "state without the gate that resets": ("kept_gru", "@ (r * h_prev).T", "@ h_prev.T", {"Uh"}),
    "the state's own gate left out": ("begun_gru", "dr = drh * h * r * (1 - r)", "dr = drh * r * (1 - r)", {"Wz", "bz", "Wr", "br", "Wn", "bn"}),
    "error with the wrong sign": ("begun_gru", "grads['c'] = error", "grads['c'] = -error", {"c"}),
    "L1 that is off by default, as if it were L2": (
        "cost_handed_over", "self.l1 * np.sign(w1[:, 1:]) + self.l2 * w1[:, 1:]", "(self.l1 + self.l2) * w1[:, 1:]", {"w1"},
    ),
    "derivative of leaky ReLU forgotten": ("cost_made_by_fit", " * np.where(acts[i] > 0, 1.0, self.slope)", "", {
        "coefs_[0", "intercepts_[0", "coefs_[1", "intercepts_[1"}),
    "nothing carried to the step before": ("staged_gates", "dstate + carried)", "dstate)", {"W", "U"}),
}  # fmt: skip
NETWORKS = {"network_made_by_fit": 4, "network_of_fixed_sizes": 4, "network_private_methods": 4}
NETWORK_MISTAKES = {
    "bias of the hidden layer from the output's error": (
        "network_made_by_fit", "db1 = dz1.sum(axis=0, keepdims=True)", "db1 = dz1.mean(axis=0, keepdims=True)", 1,
    ),
    "1/m forgotten once": ("network_of_fixed_sizes", "1. / self.X.shape[1] * np.dot(dLoss_Z1, self.X.T)", "np.dot(dLoss_Z1, self.X.T)", 1),
    "ReLU forgotten on the way back": ("network_private_methods", " * drop * (a > 0)", " * drop", 2),
}  # fmt: skip


def mistaken(sample: str, old: str, new: str, folder: Path) -> Path:
    text = (SAMPLES / f"{sample}.py").read_text()
    assert text.count(old) == 1
    path = folder / "mistaken.py"
    path.write_text(text.replace(old, new))
    return path


def costs(file: UserFile) -> Iterator[Any]:
    yield from find_staged(file, NONE, set())
    yield from find_kept(file, NONE, set())
    yield from find_begun(file, NONE, set())


def judged(path: Path) -> dict[str, dict[str, str]]:
    """Verdicts by gradient, by what was compared."""
    found = {}
    for thing in costs(source.run(path)):
        rows = [row(d, {}) for d in thing.derived(np.random.default_rng(11))]
        found.setdefault(
            f"{thing.owner}.{thing.gradient}", {r["tensor"].rpartition(".")[2]: r["verdict"] for r in rows}
        )
    return found


@pytest.mark.parametrize("sample", COSTS)
def test_right_gradients_are_found_and_raise_no_alarm(sample: str) -> None:
    name, count = COSTS[sample]
    found = judged(SAMPLES / f"{sample}.py")
    assert len(found[name]) == count
    assert {v for verdicts in found.values() for v in verdicts.values()} == {"match"}


@pytest.mark.parametrize("mistake", COST_MISTAKES)
def test_a_wrong_gradient_is_found_where_it_is(mistake: str, tmp_path: Path) -> None:
    sample, old, new, wrong = COST_MISTAKES[mistake]
    found = judged(mistaken(sample, old, new, tmp_path))[COSTS[sample][0]]
    assert {place.strip("[]'").rpartition("'")[2] for place, v in found.items() if v == "mismatch"} == wrong


def best(path: Path) -> Reading | None:
    readings = [best_reading(a) for group in find_objects(source.run(path), NONE) for a in group]
    return max((r for r in readings if r is not None), key=lambda r: r.agreeing, default=None)


@pytest.mark.parametrize("sample", NETWORKS)
def test_parameters_are_made_before_they_are_looked_for(sample: str) -> None:
    reading = best(SAMPLES / f"{sample}.py")
    assert reading is not None
    assert reading.agreeing == reading.total == NETWORKS[sample]


@pytest.mark.parametrize("mistake", NETWORK_MISTAKES)
def test_a_wrong_gradient_of_such_a_network_disagrees(mistake: str, tmp_path: Path) -> None:
    sample, old, new, wrong = NETWORK_MISTAKES[mistake]
    reading = best(mistaken(sample, old, new, tmp_path))
    assert reading is not None
    assert reading.total - reading.agreeing == wrong


def test_what_fit_calculates_anew_is_no_parameter() -> None:
    file = source.run(SAMPLES / "network_made_by_fit.py")
    assert not list(find_objectives(file, NONE))


def test_a_gate_that_was_forgotten_on_the_way_to_the_step_before_is_told(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = mistaken("begun_gru", "dh = dh * (1 - z) + drh * r", "dh = dh * (1 - z) + drh", tmp_path)
    found = [c for c in check(path).checked if "network" in c.unit.title]
    told = [row["diagnosis"] for c in found for row in c.rows if row["verdict"] == "mismatch"]
    assert any("drh * r" in text for text in told), told
