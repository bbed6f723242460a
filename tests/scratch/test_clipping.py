"""Clipping: what it promises, and what torch and TensorFlow do, with torch's 1e-6 in the denominator."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scratch import clip_by_global_norm, clip_by_norm, clip_by_value
from scratch.weights import Arrays, flatten

DTYPES = ["float32", "float64"]
TOLERANCE = {"float32": 5e-6, "float64": 1e-12}


def gradients(dtype: str) -> Arrays:
    rng = np.random.default_rng(6)
    return {
        "dense1": {"W": rng.standard_normal((4, 3)).astype(dtype), "b": rng.standard_normal(3).astype(dtype)},
        "dense2": {"W": 10 * rng.standard_normal((3, 2)).astype(dtype)},
    }


@given(
    g=hnp.arrays(np.float64, hnp.array_shapes(max_dims=3), elements=st.floats(-1e3, 1e3)),
    limit=st.floats(1e-3, 1e3),
)
def test_norm_ends_at_the_limit_or_the_gradient_stays_as_it_is(g: np.ndarray, limit: float) -> None:
    clipped, norm = clip_by_norm(g, limit), np.linalg.norm(g)
    if norm <= limit * (1 - 1e-12):
        np.testing.assert_array_equal(clipped, g)
    else:
        np.testing.assert_allclose(np.linalg.norm(clipped), min(norm, limit), rtol=1e-12)
        # Subnormal elements have fewer digits than the tolerance asks for.
        np.testing.assert_allclose(clipped * (norm / min(norm, limit)), g, rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtype_and_shape_stay_and_arguments_are_left_alone(dtype: str) -> None:
    grads, kept = gradients(dtype), gradients(dtype)
    clipped, norm = clip_by_global_norm(grads, 0.5)
    assert isinstance(norm, float)
    for name, g in flatten(grads):
        layer, p = name.split(".")
        np.testing.assert_array_equal(g, kept[layer][p])
        for result in (clipped[layer][p], clip_by_norm(g, 0.5), clip_by_norm(g, 1e9), clip_by_value(g, 0.5)):
            assert (result.dtype, result.shape) == (g.dtype, g.shape)
            assert not np.shares_memory(result, g)


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 1e30), ("float32", 1e-30), ("float64", 1e200), ("float64", 1e-200)]
)
def test_squares_neither_overflow_nor_vanish(dtype: str, size: float) -> None:
    g = (size * np.array([3.0, 4.0])).astype(dtype)
    np.testing.assert_allclose(clip_by_norm(g, size), size * np.array([0.6, 0.8]), rtol=1e-6)
    assert clip_by_global_norm({"dense1": {"W": g}}, size)[1] == pytest.approx(5 * size, rel=1e-6)


def test_the_smallest_float32_numbers_have_a_norm() -> None:
    tiny = np.full(4, 1e-44, np.float32)
    assert clip_by_global_norm({"dense1": {"W": tiny}}, 1.0)[1] == pytest.approx(2 * float(tiny[0]), rel=1e-6)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_is_not_finite_makes_all_nan_by_norm(bad: float) -> None:
    g = np.array([1.0, bad])
    assert np.isnan(clip_by_norm(g, 1.0)).all()
    clipped, norm = clip_by_global_norm({"dense1": {"W": g, "b": np.ones(2)}}, 1.0)
    assert not np.isfinite(norm)
    assert all(np.isnan(a).all() for _, a in flatten(clipped))


def test_zero_gradients_and_no_gradients_stay() -> None:
    np.testing.assert_array_equal(clip_by_norm(np.zeros(3), 1.0), 0)
    np.testing.assert_array_equal(clip_by_norm(np.ones(3), 0.0), 0)
    assert clip_by_global_norm({}, 1.0) == ({}, 0.0)
    assert clip_by_norm(np.zeros((0, 2)), 1.0).shape == (0, 2)


@pytest.mark.parametrize("clip", [clip_by_value, clip_by_norm])
def test_a_negative_limit_is_refused(clip) -> None:
    with pytest.raises(ValueError, match="negative"):
        clip(np.ones(2), -1.0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", [0.5, 3.0, 1e3])
def test_torch_clips_by_value_alike_and_by_norm_alike_but_for_its_1e_6(limit: float, dtype: str) -> None:
    """torch: g min(1, c / (n + 1e-6)). That is shorter by 1e-6 / n, and begins to clip at n = c - 1e-6."""
    torch = pytest.importorskip("torch")
    grads = gradients(dtype)
    ours, norm = clip_by_global_norm(grads, limit)

    def parameters() -> dict[str, object]:
        made = {
            name: torch.zeros(g.shape, dtype=getattr(torch, dtype), requires_grad=True) for name, g in flatten(grads)
        }
        for name, g in flatten(grads):
            made[name].grad = torch.tensor(g)
        return made

    together = parameters()
    found = torch.nn.utils.clip_grad_norm_(together.values(), limit)
    assert float(found) == pytest.approx(norm, rel=TOLERANCE[dtype])
    # Undone, torch's epsilon leaves nothing but rounding.
    undo = (norm + 1e-6) / norm if norm > limit else 1.0
    for name, wanted in flatten(ours):
        np.testing.assert_allclose(together[name].grad.numpy() * undo, wanted, rtol=TOLERANCE[dtype])
    alone = parameters()
    torch.nn.utils.clip_grad_value_(alone.values(), limit)
    for name, g in flatten(grads):
        np.testing.assert_array_equal(alone[name].grad.numpy(), clip_by_value(g, limit))


def test_torchs_1e_6_is_seen_in_float64() -> None:
    torch = pytest.importorskip("torch")
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor([3.0, 4.0], dtype=torch.float64)
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    off = w.grad.numpy() / clip_by_norm(np.array([3.0, 4.0]), 1.0) - 1
    np.testing.assert_allclose(off, -1e-6 / 5, rtol=1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("limit", [0.5, 3.0, 1e3])
def test_tensorflow_clips_alike_by_value_norm_and_global_norm(limit: float, dtype: str) -> None:
    tf = pytest.importorskip("tensorflow")
    grads = gradients(dtype)
    arrays = [g for _, g in flatten(grads)]
    wanted, norm = clip_by_global_norm(grads, limit)
    found, found_norm = tf.clip_by_global_norm([tf.constant(g) for g in arrays], limit)
    assert float(found_norm) == pytest.approx(norm, rel=TOLERANCE[dtype])
    for tensor, (_, a) in zip(found, flatten(wanted), strict=True):
        np.testing.assert_allclose(tensor.numpy(), a, rtol=TOLERANCE[dtype])
    for g in arrays:
        by_norm = tf.clip_by_norm(tf.constant(g), limit).numpy()
        np.testing.assert_allclose(by_norm, clip_by_norm(g, limit), rtol=TOLERANCE[dtype])
        by_value = tf.clip_by_value(tf.constant(g), -limit, limit).numpy()
        np.testing.assert_array_equal(by_value, clip_by_value(g, limit))


def test_tensorflow_too_makes_all_nan_of_an_infinite_global_norm_while_torch_keeps_zeros() -> None:
    tf, torch = pytest.importorskip("tensorflow"), pytest.importorskip("torch")
    g = np.array([1.0, np.inf])
    assert np.isnan(tf.clip_by_global_norm([tf.constant(g)], 1.0)[0][0].numpy()).all()
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    w.grad = torch.tensor(g)
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    np.testing.assert_array_equal(w.grad.numpy(), [0, np.nan])
