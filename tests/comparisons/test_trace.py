"""Keeping tensors: small ones as they are, large ones in a file, all of them arrays again when asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from comparisons.cases import all_cases, select
from comparisons.plan import plan
from comparisons.runner import Runner
from comparisons.subject import ScratchModel
from comparisons.tensors import Tensors
from comparisons.trace import distances, record
from reference import FRAMEWORKS, missing
from scratch.weights import flatten


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor of more than one element goes to a file."""
    monkeypatch.setattr("comparisons.tensors.SPILLED_FROM", 2)


@pytest.mark.parametrize("dtype", ["float32", "float64", "bool", "int32"])
def test_tensors_in_a_file_come_back_bit_for_bit(dtype: str, files: None) -> None:
    rng, tensors = np.random.default_rng(0), Tensors()
    images = rng.standard_normal((2, 3, 4, 5))
    arrays = {
        "plain": images,
        "permuted": images.transpose(0, 2, 3, 1),
        "strided": images[:, ::2, ::-1],
        "one": images[0, 0, 0, :1],
    }
    arrays = {name: a.astype(dtype) for name, a in arrays.items()}
    for name, a in arrays.items():
        tensors[name] = a
    assert list(tensors) == list(arrays)
    for name, a in arrays.items():
        found = tensors[name]
        assert (found.dtype, found.shape) == (a.dtype, a.shape)
        np.testing.assert_array_equal(found, a)


def test_what_lies_in_a_file_does_not_follow_the_array_it_came_from(files: None) -> None:
    tensors, a = Tensors(), np.arange(3.0)
    tensors["a"] = a
    a += 1
    np.testing.assert_array_equal(tensors["a"], [0, 1, 2])
    with pytest.raises(ValueError, match="read-only"):
        tensors["a"][0] = 5


def test_no_file_is_left(files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tensors = Tensors()
    tensors["a"] = np.arange(3.0)
    view = tensors["a"]
    del tensors
    np.testing.assert_array_equal(view, [0, 1, 2])
    assert not list(tmp_path.iterdir())


def test_a_plan_is_the_same_wherever_its_weights_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    case = select(all_cases(), ("network/vgg-small/batch3",))[0]
    held = plan(case)
    monkeypatch.setattr("comparisons.tensors.SPILLED_FROM", 2)
    monkeypatch.setattr("comparisons.blocks.BLOCK", 100)
    spilled = plan(case)
    assert isinstance(spilled.weights.params["dense1"], Tensors)
    for change in (lambda p: p, lambda p: p.astype("float32"), lambda p: p.perturbed(1)):
        a, b = change(held), change(spilled)
        np.testing.assert_equal(dict(flatten(b.weights.params)), dict(flatten(a.weights.params)))
        np.testing.assert_equal([batch.x for batch in b.batches], [batch.x for batch in a.batches])


def test_distances_are_those_of_the_recorded_runs() -> None:
    case = select(all_cases(), ("network/batchnorm-dropout/batch8",))[0]
    drawn, model = plan(case), ScratchModel(case.architecture, case.optimizer, "float64")
    origin, moved = record(model, case, drawn), record(model, case, drawn.perturbed(1))
    found = distances(model, case, drawn.perturbed(1), origin).largest
    assert found == {name: np.abs(moved.tensors[name] - a).max() for name, a in origin.tensors.items()}
    assert max(found.values()) > 0


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_verdicts_do_not_depend_on_where_tensors_are_kept(framework: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if reason := missing(framework):
        pytest.skip(reason)
    case = select(all_cases(), ("network/vgg-small/batch3",))[0]
    held = Runner((framework,)).compare(case).discrepancies
    monkeypatch.setattr("comparisons.tensors.SPILLED_FROM", 2)
    spilled = Runner((framework,)).compare(case).discrepancies
    for a, b in zip(held, spilled, strict=True):
        np.testing.assert_equal(a | {"seconds": 0.0}, b | {"seconds": 0.0})
