"""Scratch optimizers as Keras's: one function per kind, chosen by `OPTIMIZERS`.

Where Keras puts epsilon elsewhere, its optimizer is subclassed to supply the epsilon that makes both equal, step by step or
element by element; the update itself stays Keras's own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import keras

from reference.tensorflow_layers import Precision, Tensor, number
from scratch.optimizers import Adam, GradientDescent, Momentum, Optimizer, RMSprop


class AdamWithPlainEpsilon(keras.optimizers.Adam):
    """Keras's Adam with epsilon added after the bias correction.

    Keras: m sqrt(1 - beta2^t) / (1 - beta1^t) / (sqrt(v) + e). With e = epsilon sqrt(1 - beta2^t) both root and epsilon
    carry the factor, which cancels: m^ / (sqrt(v^) + epsilon).
    """

    @property
    def epsilon(self) -> Tensor:
        """The epsilon of the current step, in the precision of the memory."""
        dtype = self._velocities[0].dtype
        beta2 = keras.ops.cast(self.beta_2, dtype)
        t = keras.ops.cast(self.iterations + 1, dtype)
        return self._plain_epsilon * keras.ops.sqrt(1 - keras.ops.power(beta2, t))

    @epsilon.setter
    def epsilon(self, value: float) -> None:
        self._plain_epsilon = value


class EpsilonOutside:
    """Mixed into a Keras optimizer that divides by sqrt(s + e): puts epsilon outside the root.

    With e = epsilon^2 + 2 epsilon sqrt(s) the root is sqrt((sqrt(s) + epsilon)^2). The subclass names Keras's list of s.
    """

    squares: ClassVar[str]

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Keras's update; it asks for epsilon after it has renewed s of this variable."""
        self._current = variable
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]

    @property
    def epsilon(self) -> Tensor:
        """The epsilon of every element of the current variable."""
        s = getattr(self, self.squares)[self._get_variable_index(self._current)]  # type: ignore[attr-defined]
        return self._outside**2 + 2 * self._outside * keras.ops.sqrt(s)

    @epsilon.setter
    def epsilon(self, value: float) -> None:
        self._outside = value


class RMSpropWithEpsilonOutside(EpsilonOutside, keras.optimizers.RMSprop):
    """Keras's RMSprop with epsilon outside the root."""

    squares = "_velocities"


class SGDWithRateInside(keras.optimizers.SGD):
    """Keras's SGD, whose velocity holds the learning rate: vel = mu vel - lr g. With a constant rate it is as it is.

    Attributes
    ----------
    rescales : bool
        Whether the old velocity takes the present rate, as everything does where the rate stands outside.
    """

    rescales = False

    def update_step(self, gradient: Tensor, variable: Any, learning_rate: Tensor) -> None:
        """Keras's update, on a velocity in units of the present rate."""
        if self.rescales:
            velocity = self.momentums[self._get_variable_index(variable)]
            velocity.assign(velocity * keras.ops.cast(learning_rate / self._previous_rate(), velocity.dtype))
        super().update_step(gradient, variable, learning_rate)

    def _previous_rate(self) -> Tensor:
        return self._learning_rate(keras.ops.maximum(self.iterations - 1, 0))

    def previous_share(self) -> float:
        """The rate of the last step, as a share of the first one."""
        return float(self._previous_rate()) / float(self._learning_rate(0))


@dataclass(frozen=True)
class Moment:
    """Keras's list of one of the optimizer's arrays, and the factor that turns it into scratch's."""

    attribute: str
    factor: float = 1.0


@dataclass
class OptimizerTwin:
    """A Keras optimizer in the place of a scratch optimizer.

    Attributes
    ----------
    stock : keras.optimizers.Optimizer
        Built for the parameters.
    moments : dict of str to Moment
        By scratch's names.
    """

    stock: Any
    moments: dict[str, Moment] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._first = [(variable, variable.numpy()) for variable in self.stock.variables]

    def reset(self) -> None:
        """Forget moments and step counts."""
        for variable, value in self._first:
            variable.assign(value)

    def state(self, index: int, to: Precision) -> dict[str, Any]:
        """The arrays kept for one parameter, as ndarrays, by scratch's names and in its scale."""
        arrays = {}
        for name, moment in self.moments.items():
            name = name if to.maps("optimizer-state-names") else moment.attribute
            kept = getattr(self.stock, moment.attribute)[index].numpy()
            arrays[name] = kept if moment.factor == 1.0 else kept * kept.dtype.type(moment.factor)
        return arrays


def _built(stock: Any, parameters: list[Any], moments: dict[str, Moment] | None = None) -> OptimizerTwin:
    stock.build(parameters)
    return OptimizerTwin(stock, moments or {})


def _gradient_descent(optimizer: GradientDescent, parameters: list[Any], to: Precision) -> OptimizerTwin:
    return _built(keras.optimizers.SGD(float(optimizer.learning_rate)), parameters)


def _momentum(optimizer: Momentum, parameters: list[Any], to: Precision) -> OptimizerTwin:
    # Keras: vel = mu vel - lr g, w += vel. With lr = alpha (1 - beta) it holds -alpha v.
    alpha = float(optimizer.learning_rate)  # Keras refuses an int
    rate = alpha * (1 - optimizer.beta if to.maps("momentum-scale") else 1)
    stock = SGDWithRateInside(rate, momentum=number(optimizer.beta, to.dtype, to.maps))
    # With beta = 0 Keras keeps nothing, with alpha = 0 it keeps zeros: there is nothing to compare v with.
    return _built(stock, parameters, {"v": Moment("momentums", -1 / alpha)} if optimizer.beta and alpha else {})


def _rmsprop(optimizer: RMSprop, parameters: list[Any], to: Precision) -> OptimizerTwin:
    kind = RMSpropWithEpsilonOutside if to.maps("rmsprop-epsilon") else keras.optimizers.RMSprop
    rho = number(optimizer.beta, to.dtype, to.maps)
    stock = kind(float(optimizer.learning_rate), rho=rho, epsilon=optimizer.epsilon)
    return _built(stock, parameters, {"s": Moment("_velocities")})


def _adam(optimizer: Adam, parameters: list[Any], to: Precision) -> OptimizerTwin:
    kind = AdamWithPlainEpsilon if to.maps("adam-epsilon-hat") else keras.optimizers.Adam
    beta1, beta2 = (number(b, to.dtype, to.maps) for b in (optimizer.beta1, optimizer.beta2))
    stock = kind(float(optimizer.learning_rate), beta_1=beta1, beta_2=beta2, epsilon=optimizer.epsilon)
    return _built(stock, parameters, {"v": Moment("_momentums"), "s": Moment("_velocities")})


OPTIMIZERS: dict[type[Optimizer], Callable[[Any, list[Any], Precision], OptimizerTwin]] = {
    GradientDescent: _gradient_descent,
    Momentum: _momentum,
    RMSprop: _rmsprop,
    Adam: _adam,
}
