"""The conventions of `reference.conventions.defaults`: that the frameworks do what is said of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from reference.conventions import defaults
from scratch import Embedding, LayerState, MaxPool2D

NAN, INF = math.nan, math.inf
IMAGE = np.array([1.0, NAN, 3.0, 4.0]).reshape(1, 2, 2, 1)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow")


@pytest.fixture
def keras(tf):
    return pytest.importorskip("keras")


def test_torchs_initial_weights(torch) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        linear, lstm, embedding = torch.nn.Linear(400, 300), torch.nn.LSTM(9, 100), torch.nn.Embedding(900, 50)
    for a, bound in ((linear.weight, 1 / 20), (linear.bias, 1 / 20), (lstm.weight_hh_l0, 1 / 10)):
        assert 0.95 * bound < float(a.detach().abs().max()) <= bound
    assert float(embedding.weight.detach().std()) == pytest.approx(1, abs=0.02)


def test_kerass_initial_weights(keras) -> None:
    dense, lstm = keras.layers.Dense(300), keras.layers.LSTM(4)
    dense.build((None, 400))
    lstm.build((None, 5, 3))
    bound = math.sqrt(6 / 700)
    assert 0.95 * bound < np.abs(dense.kernel.numpy()).max() <= bound
    assert not dense.bias.numpy().any()
    np.testing.assert_array_equal(lstm.cell.bias.numpy(), np.repeat([0, 1, 0, 0], 4))


def test_modes_that_nobody_chose(torch, keras) -> None:
    assert torch.nn.BatchNorm1d(2).training
    x = np.random.default_rng(0).standard_normal((50, 4)).astype("float32")
    np.testing.assert_array_equal(keras.layers.Dropout(0.5)(x), x)


def test_keras_computes_float64_in_float32(keras, torch) -> None:
    x = np.ones((2, 3))
    assert keras.config.floatx() == "float32"
    assert keras.layers.Dense(2)(x).dtype == "float32"
    assert keras.losses.MeanSquaredError()(x, x / 3).dtype == "float32"
    with pytest.raises(RuntimeError, match="dtype"):
        torch.nn.Linear(3, 2)(torch.from_numpy(x))


def test_torch_adds_gradients_up(torch, tf) -> None:
    w = torch.ones(1, requires_grad=True)
    for _ in range(2):
        (2 * w).sum().backward()
    assert float(w.grad) == 4
    v = tf.Variable([1.0])
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(2 * v)
        assert float(tape.gradient(loss, v)[0]) == 2


def test_weight_decay_is_l2_in_torchs_adam_and_decoupled_in_kerass(torch, keras) -> None:
    """With the gradient 0, Adam's step on wd w alone has the length alpha; decoupled, w loses the share alpha wd."""
    w = torch.full((1,), 4.0, requires_grad=True)
    w.grad = torch.zeros(1)
    torch.optim.Adam([w], lr=0.1, weight_decay=0.5).step()
    assert w.item() == pytest.approx(4 - 0.1, rel=1e-6)
    v = keras.Variable([4.0])
    keras.optimizers.Adam(0.1, weight_decay=0.5).apply([keras.ops.zeros(1)], [v])
    assert float(v.numpy()[0]) == pytest.approx(4 * (1 - 0.1 * 0.5), rel=1e-6)


def test_keras_reports_a_loss_with_its_penalties(keras) -> None:
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones",
                                                                    kernel_regularizer=keras.regularizers.L2(0.5))])  # fmt: skip
    model.compile(loss="mse", run_eagerly=True)
    x = np.array([[2.0]])
    assert model.evaluate(x, np.array([[1.0]]), verbose=0) == pytest.approx(1 + 0.5)
    assert float(keras.losses.MeanSquaredError()(np.array([[1.0]]), model(x))) == pytest.approx(1)


def test_slopes_at_zero_depend_on_how_relu_is_written(torch, tf) -> None:
    def slope(f) -> float:
        x = torch.zeros(1, requires_grad=True)
        f(x).sum().backward()
        return float(x.grad)

    zero = torch.zeros(1)
    assert [slope(torch.relu), slope(lambda x: torch.maximum(x, zero)), slope(lambda x: x.clamp(min=0))] == [0, 0.5, 1]
    assert slope(torch.nn.LeakyReLU(0.25)) == 0.25
    x = tf.Variable([0.0])
    found = []
    for f in (tf.nn.relu, lambda x: tf.maximum(x, 0.0)):
        with tf.GradientTape() as tape:
            y = f(x)
        found.append(float(tape.gradient(y, x)[0]))
    assert found == [0, 1]


def test_torchs_softmax_takes_the_first_of_three_axes(torch) -> None:
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 4)))
    with pytest.warns(UserWarning, match="Implicit dimension choice"):
        y = torch.nn.Softmax(dim=None)(x)
    np.testing.assert_allclose(y.sum(dim=0), 1)


def test_only_tensorflow_loses_nan_in_a_maximum(torch, tf) -> None:
    assert np.isnan(MaxPool2D(2).forward(IMAGE, LayerState())[0]).all()
    assert torch.nn.MaxPool2d(2)(torch.from_numpy(IMAGE).permute(0, 3, 1, 2)).isnan().all()
    assert tf.nn.max_pool2d(tf.constant(IMAGE), 2, 2, "VALID").numpy().item() == 4
    nothing_else = tf.nn.max_pool2d(tf.constant(np.full((1, 2, 2, 1), NAN)), 2, 2, "VALID")
    assert nothing_else.numpy().item() == -np.finfo("float64").max


def test_torchs_cross_entropy_takes_indices_and_probabilities(torch) -> None:
    z = torch.from_numpy(np.random.default_rng(0).standard_normal((3, 4)))
    labels = torch.tensor([2, 0, 3])
    loss = torch.nn.CrossEntropyLoss()
    assert float(loss(z, labels)) == pytest.approx(float(loss(z, torch.nn.functional.one_hot(labels, 4).double())))


def test_what_becomes_of_a_missing_axis(torch, keras) -> None:
    p, y = np.array([[0.0], [1.0]]), np.array([0.0, 1.0])
    with pytest.warns(UserWarning, match="broadcasting"):
        loss = torch.nn.MSELoss()(torch.from_numpy(p), torch.from_numpy(y))
    assert float(loss) == 0.5
    assert float(keras.losses.MeanSquaredError()(y, p)) == 0


def test_keras_takes_values_before_keys(keras) -> None:
    q, k, v = (np.random.default_rng(i).standard_normal((1, 2, 3)).astype("float32") for i in range(3))
    scores = np.exp(q[0] @ k[0].T)
    wanted = scores / scores.sum(axis=1, keepdims=True) @ v[0]
    np.testing.assert_allclose(np.asarray(keras.layers.Attention()([q, v, k]))[0], wanted, rtol=1e-4)


def test_only_keras_takes_a_negative_token(torch, keras) -> None:
    table = np.arange(6.0).reshape(3, 2)
    with pytest.raises(ValueError, match="from 0 to 2"):
        Embedding(3, 2).forward(np.array([[-1]]), LayerState({"E": table}))
    with pytest.raises(IndexError):
        torch.nn.Embedding(3, 2)(torch.tensor([-1]))
    layer = keras.layers.Embedding(3, 2)
    layer.build()
    layer.set_weights([table])
    np.testing.assert_array_equal(layer(np.array([-1])), table[2:])


def test_clipping_what_is_not_finite(torch, tf, keras) -> None:
    p = torch.zeros(2, requires_grad=True)
    p.grad = torch.tensor([1.0, INF])
    torch.nn.utils.clip_grad_norm_([p], 1.0)
    np.testing.assert_array_equal(p.grad, [0, NAN])
    (clipped,), _ = tf.clip_by_global_norm([tf.constant([1.0, INF])], 1.0)
    assert np.isnan(clipped).all()
    v = keras.Variable([0.0, 0.0])
    keras.optimizers.SGD(1.0, clipnorm=1.0).apply([keras.ops.convert_to_tensor([1.0, INF])], [v])
    np.testing.assert_array_equal(v.numpy(), [0, NAN])


def test_each_has_a_test_here_or_a_case() -> None:
    """`bias-before-batchnorm` is a network among the cases."""
    assert len(defaults.CONVENTIONS) == 15
    assert all(c.kind == "layout" for c in defaults.CONVENTIONS)
