"""The line that makes a tensor is found by its numbers, whatever the code calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.locating import Follower, by_name, statement, used
from comparisons.check.unit import UserFile

CODE = """import numpy as np

def back(a, delta, out):
    summed = delta.sum(axis=0)
    out["weights"] = np.dot(a.T,
                            delta)
    summed = summed / len(a)
    return out, summed, helper(delta)

def helper(delta):
    for i in range(len(delta)):
        delta[i] *= 2
    return 3.0 * delta[:, ::-1]

class Layer:
    def step(self, w, g):
        self.w = w
        self.w -= 0.5 * g
        self.total = float(np.abs(g).sum())
"""


@pytest.fixture
def file(tmp_path: Path) -> UserFile:
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return source.run(path)


def lines(file: UserFile, wanted: dict[str, np.ndarray], what: str) -> dict[str, tuple[str, int]]:
    rng = np.random.default_rng(0)
    a, delta = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
    wanted = {n: f(a, delta) for n, f in wanted.items()}  # type: ignore[operator]
    follower = Follower(file.path, wanted)
    with follower.following():
        if what == "back":
            file.call("back", a, delta.copy(), {})
        else:
            file.call(file.namespace["Layer"]().step, a.copy(), 2 * a)
    return {n: (s.function, s.line) for n, s in follower.spots().items()}


def test_the_first_value_with_the_numbers_tells_the_line(file: UserFile) -> None:
    found = lines(
        file,
        {
            "entry of a dictionary, transposed": lambda a, d: (a.T @ d).T,
            "as it was in the end, not before it was divided": lambda a, d: d.mean(axis=0),
            "changed in place, by the last turn of a loop": lambda a, d: 2 * d,
            "returned, turned round": lambda a, d: 6 * d,
            "what nobody made": lambda a, d: np.exp(d),
            "nothing but zeros": lambda a, d: np.zeros(3),
        },
        "back",
    )
    assert found == {
        "entry of a dictionary, transposed": ("back", 5),
        "as it was in the end, not before it was divided": ("back", 7),
        "changed in place, by the last turn of a loop": ("helper", 12),
        "returned, turned round": ("helper", 13),
    }


def test_an_attribute_is_followed_and_an_update_known_by_what_it_moved(file: UserFile) -> None:
    found = lines(
        file,
        {"moved": lambda a, d: a * 1.0, "number": lambda a, d: np.asarray(np.abs(2 * a).sum())},
        "step",
    )
    assert found == {"moved": ("Layer.step", 17), "number": ("Layer.step", 19)}


def test_a_statement_is_shown_on_one_line(file: UserFile) -> None:
    assert statement(file.path, 6) == 'out["weights"] = np.dot(a.T, delta)'
    assert statement(file.path, 11) == "for i in range(len(delta)):"


def test_names_are_the_second_best(file: UserFile, tmp_path: Path) -> None:
    path = tmp_path / "names.py"
    path.write_text("def back(dz):\n    db2 = dz.sum()\n    return {'b': db2}\n\ndef half(x):\n    return x / 2\n")
    source.run(path)
    spot = by_name(str(path), ("back",), "grad/dense2.b", {})
    assert spot is not None
    assert (spot.function, spot.line) == ("back", 2)
    alone = by_name(str(path), ("half",), "grad/relu1.input", {})
    assert alone is not None
    assert alone.line == 6
    assert by_name(str(path), ("back",), "grad/dense1.W", {}) is None
    assert used(file.path, ("back",)) == {"helper"}


def test_the_interpreter_is_left_as_it_was(file: UserFile) -> None:
    import sys

    before = sys.gettrace()
    with pytest.raises(ZeroDivisionError), Follower(file.path, {"a": np.ones(3)}).following():
        1 / 0  # noqa: B018
    assert sys.gettrace() is before
