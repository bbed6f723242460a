"""One recurrent step against the layers that walk, and against central differences; the hinge loss likewise."""

from __future__ import annotations

import numpy as np
import pytest

from scratch import GRU, LSTM, GRUCell, Hinge, LayerState, LSTMCell, RNNCell, SimpleRNN

STEP, TOLERANCE = 1e-6, 1e-7
Cell = RNNCell | LSTMCell | GRUCell
CELLS: dict[str, Cell] = {
    "rnn": RNNCell(3, 4),
    "lstm": LSTMCell(3, 4),
    "gru": GRUCell(3, 4),
    "gru, reset before": GRUCell(3, 4, reset_after=False),
}
LAYERS: dict[str, SimpleRNN | LSTM | GRU] = {
    "rnn": SimpleRNN(3, 4),
    "lstm": LSTM(3, 4),
    "gru": GRU(3, 4),
    "gru, reset before": GRU(3, 4, reset_after=False),
}


def random_state(cell: Cell, rng: np.random.Generator, dtype: str = "float64") -> LayerState:
    return LayerState({p: rng.standard_normal(s).astype(dtype) for p, s in cell.parameter_shapes().items()})


def central_difference(f, a: np.ndarray) -> np.ndarray:
    gradient = np.empty_like(a)
    for index in np.ndindex(a.shape):
        kept = a[index]
        a[index] = kept + STEP
        above = f()
        a[index] = kept - STEP
        gradient[index] = (above - f()) / (2 * STEP)
        a[index] = kept
    return gradient


@pytest.mark.parametrize("m", [1, 3])
@pytest.mark.parametrize("name", CELLS)
def test_backward_is_the_derivative_of_forward(name: str, m: int) -> None:
    rng, cell = np.random.default_rng(m), CELLS[name]
    state, x = random_state(cell, rng), rng.standard_normal((m, 3 + 4 * cell.states))
    y, cache = cell.forward(x, state)
    upstream = rng.standard_normal(y.shape)
    dx, grads = cell.backward(upstream, state, cache)
    assert y.shape == (m, *cell.output_shape(x.shape[1:]))
    for analytic, a in [(dx, x), *((grads[p], state.params[p]) for p in grads)]:
        numeric = central_difference(lambda: float((cell.forward(x, state)[0] * upstream).sum()), a)
        assert np.abs(analytic - numeric).max() <= TOLERANCE * max(np.abs(numeric).max(), 1.0)


@pytest.mark.parametrize(("name", "layer"), LAYERS.items())
def test_steps_one_after_the_other_are_the_layer(name: str, layer: SimpleRNN | LSTM | GRU) -> None:
    rng, cell = np.random.default_rng(0), CELLS[name]
    state, x = random_state(cell, rng), rng.standard_normal((2, 5, 3))
    memory, outputs = np.zeros((2, 4 * cell.states)), []
    for t in range(5):
        memory, _ = cell.forward(np.hstack([x[:, t], memory]), state)
        outputs.append(memory[:, :4])
    assert np.allclose(np.stack(outputs, axis=1), layer.forward(x, state)[0], rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", CELLS)
def test_a_step_stays_in_float32(name: str) -> None:
    rng, cell = np.random.default_rng(0), CELLS[name]
    state = random_state(cell, rng, "float32")
    y, cache = cell.forward(rng.standard_normal((2, 3 + 4 * cell.states)).astype("float32"), state)
    dx, grads = cell.backward(y, state, cache)
    assert {a.dtype for a in (y, dx, *grads.values())} == {np.dtype("float32")}


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="both sizes must be positive"):
        LSTMCell(3, 0)
    with pytest.raises(ValueError, match="not \\(m, 7\\)"):
        RNNCell(3, 4).forward(np.zeros((2, 3)), random_state(RNNCell(3, 4), np.random.default_rng(0)))


def test_the_hinge_loss_by_hand() -> None:
    # As in CS231n's notes: scores of a cat, a car and a frog, the cat being right.
    J, margins = Hinge().forward(np.array([[3.2, 5.1, -1.7]]), np.array([[1.0, 0.0, 0.0]]))
    assert pytest.approx(2.9) == J
    assert Hinge().backward(np.array([[1.0, 0.0, 0.0]]), margins).tolist() == [[-1, 1, 0]]


def test_the_hinge_gradient_is_the_derivative() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.standard_normal((5, 4)), np.eye(4)[rng.integers(0, 4, 5)]
    _, cache = Hinge().forward(z, y)
    numeric = central_difference(lambda: float(Hinge().forward(z, y)[0]), z)
    assert np.abs(Hinge().backward(y, cache) - numeric).max() < TOLERANCE


def test_the_hinge_loss_wants_one_right_class() -> None:
    with pytest.raises(ValueError, match="one-hot"):
        Hinge().forward(np.zeros((1, 3)), np.array([[0.5, 0.5, 0.0]]))
