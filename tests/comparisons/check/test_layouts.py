"""Layouts and arrangements lead there and back, and places in objects are found, set and told apart."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from comparisons.check.layouts import CHW, COLUMN, COLUMNS, HW, HWCM, MNT, NCHW, TMN, VECTOR, Layout, arrangements
from comparisons.check.members import changed, is_gradient, label, places, put, snapshot, speaks_of

SHAPES = st.lists(st.integers(2, 5), min_size=1, max_size=4, unique=True).map(tuple)


@given(SHAPES, st.data())
def test_every_arrangement_leads_back(shape: tuple[int, ...], data: st.DataObject) -> None:
    user = tuple(data.draw(st.permutations(shape)))
    found = arrangements(shape, user)
    if len(shape) < 4:
        assert found
    a = np.random.default_rng(0).standard_normal(shape)
    for way in found:
        there = way.there(a)
        assert there.shape == user
        np.testing.assert_array_equal(way.back(there), a)


def test_axes_of_length_one_may_be_more_or_less() -> None:
    (way,) = arrangements((3,), (1, 3))
    np.testing.assert_array_equal(way.back(np.array([1.0, 2.0, 3.0])), [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(way.there(np.array([1.0, 2.0, 3.0])), [[1.0, 2.0, 3.0]])


def test_what_has_another_shape_stays_as_it_is() -> None:
    (way,) = arrangements((3, 4), (4, 3))
    wrong = np.zeros((3, 4))
    assert way.back(wrong) is wrong


def test_a_bias_of_every_position_is_summed() -> None:
    (way,) = arrangements((4,), (4, 7, 9))
    assert way.there(np.arange(4.0)).shape == (4, 7, 9)
    np.testing.assert_array_equal(way.back(np.ones((4, 7, 9))), np.full(4, 63.0))


def test_layouts_lead_back() -> None:
    sizes: dict[Layout, tuple[int, ...]] = {
        COLUMNS: (6, 5), COLUMN: (1, 5), VECTOR: (1, 5), NCHW: (6, 5, 4, 3), HWCM: (6, 5, 4, 3), CHW: (1, 5, 4, 3), HW: (1, 5, 4, 1),
        MNT: (6, 5, 4), TMN: (6, 5, 4),
    }  # fmt: skip
    for layout, shape in sizes.items():
        a = np.random.default_rng(1).standard_normal(shape)
        there = layout.there(a)
        assert there.shape == layout.shape(shape), layout.name
        np.testing.assert_array_equal(layout.back(there), a, err_msg=layout.name)


def test_an_array_that_is_held_twice_is_set_in_both_places() -> None:
    w = np.zeros((2, 3))
    layer = SimpleNamespace(W=w, params={"W": w, "b": np.zeros(3)}, name="dense")
    assert {label(p) for p in places(layer)} == {"W", "params['W']", "params['b']"}
    put(layer, (("attribute", "W"),), np.ones((2, 3)))
    assert layer.params["W"] is layer.W
    assert layer.W.all()


def test_gradients_are_told_by_their_names() -> None:
    for name in ("dW", "dweights", "grad_W", "weights_gradient", "W_grad", "d_bias", "db1", "dgamma"):
        assert is_gradient((("attribute", name),)), name
    for name in ("W", "weights", "dense_w", "b", "bias", "beta", "depth"):
        assert not is_gradient((("attribute", name),)), name
    assert speaks_of((("attribute", "gradients"), ("item", "W")), ("w",))
    assert speaks_of((("attribute", "weights_gradient"),), ("weights",))


def test_what_changed_is_seen_also_in_place() -> None:
    layer = SimpleNamespace(grads=[np.zeros(3), np.zeros(2)])
    before = snapshot(layer)
    layer.grads[0][...] = 1
    layer.output = np.ones(4)
    assert {label(p) for p in changed(layer, before)} == {"grads[0]", "output"}
