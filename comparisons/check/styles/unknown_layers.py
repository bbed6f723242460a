"""Layer objects of no kind that scratch has, or written in a way no other style can drive, beside finite differences.

Any class with a forward and a backward pass will do: it is made with small numbers for its sizes, given inputs of several shapes
until both passes run, and its own forward pass is differentiated. So it does not matter what the layer computes, or how
its axes lie.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.differences import Derived, gradient, ratio
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.styles.elementwise_causes import explanations, is_elementwise
from comparisons.check.styles.gradient_names import matched
from comparisons.check.styles.network_access import found_arrays, looks_like_gradient
from comparisons.check.styles.network_arguments import RATE, is_x, parameters_of, required, role, training_flags
from comparisons.check.styles.network_objects import assign, construct, held
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
IN, OUT, KERNEL, STRIDE = 4, 3, 3, 2
MOST = 160
"""Elements of the input and of the parameters together from which it would take too long."""
WAYS = 40
ALONE = ((IN,), (1, IN), (IN, 1))
"""One example."""
NEAR = 1e-6
INPUTS = ((5, IN), (2, IN, 7), (2, 7, IN), (2, IN, 5, 6), (2, 6, 5, IN), (IN, 5, 6), (6, 5, IN), (6, 5), (IN,), (1, IN), (IN, 1),
          (2, 6, 5, 2), (2, 2, 6, 5))  # fmt: skip
"""Rows, signals, images, with the channels first or last, and one example of each."""
_HYPER = {"f": 2, "stride": 2, "pad": 0, "padding": 0, "filter_size": 2, "kernel_size": 2, "pool_size": 2, "pool_height": 2, "pool_width": 2, "s": 2,
          "p": 0, "eps": 1e-5, "mode": "train"}  # fmt: skip
_OTHER = re.compile(r"loss|cost|cross_?entropy|mse|error|criterion|network|model|mlp|net$|^nn$|trainer|sequential|optimi[sz]er|^layer$|base|abstract|^module$", re.IGNORECASE)  # fmt: skip
_TARGET = re.compile(r"y|y_?true|t|targets?|labels?|expected\w*|desired\w*|truth", re.IGNORECASE)
_VALUES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (r"h(yper)?_?param\w*|params|config|conv_param|pool_param", (_HYPER,)),
    (r"mode|kind|type|method", ("average", "max", "mean", "avg")),
    (r"\w*(kernel|filter|weight)s?_?shape", ((2, 2, IN, OUT), (IN, OUT), (OUT, IN, 2, 2))),
    (r"(in|input|n|num|d|c)?_?(in|input|features|channels|size|dim|dims|units|embed\w*|model|hidden)_?(features|channels|size|dim|dims|depth|units|neurons|nodes|shape)?|d_?model|channels?|c_?in|nin|n_?x|ni|fan_?in|depth", (IN,)),
    (r"(n|num|d|c)?_?(out|output|filters?|hidden|units|neurons|kernels)_?(features|channels|size|dim|dims|depth|units|neurons|nodes)?|c_?out|nout|n_?filters|n_?kernels|nf|fan_?out", (OUT,)),
    (r"(kernel|filter|pool|window|k|f|ksize|pool)_?(size|width|height|dim|w|h|len\w*)?|size", (KERNEL, 2, (2, 2))),
    (r"strides?|s|step", (STRIDE, 1)),
    (r"pad(ding)?|p", (0, 1)),
    (r"n?_?(num_?)?(heads?|groups?|pieces)|h|g", (2,)),
    (r"(alpha|slope|negative_?slope|scale|beta|gamma|momentum|eps\w*|epsilon|rate|p_?drop|keep_?prob|dropout\w*|prob\w*)", (0.5,)),
    (r"w|weights?|kernel|filters?", (np.arange(12.0).reshape(IN, OUT) / 7 - 0.8,)),
    (r"b|bias(es)?", (np.array([0.1, -0.2, 0.3]),)),
)  # fmt: skip


@dataclass
class UnknownLayer:
    """An object with two passes.

    Attributes
    ----------
    file : UserFile
    cls : type
    forward, backward : str
        Names of its methods.
    template : object
    shape : tuple of int
        Of its input.
    parameters : tuple of str
        Places of arrays on which its output depends.
    scale : float
        Gradients of parameters are so many times the derivatives, all of them.
    agrees : bool
        Whether all gradients are right.
    """

    file: UserFile
    cls: type
    forward: str
    backward: str
    template: Any
    shape: tuple[int, ...]
    parameters: tuple[str, ...] = ()
    scale: float = 1.0
    agrees: bool = False

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        shape = ", ".join(map(str, self.shape)) + ("," if len(self.shape) == 1 else "")
        told = [f"it was given an input of shape ({shape})"]
        return (
            told if self.scale == 1 else [*told, f"gradients of parameters are {self.scale:.4g} times the derivatives"]
        )

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Gradients of the input and of the parameters."""
        x = rng.standard_normal(self.shape)
        arrays = held(self.template)
        params = {p: 0.7 * rng.standard_normal(arrays[p].shape) for p in self.parameters}
        made, output = self._run(x, params)
        upstream = rng.standard_normal(output.shape)
        before = {p: a.copy() for p, a in held(made).items()}
        returned = self._back(made, x, upstream)
        parts = list(returned) if isinstance(returned, tuple | list) else [returned]
        dx = next((np.asarray(p, dtype=np.float64) for p in parts if np.shape(p) == self.shape), None)
        name = self.cls.__name__
        if dx is not None:
            wanted, error, kinks = gradient(lambda v: self._run(v, params)[1], x, upstream)
            told: tuple[tuple[str, Array], ...] = ()
            if is_elementwise(lambda v: self._run(v, params)[1], x):
                told = tuple(explanations(x, output, upstream, wanted, dx))
            yield Derived(f"grad/{name}.input", dx, wanted, error, kinks, explanations=told)
        for p, g in self._claimed(made, before, parts, dx).items():
            wanted, error, kinks = gradient(lambda v, p=p: self._run(x, params | {p: v})[1], params[p], upstream)  # type: ignore[misc]
            yield Derived(f"grad/{name}.{p}", np.asarray(g, dtype=np.float64) / self.scale, wanted, error, kinks)

    def _run(self, x: Array, params: dict[str, Array]) -> tuple[Any, Array]:
        made = copy.deepcopy(self.template)
        for place, a in params.items():
            assign(made, place, a.copy())
        np.random.seed(0)  # noqa: NPY002
        output = self.file.call(
            getattr(made, self.forward), x.copy(), **training_flags(getattr(self.cls, self.forward))
        )
        output = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or not np.isfinite(output).all():
            raise UserError(f"{self.forward} returns no array")
        return made, output

    def _back(self, made: Any, x: Array, upstream: Array) -> Any:
        f = getattr(made, self.backward)
        more = {p.name: RATE for p in required(f)[1:] if role(p.name) == "rate"}
        if len(_given(getattr(self.cls, self.backward))) == 2:
            return self.file.call(f, x.copy(), upstream.copy(), **more)
        return self.file.call(f, upstream.copy(), **more)

    def _claimed(self, made: Any, before: dict[str, Array], parts: list[Any], dx: Array | None) -> dict[str, Array]:
        """Gradients by parameter: kept in the object, returned, or read off an update."""
        after = held(made)
        moved = {
            p: (before[p] - after[p]) / RATE
            for p in self.parameters
            if p in after and after[p].shape == before[p].shape and not np.array_equal(after[p], before[p])
        }
        wanted = {p: before[p] for p in self.parameters if p not in moved}
        kept = {p: a for p, a in after.items() if p not in self.parameters and looks_like_gradient(p)}
        kept |= {f"grad[{i}]": a for i, part in enumerate(parts) if part is not dx for _, a in found_arrays(part)}
        found = matched(wanted, kept) if wanted else {}
        # A number stands where gradients have not been calculated yet.
        return moved | {p: g for p, g in found.items() if np.ndim(g) or not before[p].ndim}

    def _builds_itself(self, x: Array) -> bool:
        """Let a layer make its weights, as some do when they see the first input; not one that remembers all its inputs, too."""
        made, output = self._run(x, {})
        lazy = any(
            v is None and re.match(r"_?(w|b|k|f|gamma|beta)", n, re.IGNORECASE) for n, v in _entries(self.template)
        )
        if not lazy and not _other(self._run(x, {})[1], output):
            return True
        grown = [n for n, v in _entries(made) if isinstance(v, list) and v]
        before = {n for n, v in _entries(self.template) if isinstance(v, list) and v}
        self.template = made
        return not set(grown) - before

    def settle(self) -> bool:
        """Find parameters and scale; whether it runs, and enough of it agrees for what does not to be a mistake."""
        rng = np.random.default_rng(23)
        try:
            x = rng.standard_normal(self.shape)
            if not self._builds_itself(x):
                return False
            text = source_of(self.cls)
            places = [
                p
                for p, a in held(self.template).items()
                if a.dtype.kind == "f" and ((a.ndim and a.size > 1) or (a.size == 1 and _has_gradient(p, text)))
            ]
            made, before = self._run(x, {})
            arrays, after = held(self.template), held(made)
            # What the forward pass itself changes is a state, as recurrent layers keep one.
            places = [p for p in places if p in after and np.array_equal(after[p], arrays[p])]
            self.parameters = tuple(
                p for p in places if _other(self._run(x, {p: rng.standard_normal(arrays[p].shape)})[1], before)
            )
            if x.size + sum(arrays[p].size for p in self.parameters) > MOST:
                return False
            found = list(self.derived(rng))
        except (UserError, ValueError, TypeError, KeyError, IndexError, AttributeError):
            return False
        fitting = [d for d in found if d.subject.shape == d.reference.shape]
        if not fitting or not fitting[0].tensor.endswith(".input") or not np.abs(fitting[0].reference).max():
            return False
        ratios = [r for d in fitting[1:] if (r := ratio(d)) is not None and r > 0]
        if len(ratios) > 1 and len(ratios) == len(found) - 1 and np.ptp(ratios) < NEAR * ratios[0]:
            self.scale = ratios[0] if abs(ratios[0] - 1) > NEAR else 1.0
        if len(ratios) == len(found) - 1 == 1 and abs(ratios[0] * self.shape[0] - 1) < NEAR:
            self.scale = ratios[0]  # a mean over the examples
        scales = [1.0] + [self.scale] * (len(fitting) - 1)
        self.agrees = len(fitting) == len(found) and all(
            (r := ratio(d)) is not None and abs(r / scale - 1) < NEAR for d, scale in zip(fitting, scales, strict=True)
        )
        whole = len(fitting) == len(found) == 1 + len(self.parameters)
        return whole or len(found) == 1 or any(ratio(d) is not None for d in fitting)


def _has_gradient(place: str, text: str) -> bool:
    """Whether a class keeps a gradient of one number, such as the slope of a PReLU."""
    name = re.escape((re.findall(r"[A-Za-z_]\w*", place) or [place])[-1])
    return bool(re.search(rf"\b(d_?|grad_?|delta_?){name}\b|\b{name}_grad\b", text))


def _entries(owner: Any) -> Iterator[tuple[str, Any]]:
    """Attributes of an object, and what lies in those of its dictionaries."""
    for name, value in vars(owner).items():
        yield name, value
        if isinstance(value, dict):
            yield from ((str(n), v) for n, v in value.items())


def _other(a: Array, b: Array) -> bool:
    return a.shape != b.shape or not np.array_equal(a, b)


def find_unknown_layers(file: UserFile, taken: frozenset[str]) -> Iterator[UnknownLayer]:
    """Classes with a forward and a backward pass that no other style has taken."""
    for name, cls in file.classes().items():
        forward, backward = method(cls, FORWARD), method(cls, BACKWARD)
        if name in taken or _OTHER.search(name) or not forward or backward in ("", "grad", forward):
            continue
        back = _given(getattr(cls, backward))
        if len(_given(getattr(cls, forward))) != 1 or not back or len(back) > 2:
            continue
        if _TARGET.fullmatch(back[-1]):
            continue  # it begins at the loss
        if len(back) == 2 and not (is_x(back[0]) and re.search(r"grad|^d|delta|upstream", back[1], re.IGNORECASE)):
            continue  # torch 7's modules are given their input once more: backward(input, gradOutput)
        layer = next(_made(file, cls, forward, backward, INPUTS), None)
        if layer is not None and not layer.agrees and not layer.parameters and layer.shape == INPUTS[0]:
            # What takes one example alone may run with several, and give something else.
            layer = next((one for one in _made(file, cls, forward, backward, ALONE) if one.agrees), layer)
        if layer is not None:
            yield layer


def _given(f: Callable[..., Any]) -> list[str]:
    """What a method needs besides `self` and a rate."""
    return [p.name for p in required(f) if role(p.name) != "rate"][1:]


def _ways(cls: type) -> Iterator[dict[str, Any]]:
    """Arguments for the constructor, by their names."""
    choices = {}
    for p in parameters_of(cls):
        if p.default is not p.empty:
            continue
        values = next((v for pattern, v in _VALUES if re.fullmatch(pattern, p.name, re.IGNORECASE)), None)
        if values is None:
            return
        choices[p.name] = values
    for chosen in itertools.product(*choices.values()):
        yield dict(zip(choices, chosen, strict=True))


def _made(
    file: UserFile, cls: type, forward: str, backward: str, shapes: tuple[tuple[int, ...], ...]
) -> Iterator[UnknownLayer]:
    """Ways of making a layer under which both passes run."""
    for arguments, shape in itertools.product(itertools.islice(_ways(cls), WAYS), shapes):
        try:
            template = construct(file, cls, arguments)
            copy.deepcopy(template)
        except Exception:
            continue
        layer = UnknownLayer(file, cls, forward, backward, template, shape)
        if hasattr(template, "__dict__") and layer.settle():
            yield layer
