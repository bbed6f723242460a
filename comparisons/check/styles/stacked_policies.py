"""Policy gradients: a forward function of one observation, and a backward function of a whole episode, stacked up.

`p, h = policy_forward(x)`, and after the episode `policy_backward(eph, epdlogp)`, with the observations in a global array that the loop
makes (`epx`), as in Karpathy's "Deep Reinforcement Learning: Pong from Pixels". What is handed back per step is the derivative by the
output before its sigmoid or softmax.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, gradient
from comparisons.check.styles.global_losses import MOST
from comparisons.check.styles.network_access import Array, match_gradients, stem
from comparisons.check.styles.network_arguments import required
from comparisons.check.styles.network_functions import Patched
from comparisons.check.styles.network_objects import returned_names
from comparisons.check.styles.shrinking import smaller_sizes
from comparisons.check.unit import UserError, UserFile

STEPS = 6
_FORWARD = re.compile(r"\w*(forward|fwd|policy)\w*", re.IGNORECASE)
_BACKWARD = re.compile(r"\w*(backward|backprop|bwd)\w*", re.IGNORECASE)
_MODEL = re.compile(r"model|params?|parameters|weights|net|network|policy|theta", re.IGNORECASE)
_UPSTREAM = re.compile(r"\w*(log|grad|delta|err|adv|dout|dscore|dp|dy|dz)\w*", re.IGNORECASE)
_OBSERVED = re.compile(r"(ep|episode|all|stacked)?_?(xs?|obs(ervations?)?|states?|inputs?)(_?(stack|arr(ay)?))?", re.IGNORECASE)  # fmt: skip


@dataclass
class StackedPolicy:
    """The two functions.

    Attributes
    ----------
    file : UserFile
    forward, backward : str
    model : str
        The dictionary of parameters, a global name or an argument.
    shapes : dict of str to tuple of int
        Those of the parameters, made small.
    observations : tuple of str
        Arguments and global names that the backward function reads them from.
    size : int
        Of one observation.
    """

    file: UserFile
    forward: str
    backward: str
    model: str
    shapes: dict[str, tuple[int, ...]]
    observations: tuple[str, ...]
    size: int

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient by every parameter, of the sum over an episode."""
        params = {n: rng.standard_normal(shape) for n, shape in self.shapes.items()}
        observed = rng.standard_normal((STEPS, self.size))
        outputs = self._outputs(params, observed)
        handed = rng.standard_normal(outputs[0].shape)
        if _is_softmax(outputs[0]):
            handed -= handed.mean(axis=1, keepdims=True)
        for name, g in self._gradients(params, observed, outputs[1:], handed).items():

            def f(v: Array, name: str = name) -> Array:
                return _before(self._outputs(params | {name: v}, observed)[0])

            wanted, error, kinks = gradient(f, params[name], handed)
            yield Derived(f"grad/{self.forward}.{name}", g, wanted, error, kinks, STEPS)

    def _outputs(self, params: dict[str, Array], observed: Array) -> list[Array]:
        """What the forward function returns for each observation, stacked up: probabilities first."""
        f = self.file.namespace[self.forward]
        taken = [p.name for p in required(f)]
        steps = []
        with Patched(self.file.namespace, {self.model: {n: a.copy() for n, a in params.items()}}):
            model = self.file.namespace[self.model]
            for x in observed:
                returned = self.file.call(f, **{n: model if _MODEL.fullmatch(n) else x.copy() for n in taken})
                steps.append(returned if isinstance(returned, tuple) else (returned,))
        return [np.vstack([np.asarray(part, dtype=np.float64) for part in parts]) for parts in zip(*steps, strict=True)]

    def _gradients(
        self, params: dict[str, Array], observed: Array, hidden: list[Array], handed: Array
    ) -> dict[str, Array]:
        f = self.file.namespace[self.backward]
        patched: dict[str, Any] = {self.model: {n: a.copy() for n, a in params.items()}}
        patched |= {n: observed.copy() for n in self.observations}
        given: dict[str, Any] = {}
        waiting = [h.copy() for h in hidden]
        for p in required(f):
            if _MODEL.fullmatch(p.name):
                given[p.name] = patched[self.model]
            elif p.name in self.observations:
                given[p.name] = observed.copy()
            elif _UPSTREAM.fullmatch(p.name):
                given[p.name] = handed.copy()
            elif waiting:
                given[p.name] = waiting.pop(0)
            else:
                raise UserError(f"{self.backward} takes arguments that are not known")
        with Patched(self.file.namespace, patched):
            returned = self.file.call(f, **given)
        if isinstance(returned, tuple):
            returned = dict(zip(returned_names(f), returned, strict=False))
        if not isinstance(returned, dict):
            raise UserError(f"{self.backward} returns no gradients by name")
        grads = {
            stem(str(n)): np.asarray(g, dtype=np.float64) for n, g in returned.items() if isinstance(g, np.ndarray)
        }
        return match_gradients(params, grads)


def _is_softmax(output: Array) -> bool:
    return output.shape[1] > 1 and bool(np.allclose(output.sum(axis=1), 1))


def _before(output: Array) -> Array:
    """The output before its sigmoid or softmax, up to what is the same in a row."""
    if _is_softmax(output):
        return np.log(output)
    if output.shape[1] == 1 and ((output > 0) & (output < 1)).all():
        return np.log(output) - np.log1p(-output)
    return output


def find_stacked_policies(
    file: UserFile, functions: dict[str, Callable[..., Any]], known: Callable[[], dict[str, Any]]
) -> Iterator[StackedPolicy]:
    """A forward and a backward function that run, one on observations, the other on stacks of them.

    Parameters
    ----------
    file : UserFile
    functions : dict of str to callable
        Those that belong to nothing else.
    known : callable
        The file's global names, with what its statements make where that does no harm.
    """
    backs = [n for n, f in functions.items() if _BACKWARD.fullmatch(n) and _upstream(f)]
    ahead = [n for n, f in functions.items() if n not in backs and _FORWARD.fullmatch(n) and 1 <= len(required(f)) <= 2]
    if not backs or not ahead:
        return
    names = known()
    models = {n: v for n, v in names.items() if _MODEL.fullmatch(n) and _is_model(v)}
    for backward in backs:
        f = functions[backward]
        read = [p.name for p in required(f)] + [n for n in f.__code__.co_names if n not in file.namespace]
        observations = tuple(n for n in read if _OBSERVED.fullmatch(n))
        for forward in ahead if observations else ():
            for model, arrays in models.items():
                found = _made(file, (forward, backward), model, arrays, observations)
                if found is not None:
                    yield found
                    break


def _made(
    file: UserFile, pair: tuple[str, str], model: str, arrays: dict[str, Array], observations: tuple[str, ...]
) -> StackedPolicy | None:
    """The two functions with an observation of the size that they can be run on."""
    sizes = smaller_sizes(arrays.values())
    shapes = {n: tuple(sizes.get(int(k), int(k)) for k in a.shape) for n, a in arrays.items()}
    if sum(math.prod(s) for s in shapes.values()) > MOST:
        return None
    for size in dict.fromkeys(k for s in shapes.values() for k in s):
        found = StackedPolicy(file, *pair, model, shapes, observations, size)
        try:
            list(found.derived(np.random.default_rng(23)))
        except (UserError, ValueError, TypeError, IndexError):
            continue
        return found
    return None


def _upstream(f: Callable[..., Any]) -> bool:
    return any(_UPSTREAM.fullmatch(p.name) for p in required(f))


def _is_model(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in value.values())
    )
