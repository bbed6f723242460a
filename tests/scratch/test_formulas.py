"""Optimizers, losses and batch norm against numbers worked out by hand, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from scratch import (
    L2,
    Adam,
    Batch,
    BatchNorm,
    BinaryCrossEntropy,
    BinaryCrossEntropyFromLogits,
    Dense,
    Dropout,
    GradientDescent,
    LayerState,
    LeakyReLU,
    MeanSquaredError,
    Momentum,
    Network,
    RMSprop,
    SoftmaxCrossEntropy,
    Tanh,
    Trainer,
    Weights,
    architecture,
    dropout_mask,
    initial_weights,
    minibatches,
)


def two_steps(optimizer, g1: float, g2: float) -> list[float]:
    w, state = np.array([1.0]), optimizer.initial_state(np.array([1.0]))
    first = optimizer.update(w, np.array([g1]), state, 1)
    return [float(first[0]), float(optimizer.update(first, np.array([g2]), state, 2)[0])]


def test_gradient_descent_by_hand() -> None:
    assert two_steps(GradientDescent(0.5), 0.2, -0.4) == pytest.approx([0.9, 1.1])


def test_momentum_by_hand() -> None:
    # v1 = 0.1 * 2 = 0.2; v2 = 0.9 * 0.2 + 0.1 * 4 = 0.58
    assert two_steps(Momentum(0.5, beta=0.9), 2.0, 4.0) == pytest.approx([1 - 0.1, 1 - 0.1 - 0.29])


def test_rmsprop_by_hand() -> None:
    # s1 = 0.1 * 4 = 0.4; s2 = 0.36 + 0.1 * 1 = 0.46
    first = 1 - 0.5 * 2 / (math.sqrt(0.4) + 0.01)
    expected = [first, first - 0.5 * 1 / (math.sqrt(0.46) + 0.01)]
    assert two_steps(RMSprop(0.5, beta=0.9, epsilon=0.01), 2.0, 1.0) == pytest.approx(expected, rel=1e-15)


def test_adam_by_hand() -> None:
    # t = 1: v^ = g, s^ = g^2. t = 2: v^ = (0.9*0.1*2 + 0.1*1)/0.19, s^ = (0.99*0.01*4 + 0.01*1)/(1 - 0.99^2)
    first = 1 - 0.5 * 2 / (2 + 0.01)
    v_hat, s_hat = 0.28 / 0.19, 0.0496 / (1 - 0.99**2)
    expected = [first, first - 0.5 * v_hat / (math.sqrt(s_hat) + 0.01)]
    assert two_steps(Adam(0.5, 0.9, 0.99, epsilon=0.01), 2.0, 1.0) == pytest.approx(expected, rel=1e-14)


def test_costs_are_summed_over_outputs_and_divided_by_the_examples() -> None:
    target = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert MeanSquaredError().forward(target + 2, target)[0] == pytest.approx(4 * 4 / (2 * 2))
    assert BinaryCrossEntropy().forward(np.full((2, 2), 0.5), target)[0] == pytest.approx(4 * math.log(2) / 2)
    assert BinaryCrossEntropyFromLogits().forward(np.zeros((2, 2)), target)[0] == pytest.approx(4 * math.log(2) / 2)
    assert SoftmaxCrossEntropy().forward(np.zeros((2, 2)), target)[0] == pytest.approx(math.log(2))


def test_cross_entropy_from_logits_survives_saturation() -> None:
    z, y = np.array([[800.0], [-800.0]]), np.array([[0.0], [0.0]])
    cost, cache = BinaryCrossEntropyFromLogits().forward(z, y)
    assert cost == 400
    np.testing.assert_array_equal(BinaryCrossEntropyFromLogits().backward(y, cache), [[0.5], [0.0]])


def test_cross_entropy_of_certain_probabilities() -> None:
    certain = np.array([[0.0], [1.0]])
    right, _ = BinaryCrossEntropy().forward(certain, certain)
    wrong, _ = BinaryCrossEntropy().forward(certain, 1 - certain)
    assert right == 0
    assert wrong == np.inf


def test_batchnorm_moves_its_averages_in_training_only() -> None:
    x, layer = np.array([[1.0], [3.0]]), BatchNorm(1, momentum=0.75)
    state = LayerState({"gamma": np.ones(1), "beta": np.zeros(1)}, layer.initial_buffers(), training=True)
    layer.forward(x, state)
    assert state.buffers["running_mean"] == 0.25 * 2
    assert state.buffers["running_var"] == 0.75 + 0.25 * 1
    state.training = False
    y, _ = layer.forward(x, state)
    np.testing.assert_allclose(y, (x - 0.5) / np.sqrt(1 + 1e-5), rtol=1e-15)
    assert state.buffers["running_mean"] == 0.5


def test_dropout_scales_what_it_keeps_and_vanishes_in_evaluation() -> None:
    x, mask = np.array([[1.0, 2.0]]), np.array([[True, False]])
    np.testing.assert_array_equal(Dropout(0.5).forward(x, LayerState(training=True, mask=mask))[0], [[2.0, 0.0]])
    np.testing.assert_array_equal(Dropout(0.5).forward(x, LayerState())[0], x)


def test_l2_penalty_and_gradient() -> None:
    w = np.array([[1.0, -2.0]])
    assert L2(0.6).penalty([w, w], m=3) == pytest.approx(0.6 / 6 * 10)
    np.testing.assert_allclose(L2(0.6).gradient(w, m=3), 0.2 * w)


def test_zero_initialisation_never_breaks_the_symmetry() -> None:
    rng = np.random.default_rng(0)
    arch = architecture(Dense(3, 4), Tanh(), Dense(4, 1), loss=BinaryCrossEntropyFromLogits())
    network = Network(arch, initial_weights(arch, rng, "zeros"))
    trainer = Trainer(network, Adam(0.1))
    x, y = rng.standard_normal((8, 3)), rng.integers(0, 2, (8, 1)).astype(float)
    list(trainer.fit([Batch(x, y)] * 5))
    w = network.states["dense1"].params["W"]
    assert (w == w[:, :1]).all()


@pytest.mark.parametrize(
    ("name", "deviation"), [("he", math.sqrt(2 / 400)), ("xavier", math.sqrt(1 / 400)), ("small_random", 0.01)]
)
def test_initialisers_have_their_standard_deviation(name: str, deviation: float) -> None:
    arch = architecture(Dense(400, 300))
    w = initial_weights(arch, np.random.default_rng(1), name).params["dense1"]["W"]
    assert w.std() == pytest.approx(deviation, rel=0.01)  # 3.5 standard errors of 120,000 draws
    assert abs(w.mean()) < 4 * deviation / math.sqrt(w.size)


def test_training_learns() -> None:
    rng = np.random.default_rng(0)
    arch = architecture(Dense(2, 8), Tanh(), Dense(8, 1), loss=BinaryCrossEntropyFromLogits())
    network = Network(arch, initial_weights(arch, rng))
    x = rng.standard_normal((64, 2))
    y = (x[:, :1] * x[:, 1:] > 0).astype(float)
    batches = [Batch(x[i], y[i]) for _ in range(150) for i in minibatches(rng, 64, 16)]
    losses = [float(p.loss) for p in Trainer(network, Adam(0.02)).fit(batches) if p.loss is not None]
    assert losses[-1] < 0.3 * losses[0]
    assert ((network.predict(x) > 0.5) == (y > 0.5)).mean() > 0.95


def test_minibatches_hold_every_index_once_and_keep_the_short_last_one() -> None:
    batches = minibatches(np.random.default_rng(0), 10, 4)
    assert [len(b) for b in batches] == [4, 4, 2]
    assert sorted(np.concatenate(batches)) == list(range(10))


def test_dropout_mask_keeps_the_asked_for_share() -> None:
    mask = dropout_mask(np.random.default_rng(0), (200, 200), 0.8)
    assert mask.dtype == bool
    assert mask.mean() == pytest.approx(0.8, abs=0.01)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Dense(0, 3), "must be positive"),
        (lambda: BatchNorm(3, momentum=1.0), r"\[0, 1\)"),
        (lambda: BatchNorm(3, epsilon=-1.0), "must not be negative"),
        (lambda: Dropout(0.0), r"\(0, 1\]"),
        (lambda: LeakyReLU(1.5), "slope"),
        (lambda: Adam(0.1, beta1=1.0), "beta1"),
        (lambda: L2(-1.0), "must not be negative"),
        (lambda: GradientDescent(-1.0), "learning_rate"),
        (lambda: minibatches(np.random.default_rng(0), 3, 0), "must be positive"),
        (lambda: initial_weights(architecture(Dense(1, 1)), np.random.default_rng(0), "glorot"), "known are zeros"),
    ],
)
def test_nonsense_is_refused_by_name(build, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_a_target_of_another_shape_is_not_broadcast() -> None:
    with pytest.raises(ValueError, match=r"target \(3,\)"):
        MeanSquaredError().forward(np.zeros((3, 1)), np.zeros(3))


def test_weights_that_do_not_fit_change_nothing() -> None:
    rng = np.random.default_rng(0)
    arch = architecture(Dense(3, 2), BatchNorm(2))
    network = Network(arch, initial_weights(arch, rng))
    before = network.weights()
    good = initial_weights(arch, rng)
    broken = [
        Weights({"dense1": good.params["dense1"]}, good.buffers),
        Weights(good.params | {"dense9": {"W": np.zeros(1)}}, good.buffers),
        Weights(good.params | {"dense1": {"W": np.zeros((2, 3)), "b": np.zeros(2)}}, good.buffers),
        Weights(good.params, {}),
    ]
    for weights in broken:
        with pytest.raises(ValueError, match=r"missing|no such|shape"):
            network.load(weights)
    for name, a in before.params["dense1"].items():
        np.testing.assert_array_equal(network.weights().params["dense1"][name], a)
