"""What comes before and around training: splitting and normalising data, more data from little, reading errors, stopping.

Sources: Ng, Improving Deep Neural Networks, week 1 (splits, normalisation, bias and variance, early stopping); Structuring
Machine Learning Projects, week 1 (avoidable bias); Convolutional Neural Networks, week 2 (augmentation).

Derivation of PCA colour. Let C = 1/n sum (p - mean)(p - mean)^T be the covariance of all pixels' colours, C = V diag(lambda) V^T
(Krizhevsky, Sutskever & Hinton 2012). To every pixel of an image the same V (alpha * lambda) is added, alpha drawn once per
image: colours move most along the direction in which the set's own colours differ most, as they do in another light.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

from scratch.layer import Array, require

Draw = np.random.Generator | Array
"""Either the drawn values themselves or the generator to draw them from."""
Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Normalisation:
    """(x - mean) / deviation, with the statistics of the training set for every set.

    Attributes
    ----------
    mean, deviation : ndarray
        Shaped to broadcast against x.
    """

    mean: Array
    deviation: Array

    @classmethod
    def of(cls, training: Array, axis: int | tuple[int, ...] = 0) -> Normalisation:
        """The statistics of a training set.

        Parameters
        ----------
        training : ndarray of shape (m, ...)
        axis : int or tuple of int
            What is averaged over: the examples, or for one mean per channel of images (0, 1, 2).

        Notes
        -----
        The deviation is that of the set, 1/m. Where a feature is the same in all examples, but for rounding, it is 1:
        dividing by 0, or by the rounding error of the mean, would make noise of nothing.
        """
        require(training.size > 0, "there is no training example to take the mean of")
        # Sums over many float32 examples lose digits; these are rounded once, at the end.
        mean = training.mean(axis, dtype=np.float64, keepdims=True)
        deviation = training.std(axis, dtype=np.float64, keepdims=True)
        low, high = training.min(axis, keepdims=True), training.max(axis, keepdims=True)
        constant = high - low <= 4 * np.finfo(training.dtype).eps * np.maximum(np.abs(low), np.abs(high))
        return cls(mean.astype(training.dtype), np.where(constant, 1, deviation).astype(training.dtype))

    def apply(self, x: Array) -> Array:
        """The normalised set."""
        return (x - self.mean) / self.deviation

    def undo(self, x: Array) -> Array:
        """The inverse of `apply`."""
        return x * self.deviation + self.mean


def train_dev_test_split(
    rng: np.random.Generator, m: int, dev: float = 0.2, test: float = 0.2
) -> tuple[Array, Array, Array]:
    """The indices 0 ... m-1 shuffled and parted in three.

    Parameters
    ----------
    rng : numpy.random.Generator
    m : int
        Number of examples.
    dev, test : float
        Shares of the development and the test set, rounded to whole examples; the rest trains.

    Returns
    -------
    train, dev, test : ndarray of int64
    """
    require(dev >= 0 and test >= 0 and dev + test < 1, f"dev={dev} and test={test} must leave examples to train on")
    n_dev, n_test = round(dev * m), round(test * m)
    require(m > n_dev + n_test, f"of {m} examples, {n_dev} for dev and {n_test} for test leave none to train on")
    order = rng.permutation(m)
    return order[n_dev + n_test :], order[:n_dev], order[n_dev : n_dev + n_test]


def bias_and_variance(train_error: float, dev_error: float, bayes_error: float = 0.0, high: float = 0.02) -> str:
    """What two errors and the best possible one say of a network, in a sentence.

    Avoidable bias is train - Bayes error, variance is dev - train error.

    Parameters
    ----------
    train_error, dev_error, bayes_error : float
        Shares of wrong examples, in [0, 1]; human-level error stands in for the Bayes error.
    high : float
        From where on a bias or a variance is called high.
    """
    for name, error in (("train", train_error), ("dev", dev_error), ("Bayes", bayes_error)):
        require(0 <= error <= 1, f"the {name} error is a share in [0, 1], not {error}")
    bias, variance = train_error - bayes_error, dev_error - train_error
    # Differences of decimals: 0.03 - 0.01 falls short of 0.02 by an ulp.
    excessive = [n for n, gap in (("bias", bias), ("variance", variance)) if gap >= high - 1e-12]
    judged = "high " + " and high ".join(excessive) if excessive else "neither bias nor variance is high"
    advice = {
        "bias": "a bigger network, longer training or another architecture",
        "variance": "more data, regularisation or another architecture",
    }
    sizes = f"avoidable bias {100 * bias:.1f} %, variance {100 * variance:.1f} %"
    if abs(bias - variance) < 1e-12:  # bias first: what cannot fit its own examples need not generalise
        larger, comparison = "bias", "both are equally large; first"
    else:
        larger = "bias" if bias > variance else "variance"
        comparison = f"the {larger} is the larger;"
    return f"{judged[0].upper()}{judged[1:]} ({sizes}): {comparison} try {advice[larger]}."


def mirror(images: Array, draw: Draw) -> Array:
    """Some images flipped left to right.

    Parameters
    ----------
    images : ndarray of shape (m, height, width, channels)
    draw : ndarray of bool of shape (m,), or Generator
        Which ones; a generator flips each with probability 1/2.
    """
    flip = draw.random(len(images)) < 0.5 if isinstance(draw, np.random.Generator) else draw
    return np.where(flip[:, None, None, None], images[:, :, ::-1], images)


def random_crop(images: Array, height: int, width: int, draw: Draw) -> Array:
    """A window of every image.

    Parameters
    ----------
    images : ndarray of shape (m, H, W, channels)
    height, width : int
        Of the window.
    draw : ndarray of int of shape (m, 2), or Generator
        Top and left edge of each window; a generator gives every place the same chance.

    Returns
    -------
    ndarray of shape (m, height, width, channels)
    """
    m, H, W, _ = images.shape
    require(0 < height <= H and 0 < width <= W, f"a window of {height} x {width} does not fit into {H} x {W}")
    room = (H - height, W - width)
    corners = draw.integers(0, room, (m, 2), endpoint=True) if isinstance(draw, np.random.Generator) else draw
    require(bool(((corners >= 0) & (corners <= room)).all()), f"corners must lie in [0, {room[0]}] x [0, {room[1]}]")
    rows = corners[:, 0, None] + np.arange(height)
    columns = corners[:, 1, None] + np.arange(width)
    return images[np.arange(m)[:, None, None], rows[:, :, None], columns[:, None, :]]


def colour_shift(images: Array, draw: Draw, size: float = 0.1) -> Array:
    """Every channel of an image raised or lowered as a whole; nothing is cut to a range.

    Parameters
    ----------
    images : ndarray of float of shape (m, height, width, channels)
    draw : ndarray of shape (m, channels), or Generator
        What is added; a generator draws from N(0, size^2).
    size : float
    """
    _require_floating(images)
    m, *_, channels = images.shape
    shift = size * draw.standard_normal((m, channels)) if isinstance(draw, np.random.Generator) else draw
    return images + shift.astype(images.dtype)[:, None, None, :]


@dataclass(frozen=True)
class ColourComponents:
    """Principal components of a training set's colours.

    Attributes
    ----------
    variances : ndarray of shape (channels,)
        Eigenvalues lambda of the covariance, falling.
    directions : ndarray of shape (channels, channels)
        V: the eigenvectors in its columns, each with its largest entry positive.
    """

    variances: Array
    directions: Array

    @classmethod
    def of(cls, images: Array) -> ColourComponents:
        """The components of all pixels of a set of shape (m, height, width, channels)."""
        _require_floating(images)
        colours = images.reshape(-1, images.shape[-1]).astype(np.float64)
        colours -= colours.mean(axis=0)
        variances, V = np.linalg.eigh(colours.T @ colours / len(colours))
        largest = V[np.abs(V).argmax(axis=0), np.arange(V.shape[1])]
        V = V * np.sign(largest)  # an eigenvector's sign is arbitrary
        return cls(variances[::-1].astype(images.dtype), V[:, ::-1].astype(images.dtype))


def pca_colour(images: Array, components: ColourComponents, draw: Draw, size: float = 0.1) -> Array:
    """V (alpha * lambda) added to every pixel of an image.

    Parameters
    ----------
    images : ndarray of float of shape (m, height, width, channels)
    components : ColourComponents
        Of the training set.
    draw : ndarray of shape (m, channels), or Generator
        alpha; a generator draws from N(0, size^2).
    size : float
    """
    _require_floating(images)
    m, *_, channels = images.shape
    alpha = size * draw.standard_normal((m, channels)) if isinstance(draw, np.random.Generator) else draw
    return colour_shift(images, (alpha.astype(images.dtype) * components.variances) @ components.directions.T)


def _require_floating(images: Array) -> None:
    require(np.issubdtype(images.dtype, np.floating), f"colours must be floating-point numbers, not {images.dtype}")


@dataclass
class EarlyStopping(Generic[Kept]):
    """Stops training when the dev error has not fallen for a while, and keeps what was best.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement after which training stops.
    min_delta : float
        By how much more than this an error must fall to count as an improvement.

    Attributes
    ----------
    best_error, best_epoch : float, int
        Of the best epoch, counted from 0; infinite and -1 before the first.
    best : object
        Copy of what came with it, e.g. the network's weights.
    """

    patience: int
    min_delta: float = 0.0
    best_error: float = field(default=math.inf, init=False)
    best_epoch: int = field(default=-1, init=False)
    best: Kept | None = field(default=None, init=False)
    _epoch: int = field(default=-1, init=False, repr=False)

    def __post_init__(self) -> None:
        require(self.patience > 0, f"patience must be positive, not {self.patience}")
        require(self.min_delta >= 0, f"min_delta must not be negative, not {self.min_delta}")

    def stop(self, dev_error: float, kept: Kept | None = None) -> bool:
        """Note an epoch's error; True if training is to stop. A NaN is no improvement."""
        self._epoch += 1
        if dev_error < self.best_error - self.min_delta:
            self.best_error, self.best_epoch, self.best = dev_error, self._epoch, copy.deepcopy(kept)
        return self._epoch - self.best_epoch >= self.patience
