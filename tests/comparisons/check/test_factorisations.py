"""Matrix factorisation in several authors' ways: right ones pass, and mistakes are found in the right array."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.factorisations import find_factorisations

SAMPLE = Path(__file__).parent / "samples" / "factorisations.py"
RIGHT = {
    "matrix_factorization": {"P", "Q"},
    "MF": {"P", "Q", "b_u", "b_i"},
    "SVD": {"bu", "bi", "pu", "qi"},
    "BatchFactorization": {"U", "V"},
}
MISTAKES = {
    "a new P for Q": ("2 * eij * pik", "2 * eij * P[i][k]", "matrix_factorization", "Q", "calculated after P had been updated"),
    "a view for a copy": ("P_i = self.P[i, :].copy()", "P_i = self.P[i, :][:]", "MF", "Q", "P_i is a view of P, no copy"),
    "two views": (
        "self.pu[u].copy(), self.qi[i].copy()", "self.pu[u], self.qi[i]", "SVD", "qi", "calculated after pu had been updated",
    ),
    "sign of the error": ("(err * pu - self.reg * qi)", "(-err * pu - self.reg * qi)", "SVD", "qi", "all but the decay has the wrong sign"),
    "sign of the decay": ("(e - self.beta * self.b_i[j])", "(e + self.beta * self.b_i[j])", "MF", "b_i", "the decay has the wrong sign"),
    "a factor in one": ("alpha * (2 * eij * pik", "alpha * (eij * pik", "matrix_factorization", "Q", "all but the decay is half as large"),
    "the other factor": ("dV = E.T @ self.U + self", "dV = E.T @ E @ self.V + self", "BatchFactorization", "V", ""),
    "users of another row": ("self.bu[u] += self.lr * (err - self.reg * self.bu[u])", "self.bu[u] += self.lr * (r - self.reg * self.bu[u])", "SVD", "bu", ""),
}  # fmt: skip


def judged(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    file = source.run(path)
    return {
        found.name: {d.tensor.rpartition(".")[2]: row(d, {}) for d in found.derived(np.random.default_rng(1))}
        for found in find_factorisations(file, frozenset())
    }


def test_right_ones_pass():
    found = judged(SAMPLE)
    assert {name: set(rows) for name, rows in found.items()} == RIGHT
    assert {r["verdict"] for rows in found.values() for r in rows.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(tmp_path, mistake):
    old, new, name, array, cause = MISTAKES[mistake]
    text = SAMPLE.read_text()
    assert text.count(old) == 1
    path = tmp_path / "mine.py"
    path.write_text(text.replace(old, new))
    found = judged(path)
    wrong = {(n, a): r["diagnosis"] for n, rows in found.items() for a, r in rows.items() if r["verdict"] == "mismatch"}
    assert set(wrong) == {(name, array)}
    assert cause in wrong[name, array]
