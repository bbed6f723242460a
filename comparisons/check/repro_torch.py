"""What PyTorch computes for a case, as a few lines of plain torch that a person can read: one entry for each kind."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import scratch
from comparisons.case import Case
from comparisons.naming import place
from comparisons.plan import Plan
from scratch.optimizers import Optimizer
from scratch.weights import flatten

Array = np.ndarray
Say = Callable[[Array, str], str]
"""An array of the plan, and a name for it, as a NumPy expression."""


class Unwritten(Exception):
    """There are no lines for this."""


@dataclass(frozen=True)
class Torch:
    """Lines that end with the expected value.

    Attributes
    ----------
    lines : list of str
    value : str
        A NumPy expression for the tensor in torch's layout.
    axes : tuple of int
        torch's axes in scratch's order; empty where it is the same.
    """

    lines: list[str]
    value: str
    axes: tuple[int, ...] = ()

    def to_torch(self, a: Array) -> Array:
        """A tensor in scratch's layout as torch has it."""
        return a.transpose(np.argsort(self.axes)) if self.axes else a


@dataclass
class _Chain:
    """Lines for a network, growing layer by layer."""

    say: Say
    lines: list[str] = field(default_factory=list)
    last: str = "x"
    images: bool = False
    variables: dict[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)

    def tensor(self, key: str, name: str, a: Array, axes: tuple[int, ...] = (), grad: bool = True) -> str:
        """Define a leaf that holds an array of scratch's layout, in torch's order of axes."""
        ordered = a.transpose(axes) if axes else a
        variable = _variable(name)
        asked = ", requires_grad=True" if grad else ""
        self.lines.append(f"{variable} = torch.tensor({self.say(np.ascontiguousarray(ordered), name)}{asked})")
        self.variables[key] = variable, tuple(int(i) for i in np.argsort(axes)) if axes else ()
        return variable

    def then(self, key: str, text: str) -> None:
        """The next value of the chain."""
        variable = _variable(key.rpartition("/")[2])
        self.lines.append(f"{variable} = {text}")
        self.variables[key] = variable, (0, 2, 3, 1) if self.images else ()
        self.last = variable


def _variable(name: str) -> str:
    return "t_" + re.sub(r"\W", "_", name)


def lines(case: Case, plan: Plan, tensor: str, say: Say) -> Torch:
    """Plain torch for one tensor of a case.

    Parameters
    ----------
    case : Case
    plan : Plan
        What the case draws.
    tensor : str
        Its name in a trace.
    say : callable

    Raises
    ------
    Unwritten
        If there is no entry for something in it.
    """
    where = place(tensor)
    if case.recorded_gradients:
        return _updates(case, plan, tensor, say)
    if where.step or where.phase not in ("forward", "loss", "gradient"):
        raise Unwritten(where.phase)
    chain, batch = _Chain(say), plan.batches[0]
    chain.images = batch.x.ndim == 4
    chain.last = chain.tensor("input", "x", batch.x, (0, 3, 1, 2) if chain.images else ())
    inputs: dict[str, str] = {}
    for name, layer in case.architecture.layers:
        kind = type(layer).__name__
        if kind not in _LAYERS:
            raise Unwritten(kind)
        inputs[name] = next(k for k, (v, _) in chain.variables.items() if v == chain.last)
        params = plan.weights.params.get(name, {}) | plan.weights.buffers.get(name, {})
        _LAYERS[kind](chain, name, layer, params, batch.masks.get(name), case)
    root, seed = chain.last, ""
    prediction = next(k for k, (v, _) in chain.variables.items() if v == chain.last)
    if case.architecture.loss is not None:
        assert batch.target is not None
        _loss(chain, case, batch.target)
        root = "t_loss"
    else:
        assert batch.upstream is not None
        upstream = batch.upstream.transpose(0, 3, 1, 2) if chain.images else batch.upstream
        seed = f", torch.tensor({say(np.ascontiguousarray(upstream), 'dout')})"
    if where.phase != "gradient":
        key = "loss" if where.phase == "loss" else tensor
        variable, axes = chain.variables[key]
        return Torch(chain.lines, f"{variable}.detach().numpy()", axes)
    owner, _, leaf = tensor.removeprefix("grad/").partition(".")
    key = prediction if owner == "loss" else inputs[owner] if leaf == "input" else f"{owner}.{leaf}"
    if key not in chain.variables:
        raise Unwritten(key)
    variable, axes = chain.variables[key]
    return Torch(chain.lines, f"torch.autograd.grad({root}, {variable}{seed})[0].numpy()", axes)


def _of(name: str, p: str, case: Case) -> str:
    """A parameter's name, with its layer's number where there are several layers."""
    number = re.findall(r"\d+$", name)
    return p + number[0] if len(case.architecture.layers) > 1 and number else p


def _dense(c: _Chain, name: str, layer: Any, params: dict[str, Array], _: Any, case: Case) -> None:
    W = c.tensor(f"{name}.W", _of(name, "W", case), params["W"], (1, 0))
    b = f", {c.tensor(f'{name}.b', _of(name, 'b', case), params['b'])}" if layer.bias else ""
    c.then(f"forward/{name}", f"F.linear({c.last}, {W}{b})")


def _plain(text: str) -> Callable[..., None]:
    def write(c: _Chain, name: str, layer: Any, *_: Any) -> None:
        if c.images and "softmax" in text:
            raise Unwritten("softmax of images")
        c.then(f"forward/{name}", text.format(h=c.last, layer=layer))

    return write


def _batch_norm(c: _Chain, name: str, layer: Any, params: dict[str, Array], _: Any, case: Case) -> None:
    gamma, beta = (c.tensor(f"{name}.{p}", _of(name, p, case), params[p]) for p in ("gamma", "beta"))
    mean, var = "None", "None"
    if not case.training:
        mean, var = (c.tensor(f"buffer/{name}.{p}", p, params[p], grad=False) for p in ("running_mean", "running_var"))
    c.then(
        f"forward/{name}",
        f"F.batch_norm({c.last}, {mean}, {var}, {gamma}, {beta}, training={case.training}, eps={layer.epsilon!r})",
    )


def _layer_norm(c: _Chain, name: str, layer: Any, params: dict[str, Array], _: Any, case: Case) -> None:
    if c.images:
        raise Unwritten("layer norm of images")
    gamma, beta = (c.tensor(f"{name}.{p}", _of(name, p, case), params[p]) for p in ("gamma", "beta"))
    c.then(f"forward/{name}", f"F.layer_norm({c.last}, ({layer.n},), {gamma}, {beta}, eps={layer.epsilon!r})")


def _dropout(c: _Chain, name: str, layer: Any, _: Any, mask: Array | None, case: Case) -> None:
    if mask is None:
        c.then(f"forward/{name}", f"{c.last} * 1")
        return
    if c.images:
        raise Unwritten("dropout of images")
    # The recorded mask takes the place of the one that torch would draw.
    kept = c.tensor(f"mask/{name}", "mask", mask.astype(np.float64), grad=False)
    c.then(f"forward/{name}", f"{c.last} * {kept} / {layer.keep_prob!r}")


def _conv(c: _Chain, name: str, layer: Any, params: dict[str, Array], _: Any, case: Case) -> None:
    if layer.padding == "same" or (
        isinstance(layer.padding, tuple) and any(isinstance(p, tuple) for p in layer.padding)
    ):
        raise Unwritten("padding of two sides")
    W = c.tensor(f"{name}.W", _of(name, "W", case), params["W"], (3, 2, 0, 1))
    b = c.tensor(f"{name}.b", _of(name, "b", case), params["b"]) if layer.bias else "None"
    padding = 0 if layer.padding == "valid" else layer.padding
    more = f"stride={layer.stride!r}, padding={padding!r}, dilation={layer.dilation!r}, groups={layer.groups!r}"
    c.then(f"forward/{name}", f"F.conv2d({c.last}, {W}, {b}, {more})")


def _flatten(c: _Chain, name: str, *_: Any) -> None:
    text = f"{c.last}.permute(0, 2, 3, 1).flatten(1)" if c.images else f"{c.last}.flatten(1)"
    c.images = False
    c.then(f"forward/{name}", text)


_LAYERS: dict[str, Callable[..., None]] = {
    "Dense": _dense,
    "Sigmoid": _plain("torch.sigmoid({h})"),
    "Tanh": _plain("torch.tanh({h})"),
    "ReLU": _plain("torch.relu({h})"),
    "LeakyReLU": _plain("F.leaky_relu({h}, {layer.slope!r})"),
    "Softmax": _plain("torch.softmax({h}, dim=-1)"),
    "BatchNorm": _batch_norm,
    "LayerNorm": _layer_norm,
    "Dropout": _dropout,
    "Conv2D": _conv,
    "MaxPool2D": _plain("F.max_pool2d({h}, {layer.size!r}, {layer.stride!r})"),
    "AveragePool2D": _plain("F.avg_pool2d({h}, {layer.size!r}, {layer.stride!r})"),
    "Flatten": _flatten,
}
_LOSSES = {
    "BinaryCrossEntropy": "F.binary_cross_entropy({p}, {y}) * {k}",
    "BinaryCrossEntropyFromLogits": "F.binary_cross_entropy_with_logits({p}, {y}) * {k}",
    "SoftmaxCrossEntropy": "F.cross_entropy({p}, {y})",
    "CategoricalCrossEntropy": "F.nll_loss(torch.log({p}), {y}.argmax(dim=1))",
    "MeanSquaredError": "F.mse_loss({p}, {y}) * {k} / 2",
    "Hinge": "F.multi_margin_loss({p}, {y}.argmax(dim=1)) * {k}",
}


def _loss(c: _Chain, case: Case, target: Array) -> None:
    arch, m = case.architecture, len(target)
    kind = type(arch.loss).__name__
    if kind not in _LOSSES or c.images:
        raise Unwritten(kind)
    y = c.tensor("target", "y", target, grad=False)
    text = _LOSSES[kind].format(p=c.last, y=y, k=target.shape[-1])
    if arch.regulariser is not None and arch.regulariser.lambda_:
        weights = [c.variables[f"{layer}.{p}"][0] for layer, p in arch.regularised()]
        squared = isinstance(arch.regulariser, scratch.L2)
        over = 2 * m if squared else m
        each = [f"{w}.square().sum()" if squared else f"{w}.abs().sum()" for w in weights]
        text += f" + {arch.regulariser.lambda_!r} / {over} * ({' + '.join(each)})"
    c.lines.append(f"t_loss = {text.replace(' * 1 /', ' /').removesuffix(' * 1')}")
    c.variables["loss"] = "t_loss", ()


def _rule(o: Optimizer) -> str:
    rate = f"lr={o.learning_rate!r}"
    match type(o).__name__:
        case "GradientDescent":
            return f"torch.optim.SGD([t_w], {rate})"
        case "Momentum":
            # torch sums gradients where this rule averages them.
            return f"torch.optim.SGD([t_w], lr={round(o.learning_rate * (1 - o.beta), 12)!r}, momentum={o.beta!r})"  # type: ignore[attr-defined]
        case "Nesterov":
            return f"torch.optim.SGD([t_w], {rate}, momentum={o.beta!r}, nesterov=True)"  # type: ignore[attr-defined]
        case "RMSprop":
            return f"torch.optim.RMSprop([t_w], {rate}, alpha={o.beta!r}, eps={o.epsilon!r})"  # type: ignore[attr-defined]
        case "Adagrad":
            start = f", initial_accumulator_value={o.initial_accumulator!r}" if o.initial_accumulator else ""  # type: ignore[attr-defined]
            return f"torch.optim.Adagrad([t_w], {rate}, eps={o.epsilon!r}{start})"  # type: ignore[attr-defined]
        case "Adam" | "AdamW" as kind:
            decay = f", weight_decay={o.weight_decay!r}" if kind == "AdamW" else ""  # type: ignore[attr-defined]
            return f"torch.optim.{kind}([t_w], {rate}, betas=({o.beta1!r}, {o.beta2!r}), eps={o.epsilon!r}{decay})"  # type: ignore[attr-defined]
    raise Unwritten(type(o).__name__)


def _updates(case: Case, plan: Plan, tensor: str, say: Say) -> Torch:
    where = place(tensor)
    if where.phase != "step" or "/param/" not in tensor or case.optimizer is None:
        raise Unwritten(where.phase)
    name = tensor.partition("/param/")[2]
    start = dict(flatten(plan.weights.params))[name]
    grads = [dict(flatten(g))[name] for g in plan.gradients[: where.step]]
    return Torch(
        [
            f"t_w = torch.tensor({say(start, 'W')})",
            f"t_rule = {_rule(case.optimizer)}",
            f"for t_gradient in [{', '.join(say(g, 'dW') for g in grads)}]:",
            "    t_w.grad = torch.tensor(t_gradient)",
            "    t_rule.step()",
        ],
        "t_w.numpy()",
    )
