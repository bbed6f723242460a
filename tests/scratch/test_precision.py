"""No layer, loss or optimizer changes the precision it is given, the shape it should keep, or an array it does not own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from scratch import (
    Adam,
    BatchNorm,
    Dense,
    Dropout,
    GradientDescent,
    Layer,
    LayerState,
    LeakyReLU,
    Loss,
    Momentum,
    Optimizer,
    ReLU,
    RMSprop,
    Sigmoid,
    Softmax,
    Tanh,
)

DTYPES = st.sampled_from([np.float32, np.float64])
OPTIMIZERS = [GradientDescent(0.1), Momentum(0.1), RMSprop(0.1), Adam(0.1)]


def layers_for(n: int) -> list[Layer]:
    return [
        Dense(n, n + 2),
        Dense(n, 1, bias=False),
        Sigmoid(),
        Tanh(),
        ReLU(),
        LeakyReLU(0.3),
        Softmax(),
        BatchNorm(n),
        Dropout(0.7),
    ]


@st.composite
def inputs(draw: st.DrawFn) -> np.ndarray:
    """Finite (m, n) arrays of both precisions, laid out by rows, by columns, or with holes."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 5)))
    dtype = draw(DTYPES)
    elements = st.floats(-100, 100, width=32)
    x = draw(hnp.arrays(dtype, (2 * shape[0], shape[1]), elements=elements))[::2]
    return draw(st.sampled_from([x, np.asfortranarray(x), np.ascontiguousarray(x), x[::-1]]))


@given(x=inputs(), training=st.booleans(), index=st.integers(0, 8))
def test_layers_keep_dtype_shape_and_their_input(x: np.ndarray, training: bool, index: int) -> None:
    layer = layers_for(x.shape[1])[index]
    params = {n: np.full(s, 0.5, x.dtype) for n, s in layer.parameter_shapes().items()}
    buffers = {n: a.astype(x.dtype) for n, a in layer.initial_buffers().items()}
    state = LayerState(params, buffers, training, np.ones(x.shape, dtype=bool))
    before = x.copy()
    y, cache = layer.forward(x, state)
    dx, grads = layer.backward(np.ones_like(y), state, cache)
    assert y.dtype == dx.dtype == x.dtype
    assert dx.shape == x.shape
    assert {n: (g.shape, g.dtype) for n, g in grads.items()} == {n: (p.shape, p.dtype) for n, p in params.items()}
    assert all(b.dtype == x.dtype for b in state.buffers.values())
    np.testing.assert_array_equal(x, before)


@given(x=inputs(), index=st.integers(0, 8))
def test_the_layout_in_memory_changes_nothing(x: np.ndarray, index: int) -> None:
    layer = layers_for(x.shape[1])[index]
    rng = np.random.default_rng(0)
    params = {n: rng.standard_normal(s).astype(x.dtype) for n, s in layer.parameter_shapes().items()}
    state = LayerState(params, {n: a.astype(x.dtype) for n, a in layer.initial_buffers().items()}, False)
    strided, _ = layer.forward(x, state)
    packed, _ = layer.forward(np.ascontiguousarray(x), state)
    np.testing.assert_allclose(
        strided, packed, rtol=1e-5 if x.dtype == np.float32 else 1e-13, atol=1e-3 * np.finfo(x.dtype).eps
    )


@pytest.mark.parametrize("name", Loss.kinds)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_keep_dtype(name: str, dtype: type) -> None:
    loss = Loss.kinds[name]()
    prediction, target = np.full((3, 2), 0.25, dtype), np.eye(2, dtype=dtype)[[0, 1, 0]]
    cost, cache = loss.forward(prediction, target)
    assert cost.dtype == loss.backward(target, cache).dtype == loss.probabilities(prediction).dtype == dtype


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_optimizers_keep_dtype_and_leave_their_arguments_alone(optimizer: Optimizer, dtype: type) -> None:
    w, g = np.ones((2, 3), dtype), np.full((2, 3), 0.5, dtype)
    state = optimizer.initial_state(w)
    for t in (1, 2, 3):
        moved = optimizer.update(w, g, state, t)
        assert moved.dtype == dtype
        assert all(a.dtype == dtype for a in state.values())
    assert (w == 1).all()
    assert (g == 0.5).all()


@given(z=hnp.arrays(np.float64, 5, elements=st.floats(-1e300, 1e300)))
def test_sigmoid_and_softmax_never_overflow(z: np.ndarray) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        s, _ = Sigmoid().forward(z, LayerState())
        p, _ = Softmax().forward(z[None], LayerState())
    assert ((s >= 0) & (s <= 1)).all()
    assert abs(p.sum() - 1) < 1e-12
