"""Kinks: what rounding decides raises no alarm, and nothing else is excused by it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparisons.case import Case
from comparisons.discrepancy import Kink, judge
from comparisons.kinks import crossings, decisive, drivers, inherits
from comparisons.plan import plan
from comparisons.runner import Judged, ReferenceTraces
from comparisons.subject import ScratchModel
from comparisons.trace import Distances, record
from scratch import (
    Conv2D,
    Dense,
    Flatten,
    GlobalMaxPool2D,
    GradientDescent,
    LayerState,
    MaxPool2D,
    ReLU,
    SoftmaxCrossEntropy,
    architecture,
)

ARCH = architecture(Conv2D(2, 3, 2), MaxPool2D(2), Flatten(), Dense(12, 4), ReLU(), loss=SoftmaxCrossEntropy())


@given(
    size=st.integers(1, 3), stride=st.integers(1, 3), h=st.integers(3, 6), w=st.integers(3, 6), seed=st.integers(0, 99)
)
def test_a_margin_is_what_an_element_can_lose_or_gain_before_the_gradient_moves(
    size: int, stride: int, h: int, w: int, seed: int
) -> None:
    """Moved by less than its margin, an element keeps the gradient that it had or lacked."""
    rng = np.random.default_rng(seed)
    layer, x = MaxPool2D(size, stride), rng.standard_normal((1, h, w, 1))
    margins = layer.decisive(x)
    assert margins.shape == x.shape

    def attained(z: np.ndarray) -> np.ndarray:
        y, cache = layer.forward(z, LayerState())
        return layer.backward(np.ones_like(y), LayerState(), cache)[0]

    before = attained(x)
    index = np.unravel_index(rng.integers(x.size), x.shape)
    if size == 1 or not np.isfinite(margins[index]):
        return
    for share, stays in ((0.999, True), (1.001, False)):
        moved = x.copy()
        moved[index] -= share * margins[index]
        assert (attained(moved)[index] == before[index]) == stays


def test_exact_ties_have_no_margin_and_elements_outside_of_all_windows_an_infinite_one() -> None:
    x = np.zeros((1, 3, 3, 1))
    np.testing.assert_array_equal(
        MaxPool2D(2).decisive(x)[0, :, :, 0], [[0, 0, np.inf], [0, 0, np.inf], [np.inf, np.inf, np.inf]]
    )
    x = np.arange(6.0).reshape(1, 2, 3, 1)
    np.testing.assert_array_equal(GlobalMaxPool2D().decisive(x)[0, :, :, 0], [[-5, -4, -3], [-2, -1, 1]])


def test_every_recorded_pass_has_its_kinks() -> None:
    names = ["grad/relu1.input", "grad/dense1.input", "step1/grad/maxpool2d1.input", "forward/relu1", "loss"]
    assert drivers(ARCH, names) == {
        "grad/relu1.input": "forward/dense1",
        "step1/grad/maxpool2d1.input": "step1/forward/conv2d1",
    }
    assert drivers(architecture(ReLU(), Dense(2, 2)), ["grad/relu1.input"]) == {}  # nobody computes its input


@pytest.mark.parametrize(
    ("name", "crossed", "expected"),
    [
        ("grad/conv2d1.W", "grad/maxpool2d1.input", True),
        ("grad/conv2d1.input", "grad/relu1.input", True),
        ("grad/maxpool2d1.input", "grad/maxpool2d1.input", False),  # there the elements themselves are left out
        ("grad/dense1.W", "grad/maxpool2d1.input", False),
        ("grad/loss.input", "grad/relu1.input", False),
        ("forward/dense1", "grad/relu1.input", False),
        ("step1/param/dense1.W", "grad/relu1.input", True),
        ("step1/evaluation/dense1", "grad/relu1.input", True),
        ("step1/forward/conv2d1", "grad/relu1.input", True),
        ("step1/param/dense1.W", "step1/grad/relu1.input", False),
        ("step2/param/dense1.W", "step1/grad/relu1.input", True),
        ("trajectory/loss", "grad/relu1.input", True),
    ],
)
def test_what_comes_after_a_crossed_kink_inherits(name: str, crossed: str, expected: bool) -> None:
    assert inherits(ARCH, name, crossed) is expected


def test_only_sides_changed_within_the_noise_are_crossings() -> None:
    reference = np.array([1e-16, 1e-16, 1e-16, 0.5, 0.0])
    subject = np.array([-1e-16, 2e-16, -0.5, -0.5, 0.0])
    assert crossings(Kink(subject, reference, noise=1e-17)) == 1


def judged(flip: float) -> Judged:
    """Two runs of one network, between which the maximum of one window has moved to another element, by `flip`."""
    case = Case("network/test/kink", ARCH, (2,), (5, 5, 2), optimizer=GradientDescent(0.1), recorded_steps=(1,))
    drawn = plan(case)
    reference = record(ScratchModel(ARCH, case.optimizer, "float64"), case, drawn)
    subject = record(ScratchModel(ARCH, case.optimizer, "float64"), case, drawn)
    z = reference.tensors["forward/conv2d1"].copy()
    z[0, 0, 0, 0], z[0, 0, 1, 0] = 50.0, 50.0 - flip
    reference.tensors["forward/conv2d1"] = z
    z = z.copy()
    z[0, 0, 1, 0] = 50.0 + flip
    subject.tensors["forward/conv2d1"] = z
    common = {"case": case.id, "reference": "torch"}
    return Judged(case, drawn, common, ReferenceTraces(reference, Distances(), Distances(), ()), subject, subject)


def test_a_maximum_that_rounding_decides_excuses_what_follows_and_a_clear_one_does_not() -> None:
    for flip, verdict in ((1e-14, "vacuous"), (1e-3, "mismatch")):
        j = judged(flip)
        g = j.traces.r64.tensors["grad/conv2d1.W"]
        row = j.excused(j.row("grad/conv2d1.W", g + 1, "float64", 1e-16, None))
        assert row["verdict"] == verdict, flip
        assert ("2 of grad/maxpool2d1.input" in row["diagnosis"]) == (verdict == "vacuous")
        row = j.excused(j.row("grad/dense1.W", j.traces.r64.tensors["grad/dense1.W"] + 1, "float64", 1e-16, None))
        assert row["verdict"] == "mismatch"  # the gradient has not yet come to the maximum
        row = j.excused(j.row("grad/conv2d1.W", g[..., :2], "float64", 1e-16, None))
        assert row["verdict"] == "mismatch"  # a wrong shape is nothing that rounding decides


def test_the_gradient_of_a_maximum_that_rounding_decides_is_left_out_where_it_moved() -> None:
    j = judged(1e-14)
    kink = j.kink("grad/maxpool2d1.input", "float64")
    assert kink is not None
    r = j.traces.r64.tensors["grad/maxpool2d1.input"]
    s = r.copy()
    s[0, 0, 0, 0], s[0, 0, 1, 0] = 7.0, -7.0
    row = judge(s, r, "float64", 1e-17, kink=kink)
    assert (row["verdict"], row["kinks"]) == ("match", 2)
    s[0, 3, 3, 1] += 1e-3
    assert judge(s, r, "float64", 1e-17, kink=kink)["verdict"] == "mismatch"


def test_what_decides_is_the_layers_own_or_the_tensor_itself() -> None:
    z = np.random.default_rng(0).standard_normal((2, 4, 4, 3))
    assert decisive(ARCH, "grad/relu1.input", z) is z
    assert decisive(ARCH, "step1/evaluation/correct", z) is z
    np.testing.assert_array_equal(decisive(ARCH, "grad/maxpool2d1.input", z), MaxPool2D(2).decisive(z))
