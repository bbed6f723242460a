"""Arguments by role, planned masks, old NumPy's habits, and local variables: what lets a learner's code be called as it is."""

# ruff: noqa: NPY002  (the code under test is written with these)

from __future__ import annotations

import ast

import numpy as np
import pytest

from comparisons.check.calling import Unbound, bound, gradients, shaped
from comparisons.check.drawing import planned_draws
from comparisons.check.old_numpy import ELEMENT, NUMBER, Revived, element, number
from comparisons.check.watching import watched

MASK = np.array([[True, False, True], [False, True, True]])
DRAWS = {
    "rand": lambda p: np.random.rand(2, 3) < p,
    "random": lambda p: np.random.random((2, 3)) < p,
    "random_sample": lambda p: np.random.random_sample(size=(2, 3)) < p,
    "uniform": lambda p: np.random.uniform(0, 1, (2, 3)) < p,
    "binomial": lambda p: np.random.binomial(1, p, size=(2, 3)) == 1,
    "choice": lambda p: np.random.choice([0, 1], size=(2, 3), p=[1 - p, p]) == 1,
    "RandomState": lambda p: np.random.RandomState(1).rand(2, 3) < p,
    "default_rng": lambda p: np.random.default_rng(1).random((2, 3)) < p,
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_planned_mask_comes_whatever_way_it_is_drawn(name: str) -> None:
    with planned_draws([MASK], 0.7) as draws:
        assert np.random.rand(5).shape == (5,)  # something else
        drawn = DRAWS[name](0.7)
    assert (drawn == MASK).all()
    assert not draws.left


def test_code_that_keeps_what_lies_above_gets_it_too() -> None:
    with planned_draws([MASK], 0.7, low=False):
        assert ((np.random.rand(2, 3) > 0.3) == MASK).all()


def test_another_threshold_gives_another_mask() -> None:
    with planned_draws([np.ones((40, 40), bool)], 0.9):
        assert 0.4 < (np.random.rand(40, 40) < 0.45).mean() < 0.6


def test_arguments_find_their_values_by_name_then_by_place() -> None:
    def f(W, A_prev, bias, stride=1):
        """Names in another order than the roles."""

    assert bound(f, {"x": 1, "W": 2, "b": 3}) == {"W": 2, "A_prev": 1, "bias": 3}
    assert bound(lambda p, q: None, {"x": 1, "W": 2}) == {"p": 1, "q": 2}
    with pytest.raises(Unbound, match="takes an argument 'wanted'"):
        bound(lambda x, wanted: None, {"x": 1})


def test_gradients_are_told_apart_by_the_names_in_the_return() -> None:
    def backward(dout, cache):
        dW, db, dx = 1, 2, 3
        return dW, db, dx

    assert gradients(backward, (1, 2, 3), ("x", "W", "b")) == {"W": 1, "b": 2, "x": 3}
    assert gradients(backward, {"dA_prev": 3, "dW": 1}, ("x", "W", "b")) == {"x": 3, "W": 1}


def test_only_axes_of_length_1_may_differ() -> None:
    assert shaped(np.ones((1, 3)), (3,)).shape == (3,)
    assert shaped(np.ones(()), (3,)).shape == ()


def run_as_before(code: str) -> dict:
    namespace = {"np": np, NUMBER: number, ELEMENT: element}
    tree = Revived().visit(ast.parse(code))
    exec(compile(tree, "<old>", "exec"), namespace)
    return namespace


def test_arrays_of_one_element_are_numbers_as_they_were() -> None:
    code = "A = np.zeros((2, 2)); A[0, 1] = np.full((1, 1, 1), 5.0); A[1, 1] += np.ones((1, 1)); f = float(np.ones((1, 1)))"
    found = run_as_before(code)
    assert found["A"].tolist() == [[0, 5], [0, 1]]
    assert found["f"] == 1


def test_what_a_dictionary_holds_keeps_its_axes() -> None:
    assert run_as_before("d = {}; d['b1'] = np.zeros((1, 1))")["d"]["b1"].shape == (1, 1)


def test_local_variables_are_seen_without_the_arguments() -> None:
    namespace: dict = {}
    exec(compile("def f(dA, cache):\n    dZ = dA * 2\n    return 1\n", "learner.py", "exec"), namespace)
    with watched("learner.py") as frames:
        namespace["f"](np.ones(2), None)
    assert [(f.function, list(f.arrays)) for f in frames] == [("f", ["dZ"])]
