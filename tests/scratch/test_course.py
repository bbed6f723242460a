"""The course's functions: against differences, against the row-wise network, and against the numbers the notes print."""

from __future__ import annotations

import inspect
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from scratch import Adam, Momentum, course

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 6))
Y = RNG.integers(0, 2, (1, 6)).astype(float)
SEED_002_COSTS = [
    0.715731513413713, 0.6747377593469114, 0.6603365433622126, 0.6462887802148751, 0.6298131216927774,
    0.606005622926534, 0.5690041263975134, 0.519796535043806, 0.464157167862823, 0.4084203004829893,
    0.37315499216069026, 0.3057237457304711, 0.26810152847740837, 0.23872474827672668, 0.20632263257914704,
    0.17943886927493605, 0.1579873581880166, 0.14240413012274525, 0.12865165997888856, 0.11244314998164931,
    0.08505631034983409, 0.05758391198617392, 0.044567534546994664, 0.038082751666004236, 0.03441074901842096,
]  # fmt: skip
"""Printed every 100 iterations by the notes' run on the cat images (layers 12288-20-7-5-1, seed 3, rate 0.0075)."""


def parameters(*layers: int) -> dict[str, np.ndarray]:
    drawn = course.initialize_parameters_deep(layers)
    return {name: value if name[0] == "W" else RNG.standard_normal(value.shape) for name, value in drawn.items()}


def test_backward_of_the_deep_network_passes_the_gradient_check() -> None:
    given = parameters(4, 5, 3, 1)
    AL, caches = course.L_model_forward(X, given)
    grads = course.L_model_backward(AL, Y, caches)
    cost = lambda p: float(course.compute_cost(course.L_model_forward(X, p)[0], Y))  # noqa: E731
    difference, _ = course.gradient_check(cost, given, grads)
    assert difference < 1e-7


def test_gradient_check_names_the_wrong_element() -> None:
    given = parameters(4, 3, 1)
    AL, caches = course.L_model_forward(X, given)
    grads = course.L_model_backward(AL, Y, caches)
    grads["dW1"][2, 1] += 0.5
    cost = lambda p: float(course.compute_cost(course.L_model_forward(X, p)[0], Y))  # noqa: E731
    difference, worst = course.gradient_check(cost, given, grads)
    assert difference > 1e-3
    assert worst == "W1[2, 1]"


def three_layers(p: dict[str, np.ndarray]) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    AL, caches = course.L_model_forward(X, p)
    ((_, W1, b1), Z1), ((A1, W2, b2), Z2), ((A2, W3, b3), Z3) = caches
    return AL, (Z1, A1, W1, b1, Z2, A2, W2, b2, Z3, AL, W3, b3)


def test_l2_and_dropout_backward_pass_the_gradient_check() -> None:
    given = parameters(4, 5, 3, 1)
    _, cache = three_layers(given)
    grads = course.backward_propagation_with_regularization(X, Y, cache, lambd=0.7)
    cost = lambda p: float(course.compute_cost_with_regularization(three_layers(p)[0], Y, p, 0.7))  # noqa: E731
    assert course.gradient_check(cost, given, grads)[0] < 1e-7

    masks = (RNG.random((5, 6)) < 0.8, RNG.random((3, 6)) < 0.8)
    _, cache = course.forward_propagation_with_dropout(X, given, 0.8, masks)
    grads = course.backward_propagation_with_dropout(X, Y, cache, 0.8)
    cost = lambda p: float(  # noqa: E731
        course.compute_cost(course.forward_propagation_with_dropout(X, p, 0.8, masks)[0], Y)
    )
    assert course.gradient_check(cost, given, grads)[0] < 1e-7


def test_dropout_keeps_where_rand_is_below_keep_prob() -> None:
    given = parameters(4, 50, 30, 1)
    _, cache = course.forward_propagation_with_dropout(np.tile(X, 30), given, keep_prob=0.9)
    assert cache[1].mean() == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("name", ["sigmoid", "relu", "tanh"])
def test_activation_backward_is_the_derivative(name: str) -> None:
    forward, backward = getattr(course, name), getattr(course, f"{name}_backward")
    Z, dA = RNG.standard_normal((3, 4)), RNG.standard_normal((3, 4))
    numeric = dA * (forward(Z + 1e-6)[0] - forward(Z - 1e-6)[0]) / 2e-6
    np.testing.assert_allclose(backward(dA, forward(Z)[1]), numeric, atol=1e-8)


def test_momentum_and_adam_agree_with_the_row_wise_rules() -> None:
    given = parameters(4, 3, 1)
    grads = {f"d{name}": RNG.standard_normal(value.shape) for name, value in given.items()}
    v, s = course.initialize_adam(given)
    by_momentum, velocity = given, course.initialize_velocity(given)
    by_adam, momentum, adam = given, Momentum(0.1, beta=0.8), Adam(0.1)
    own = {name: (momentum.initial_state(w), adam.initial_state(w)) for name, w in given.items()}
    wanted = {name: (w, w) for name, w in given.items()}
    for t in (1, 2, 3):
        by_momentum, velocity = course.update_parameters_with_momentum(by_momentum, grads, velocity, 0.8, 0.1)
        by_adam, v, s = course.update_parameters_with_adam(by_adam, grads, v, s, t, learning_rate=0.1)
        for name, (a, b) in wanted.items():
            g = grads[f"d{name}"]
            wanted[name] = momentum.update(a, g, own[name][0], t), adam.update(b, g, own[name][1], t)
    for name, (a, b) in wanted.items():
        np.testing.assert_allclose(by_momentum[name], a, rtol=1e-14)
        np.testing.assert_allclose(by_adam[name], b, rtol=1e-12)


def test_vector_and_dictionary_are_inverse() -> None:
    given = parameters(4, 3, 2, 1)
    vector = course.dictionary_to_vector(given)
    assert vector.shape == (sum(value.size for value in given.values()), 1)
    for name, value in course.vector_to_dictionary(vector, given).items():
        np.testing.assert_array_equal(value, given[name])


def test_mini_batches_hold_every_example_once_with_its_label() -> None:
    x = np.arange(20.0).reshape(2, 10)
    batches = course.random_mini_batches(x, x[:1], mini_batch_size=4, seed=3)
    assert [b.shape for b, _ in batches] == [(2, 4), (2, 4), (2, 2)]
    assert sorted(np.concatenate([b[0] for b, _ in batches])) == list(range(10))
    assert all((b[0] == label[0]).all() for b, label in batches)


def test_zeros_keep_all_units_alike_and_large_random_weights_saturate() -> None:
    assert not any(value.any() for value in course.initialize_parameters_zeros((4, 3, 1)).values())
    assert course.initialize_parameters_random((400, 300))["W1"].std() == pytest.approx(10, rel=0.02)
    assert course.initialize_parameters_he((400, 300))["W1"].std() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert course.initialize_parameters(400, 30, 1)["W1"].std() == pytest.approx(0.01, rel=0.02)


def test_saturation_makes_the_courses_cost_nan() -> None:
    assert np.isnan(course.compute_cost(np.array([[1.0, 0.5]]), np.array([[1.0, 0.0]])))


def test_an_unknown_activation_is_named() -> None:
    with pytest.raises(ValueError, match="activation 'swish': known are sigmoid, relu, tanh"):
        course.linear_activation_forward(X, np.ones((3, 4)), np.zeros((3, 1)), "swish")


def test_the_shallow_tanh_network_passes_the_gradient_check_and_learns() -> None:
    given = {"W1": RNG.standard_normal((5, 4)), "b1": RNG.standard_normal((5, 1))}
    given |= {"W2": RNG.standard_normal((1, 5)), "b2": RNG.standard_normal((1, 1))}
    _, cache = course.forward_propagation(X, given)
    grads = course.backward_propagation(given, cache, X, Y)
    cost = lambda p: float(course.compute_cost(course.forward_propagation(X, p)[0], Y))  # noqa: E731
    assert course.gradient_check(cost, given, grads)[0] < 1e-7
    assert {name: g.shape for name, g in grads.items()} == {f"d{name}": w.shape for name, w in given.items()}
    circle = RNG.standard_normal((2, 200))
    inside = (np.square(circle).sum(axis=0, keepdims=True) < 1.4).astype(float)
    trained = course.nn_model(circle, inside, n_h=4, num_iterations=3000)
    right = (course.forward_propagation(circle, trained)[0] > 0.5) == inside
    assert right.mean() > 0.9  # no straight line parts a disc from what is around it


def test_the_courses_check_of_three_layers_tells_right_from_wrong() -> None:
    given = course.initialize_parameters_he((4, 12, 8, 1))
    cost, cache = course.forward_propagation_n(X, Y, given)
    assert float(cost) == pytest.approx(float(course.compute_cost(three_layers(given)[0], Y)), rel=1e-14)
    grads = course.backward_propagation_n(X, Y, cache)
    assert course.gradient_check_n(given, grads, X, Y) < 1e-7
    planted = grads | {"dW2": 2 * grads["dW2"]}  # the exercise's mistake
    assert course.gradient_check_n(given, planted, X, Y) > 1e-2


SIGNATURES = {  # the notes' and the course's own, in their order
    "linear_activation_forward": "A_prev W b activation",
    "L_model_forward": "X parameters",
    "compute_cost": "AL Y",
    "linear_backward": "dZ cache",
    "linear_activation_backward": "dA cache activation=relu",
    "L_model_backward": "AL Y caches",
    "update_parameters": "parameters grads learning_rate",
    "L_layer_model": "X Y layers_dims learning_rate=0.0075 num_iterations=3000 print_cost=False",
    "predict": "X y parameters",
    "initialize_parameters": "n_x n_h n_y",
    "initialize_parameters_he": "layers_dims",
    "initialize_parameters_random": "layers_dims",
    "initialize_parameters_zeros": "layers_dims",
    "sigmoid_backward": "dA cache",
    "relu_backward": "dA cache",
    "compute_cost_with_regularization": "A3 Y parameters lambd",
    "backward_propagation_with_regularization": "X Y cache lambd",
    "backward_propagation_with_dropout": "X Y cache keep_prob",
    "gradient_check_n": "parameters gradients X Y epsilon=1e-07",
    "forward_propagation": "X parameters",
    "backward_propagation": "parameters cache X Y",
    "random_mini_batches": "X Y mini_batch_size=64 seed=0",
    "initialize_velocity": "parameters",
    "update_parameters_with_momentum": "parameters grads v beta learning_rate",
    "update_parameters_with_adam": "parameters grads v s t learning_rate=0.01 beta1=0.9 beta2=0.999 epsilon=1e-08",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_arguments_stand_in_the_courses_order(name: str) -> None:
    given = inspect.signature(getattr(course, name)).parameters.values()
    spelt = (p.name if p.default is inspect.Parameter.empty else f"{p.name}={p.default}" for p in given)
    assert " ".join(spelt) == SIGNATURES[name]


@pytest.fixture(scope="module")
def cats() -> dict[str, np.ndarray]:
    folder = Path(os.environ.get("BACKPROOF_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")
    found = {}
    for part in ("train", "test"):
        path = folder / f"{part}_catvnoncat.h5"
        if not path.exists():
            pytest.skip(f"{path.name} is not ours to ship; set BACKPROOF_DATA to the folder that holds it")
        with h5py.File(path) as file:
            found[f"{part}_x"] = file[f"{part}_set_x"][()].reshape(len(file[f"{part}_set_x"]), -1).T / 255
            found[f"{part}_y"] = file[f"{part}_set_y"][()].reshape(1, -1)
    return found


def test_the_notes_run_on_the_cat_images_is_reproduced_to_1e_10(
    cats: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = [12288, 20, 7, 5, 1]
    trained, costs = course.L_layer_model(cats["train_x"], cats["train_y"], sizes, 0.0075, num_iterations=2500)
    np.testing.assert_allclose(costs, SEED_002_COSTS, rtol=0, atol=1e-10)
    assert (course.predict(cats["train_x"], None, trained) == cats["train_y"]).mean() == 0.9952153110047847
    course.predict(cats["test_x"], cats["test_y"], trained)
    assert capsys.readouterr().out == "Accuracy: 0.78\n"
