"""Data before training and training's end: against scikit-learn, tf.image, torch and Keras's early stopping."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scratch import (
    ColourComponents,
    EarlyStopping,
    Normalisation,
    bias_and_variance,
    colour_shift,
    mirror,
    pca_colour,
    random_crop,
    train_dev_test_split,
)

RNG = np.random.default_rng(31)
TRAINING, DEV = 3 + 2 * RNG.standard_normal((50, 4)), RNG.standard_normal((7, 4))
IMAGES = RNG.uniform(0, 1, (5, 6, 8, 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normalisation_is_scikit_learns_standard_scaler(dtype: str) -> None:
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    training, dev = TRAINING.astype(dtype), DEV.astype(dtype)
    training[:, 2] = 0.1
    scaler, ours = preprocessing.StandardScaler().fit(training), Normalisation.of(training)
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    for x in (training, dev):
        wanted = scaler.transform(x)
        assert ours.apply(x).dtype == wanted.dtype == dtype
        np.testing.assert_allclose(ours.apply(x), wanted, rtol=tolerance, atol=tolerance)


def test_normalised_training_set_has_mean_0_and_deviation_1_and_dev_set_only_its_statistics() -> None:
    normalisation = Normalisation.of(TRAINING)
    x = normalisation.apply(TRAINING)
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-14)
    np.testing.assert_allclose(x.std(axis=0), 1, rtol=1e-14)
    assert np.abs(normalisation.apply(DEV).mean(axis=0)).min() > 0.5
    np.testing.assert_allclose(normalisation.undo(normalisation.apply(DEV)), DEV, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-30])
def test_a_feature_that_never_varies_is_not_blown_up(value: float, dtype: str) -> None:
    """The mean of many 0.1 is not 0.1: a deviation of rounding error would turn the difference into a 1."""
    x = np.full((1001, 2), value, dtype)
    x[:, 1] = np.linspace(0, 1, 1001)
    x[::2, 0] = np.nextafter(x[0, 0], np.array(np.inf, dtype), dtype=dtype) if value else 0
    normalised = Normalisation.of(x).apply(x)
    # A sum of m numbers, one after the other, may err by m eps of itself, and so may the mean.
    assert np.abs(normalised[:, 0]).max() <= len(x) * np.finfo(dtype).eps * abs(value)
    np.testing.assert_allclose(normalised[:, 1].std(), 1, rtol=1e-5)


def test_float32_statistics_of_many_examples_keep_their_digits() -> None:
    x = (1000 + np.random.default_rng(0).standard_normal((200_000, 1))).astype(np.float32)
    exact = x.astype(np.float64)
    normalisation = Normalisation.of(x)
    np.testing.assert_allclose(normalisation.mean, exact.mean(axis=0, keepdims=True), rtol=1e-7)
    np.testing.assert_allclose(normalisation.deviation, exact.std(axis=0, keepdims=True), rtol=1e-6)


def test_images_can_have_one_mean_per_channel() -> None:
    normalisation = Normalisation.of(IMAGES, axis=(0, 1, 2))
    assert normalisation.mean.shape == (1, 1, 1, 3)
    np.testing.assert_allclose(normalisation.apply(IMAGES).std(axis=(0, 1, 2)), 1)


@given(m=st.integers(3, 400), dev=st.floats(0, 0.45), test=st.floats(0, 0.45))
def test_split_uses_every_example_once(m: int, dev: float, test: float) -> None:
    if round(dev * m) + round(test * m) >= m:
        return
    parts = train_dev_test_split(np.random.default_rng(m), m, dev, test)
    assert sorted(np.concatenate(parts)) == list(range(m))
    assert [len(part) for part in parts[1:]] == [round(dev * m), round(test * m)]


def test_split_is_shuffled_repeatable_and_refuses_to_leave_nothing() -> None:
    first, again = (train_dev_test_split(np.random.default_rng(5), 1000, 0.01, 0.01) for _ in range(2))
    assert [len(part) for part in first] == [980, 10, 10]
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (np.diff(first[0]) < 0).any()
    with pytest.raises(ValueError, match="train on"):
        train_dev_test_split(np.random.default_rng(), 10, 0.5, 0.5)
    with pytest.raises(ValueError, match="train on"):
        train_dev_test_split(np.random.default_rng(), 2, 0.45, 0.54)


@pytest.mark.parametrize(
    ("train", "dev", "bayes", "start", "larger"),
    [  # the lectures' examples
        (0.01, 0.11, 0.0, "High variance", "variance"),
        (0.15, 0.16, 0.0, "High bias", "bias"),
        (0.15, 0.30, 0.0, "High bias and high variance", ""),
        (0.005, 0.01, 0.0, "Neither bias nor variance is high", ""),
        (0.15, 0.16, 0.15, "Neither bias nor variance is high", "variance"),
        (0.08, 0.10, 0.01, "High bias and high variance", "bias"),
        (0.08, 0.10, 0.075, "High variance", "variance"),
    ],
)
def test_errors_are_read_as_the_course_reads_them(
    train: float, dev: float, bayes: float, start: str, larger: str
) -> None:
    sentence = bias_and_variance(train, dev, bayes)
    assert sentence.startswith(f"{start} (")
    assert (f"the {larger} is the larger" if larger else "both are equally large") in sentence
    assert f"avoidable bias {100 * (train - bayes):.1f} %" in sentence


def test_an_error_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="dev error"):
        bias_and_variance(0.1, 11)


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_mirror_flips_the_chosen_images_as_tensorflow_does(dtype: str) -> None:
    tf = pytest.importorskip("tensorflow")
    images = (255 * IMAGES).astype(dtype)
    flip = np.array([True, False, True, False, False])
    found = mirror(images, flip)
    wanted = np.where(flip[:, None, None, None], tf.image.flip_left_right(images).numpy(), images)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, wanted)
    np.testing.assert_array_equal(mirror(found, flip), images)


def test_crop_cuts_the_windows_that_tensorflow_cuts() -> None:
    tf = pytest.importorskip("tensorflow")
    corners = np.array([[0, 0], [2, 3], [1, 0], [0, 3], [2, 1]])
    found = random_crop(IMAGES, 4, 5, corners)
    for image, window, (top, left) in zip(IMAGES, found, corners, strict=True):
        np.testing.assert_array_equal(window, tf.image.crop_to_bounding_box(image, top, left, 4, 5).numpy())


def test_a_generator_draws_every_window_and_both_sides() -> None:
    rng = np.random.default_rng(0)
    numbered = np.arange(12.0).reshape(1, 3, 4, 1).repeat(600, axis=0)
    tops_left = random_crop(numbered, 2, 3, rng)[:, 0, 0, 0]
    assert set(tops_left) == {0, 1, 4, 5}
    flipped = mirror(numbered, rng)[:, 0, 0, 0] == 3
    assert 240 < flipped.sum() < 360
    np.testing.assert_array_equal(random_crop(numbered, 3, 4, rng), numbered)


def test_windows_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="7 x 5 does not fit into 6 x 8"):
        random_crop(IMAGES, 7, 5, RNG)
    with pytest.raises(ValueError, match="corners"):
        random_crop(IMAGES, 4, 5, np.full((5, 2), 3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_colour_shift_adds_one_number_to_a_channel_of_an_image(dtype: str) -> None:
    images, shift = IMAGES.astype(dtype), RNG.standard_normal((5, 3))
    found = colour_shift(images, shift)
    assert found.dtype == dtype
    wanted = np.broadcast_to(shift[:, None, None], images.shape)
    np.testing.assert_allclose(found - images, wanted, atol=1e-6 if dtype == "float32" else 1e-14)
    drawn = colour_shift(np.zeros((3000, 1, 1, 3)), np.random.default_rng(0), size=0.2)
    assert abs(drawn.std() - 0.2) < 0.01


def coloured(dtype: str = "float64") -> np.ndarray:
    mixing = np.array([[0.5, 0.3, 0.1], [0.0, 0.2, 0.3], [0.0, 0.0, 0.05]])
    return (np.random.default_rng(8).standard_normal((6, 5, 4, 3)) @ mixing).astype(dtype)


def test_colour_components_are_scikit_learns_principal_components_of_the_pixels() -> None:
    """scikit-learn divides by n - 1 and has its own signs."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    pixels = coloured().reshape(-1, 3)
    pca, ours = decomposition.PCA().fit(pixels), ColourComponents.of(coloured())
    n = len(pixels)
    np.testing.assert_allclose(ours.variances, pca.explained_variance_ * (n - 1) / n, rtol=1e-10)
    np.testing.assert_allclose(np.abs((ours.directions * pca.components_.T).sum(axis=0)), 1, rtol=1e-10)
    assert (ours.directions[np.abs(ours.directions).argmax(axis=0), range(3)] > 0).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pca_colour_adds_alpha_lambda_along_each_direction(dtype: str) -> None:
    images = coloured(dtype)
    components = ColourComponents.of(images)
    alpha = np.random.default_rng(1).standard_normal((6, 3))
    found = pca_colour(images, components, alpha)
    assert found.dtype == components.variances.dtype == components.directions.dtype == dtype
    wanted = np.zeros((6, 3))
    for i in range(3):
        wanted += alpha[:, i : i + 1] * components.variances[i] * components.directions[:, i]
    moved = found - images
    np.testing.assert_allclose(moved, np.broadcast_to(wanted[:, None, None], images.shape), atol=1e-6)
    np.testing.assert_array_equal(pca_colour(images, components, np.zeros((6, 3))), images)
    drawn = pca_colour(np.zeros((4000, 1, 1, 3)), ColourComponents.of(coloured()), np.random.default_rng(2), size=0.1)
    along = drawn.reshape(-1, 3) @ ColourComponents.of(coloured()).directions
    np.testing.assert_allclose(along.std(axis=0), 0.1 * ColourComponents.of(coloured()).variances, rtol=0.05)


def test_colours_of_whole_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        colour_shift(np.zeros((1, 2, 2, 3), np.uint8), RNG)


ERRORS = {
    "falls then rises": [0.5, 0.4, 0.3, 0.35, 0.31, 0.32, 0.33, 0.1],
    "always falls": [0.5, 0.4, 0.3, 0.2, 0.1],
    "always rises": [0.1, 0.2, 0.3, 0.4, 0.5],
    "plateau": [0.5, 0.4, 0.4, 0.4, 0.4, 0.4],
    "creeps": [0.5, 0.495, 0.49, 0.485, 0.48, 0.475],
}


@pytest.mark.parametrize("min_delta", [0.0, 0.02])
@pytest.mark.parametrize("patience", [1, 3])
@pytest.mark.parametrize("name", ERRORS)
def test_early_stopping_stops_when_keras_stops_with_the_same_best_epoch(
    name: str, patience: int, min_delta: float
) -> None:
    keras = pytest.importorskip("keras")
    callback = keras.callbacks.EarlyStopping(monitor="dev", mode="min", patience=patience, min_delta=min_delta)
    model = keras.Sequential()
    callback.set_model(model)
    callback.on_train_begin()
    model.stop_training = False
    ours: EarlyStopping[int] = EarlyStopping(patience, min_delta)
    for epoch, error in enumerate(ERRORS[name]):
        callback.on_epoch_end(epoch, {"dev": error})
        assert ours.stop(error, epoch) == model.stop_training
        assert (ours.best_epoch, ours.best_error, ours.best) == (callback.best_epoch, callback.best, ours.best_epoch)
        if model.stop_training:
            break


def test_early_stopping_keeps_a_copy_of_the_best_weights() -> None:
    stopping: EarlyStopping[dict[str, np.ndarray]] = EarlyStopping(patience=2)
    weights = {"W": np.zeros(2)}
    stops = []
    for error in (0.5, 0.3, np.nan, 0.4):
        stops.append(stopping.stop(error, weights))
        weights["W"] += 1
    assert stops == [False, False, False, True]
    assert stopping.best is not None
    np.testing.assert_array_equal(stopping.best["W"], 1)


@pytest.mark.parametrize("values", [{"patience": 0}, {"patience": 1, "min_delta": -0.1}])
def test_early_stopping_refuses_values_without_sense(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=list(values)[-1]):
        EarlyStopping(**values)
