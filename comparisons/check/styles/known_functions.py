"""Known operations by the names that people give to their own versions, and torch's functions of them.

Published variants of an operation (the approximate GELU, Keras's hard sigmoid) are right under the same name.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Array = np.ndarray
_WORDS = re.compile(
    r"^(?:my|custom|manual|our|simple|naive|memory_?efficient|torch|py|test)+_?|"
    r"_?(?:autograd|auto|function|func|fn|f|op|impl(?:ementation)?|jit|me|layer|activation|act|module|manual|custom|grad|v?\d)$",
    re.IGNORECASE,
)


def plain(name: str) -> str:
    """What is left of `MySwishAutoFn`: `swish`."""
    while (shorter := _WORDS.sub("", name)) != name and shorter:
        name = shorter
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _forms(torch: Any) -> dict[str, list[Callable[..., Any]]]:
    """By name: torch's own function first, then other published forms; tensors first, then numbers."""
    F = torch.nn.functional
    softmaxes = [lambda x, d=d: F.softmax(x, d) for d in (-1, 0, 1)]
    log_softmaxes = [lambda x, d=d: F.log_softmax(x, d) for d in (-1, 0, 1)]
    losses = [
        lambda x, t, r=r: F.cross_entropy(x, t.reshape(-1) if t.dtype == torch.int64 else t, reduction=r)
        for r in ("mean", "sum", "none")
    ]

    def square(reduction: str, factor: float) -> Callable[..., Any]:
        return lambda x, t: factor * F.mse_loss(x, t, reduction=reduction)

    def square_by_example(factor: float) -> Callable[..., Any]:
        return lambda x, t: factor * ((x - t) ** 2).sum() / len(x)

    squares = [square(reduction, factor) for reduction in ("mean", "sum", "none") for factor in (1, 0.5)]
    squares += [square_by_example(factor) for factor in (1, 0.5)]

    def swish(x: Any, beta: Any = 1.0) -> Any:
        return x * torch.sigmoid(beta * x)

    def normalised(x: Any, w: Any, b: Any, eps: float = 1e-5) -> Any:
        return F.layer_norm(x, x.shape[-1:], w, b, eps)

    def by_sample_deviation(x: Any, w: Any, b: Any, eps: float = 1e-6) -> Any:
        return w * (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) + b

    def linear(x: Any, w: Any, b: Any = None) -> Any:
        return F.linear(x, w, b)

    def linear_turned(x: Any, w: Any, b: Any = None) -> Any:
        return F.linear(x, w.t(), b)

    return {
        "relu": [F.relu],
        "relu6": [F.relu6],
        "leakyrelu": [F.leaky_relu, lambda x: F.leaky_relu(x, 0.1), lambda x: F.leaky_relu(x, 0.2)],
        "elu": [F.elu],
        "selu": [F.selu],
        "celu": [F.celu],
        "sigmoid": [torch.sigmoid],
        "logsigmoid": [F.logsigmoid],
        "tanh": [torch.tanh],
        "softplus": [F.softplus],
        "softsign": [F.softsign],
        "swish": [F.silu, swish],
        "silu": [F.silu, swish],
        "mish": [F.mish],
        "hardswish": [F.hardswish],
        "hardsigmoid": [F.hardsigmoid, lambda x: (0.2 * x + 0.5).clamp(0, 1)],
        "hardtanh": [F.hardtanh],
        "gelu": [F.gelu, lambda x: F.gelu(x, approximate="tanh"), lambda x: x * torch.sigmoid(1.702 * x)],
        "exp": [torch.exp],
        "log": [torch.log],
        "square": [torch.square],
        "sqrt": [torch.sqrt],
        "softmax": softmaxes,
        "logsoftmax": log_softmaxes,
        "linear": [linear, linear_turned],
        "matmul": [torch.matmul],
        "layernorm": [normalised, lambda *a: normalised(a[0], a[1], a[2], 1e-6), lambda *a: normalised(a[0], a[1], a[2], 1e-12), by_sample_deviation],
        "crossentropy": losses,
        "crossentropyloss": losses,
        "softmaxcrossentropy": losses,
        "softmaxcrossentropyloss": losses,
        "mse": squares,
        "mseloss": squares,
    }  # fmt: skip


def expected(name: str, given: list[Any], output: Array) -> tuple[str, Array] | None:
    """What torch's own operation of that name gives, with the operation's name; the variant that agrees, if one does.

    None if the name is of no known operation, or none can be called this way.

    Parameters
    ----------
    name : str
    given : list
        Arguments: arrays, numbers, None.
    output : ndarray
        The user's.
    """
    torch = sys.modules.get("torch")
    forms = _forms(torch).get(plain(name)) if torch is not None else None
    if torch is None or not forms:
        return None
    tensors = [torch.tensor(v) if isinstance(v, np.ndarray) else v for v in given if not isinstance(v, bool)]
    found = [a for f in forms for a in _called(torch, f, tensors) if a.shape == output.shape]
    close = [a for a in found if np.allclose(a, output, rtol=1e-7, atol=1e-9 * np.abs(output).max(initial=1))]
    settings = [v for v in given if isinstance(v, float | int) and not isinstance(v, bool)]
    if close or (found and not settings):
        return plain(name), (close or found)[0]
    return None  # it has a setting whose meaning is not known


def explanations(name: str, values: dict[str, Any], upstream: list[Array]) -> Iterator[tuple[str, Array]]:
    """What the gradient of an operation's input would be with a known mistake.

    Parameters
    ----------
    name : str
    values : dict
        Arguments, the input first.
    upstream : list of ndarray
    """
    given = [v for v in values.values() if isinstance(v, np.ndarray)]
    if plain(name) != "layernorm" or len(given) != 3 or len(upstream) != 1 or given[1].shape != given[0].shape[-1:]:
        return
    x, gamma = given[:2]
    eps = next((v for v in values.values() if isinstance(v, float)), 1e-5)
    scale = 1 / np.sqrt(x.var(-1, keepdims=True) + eps)
    normal, g = (x - x.mean(-1, keepdims=True)) * scale, upstream[0] * gamma
    by_mean, by_variance = g.mean(-1, keepdims=True), normal * (g * normal).mean(-1, keepdims=True)
    yield "the path through the variance is missing", scale * (g - by_mean)
    yield "the path through the mean is missing", scale * (g - by_variance)
    yield "the paths through the mean and the variance are missing", scale * g
    yield (
        "gamma is left out of the gradient of the input",
        scale
        * (upstream[0] - upstream[0].mean(-1, keepdims=True) - normal * (upstream[0] * normal).mean(-1, keepdims=True)),
    )


def _called(torch: Any, f: Callable[..., Any], tensors: list[Any]) -> Iterator[Array]:
    plain_ = [t for t in tensors if isinstance(t, torch.Tensor)]
    for given in (tensors, plain_):
        try:
            yield f(*given).numpy()
        except Exception:
            continue
