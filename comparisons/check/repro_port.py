"""A port's smallest failing case as lines of its own: both models with the same numbers, one input, one number that differs.

Runs in the process that has the user's models. How a tensor of one lies in the other is found by numbers: both are filled with the
same weights, and what equals what, in whatever order of axes, is written down.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from comparisons import ports
from comparisons.check.repro_find import way
from comparisons.naming import place
from comparisons.port_shapes import input_shape

if TYPE_CHECKING:
    from comparisons.check.unit import Unit

Array = np.ndarray


class Unportable(Exception):
    """It cannot be written in a few lines; one line says why."""


@dataclass(frozen=True)
class PortLines:
    """The body of a test.

    Attributes
    ----------
    names : frozenset of str
        What it needs of the user's file.
    expected, calls : list of str
        Lines that end with `expected = ...` and with `actual = ...`.
    there : frozenset of str
        All names that the file has.
    problem : str
        Why there are none.
    """

    names: frozenset[str] = frozenset()
    expected: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    there: frozenset[str] = frozenset()
    problem: str = ""


def port_lines(unit: Unit, models: dict[str, tuple[Any, str]], tensor: str, training: bool) -> PortLines:
    """Lines for one tensor of a port that differs.

    Parameters
    ----------
    unit : Unit
    models : dict of str to (model, str)
        `subject` and `reference`: each with the expression that makes it.
    tensor : str
        As in a trace.
    training : bool

    Raises
    ------
    Unportable
        If it is not the model's output or a running mean, or a layer's weights lie in no simple way in the other's.
    """
    side = {ports.framework(type(model)): role for role, (model, _) in models.items()}
    torch_model, keras_model = (models[side[f]][0] for f in ("torch", "tensorflow"))
    shape = input_shape(keras_model)
    if shape is None:
        raise Unportable("the shape of an input is not known")
    rng = np.random.default_rng(0)
    example = ports.example_of(torch_model, keras_model, shape, rng)[:2]
    torch, keras = (ports.reader(m)(m, example, "float64") for m in (torch_model, keras_model))  # type: ignore[misc]
    copying = unit.options.get("copy", "")
    names = {unit.options[role] for role in models} | ({copying} if copying else set())
    lines = [
        "rng = np.random.default_rng(0)",
        f"torch_model, keras_model = {models[side['torch']][1]}.double(), {models[side['tensorflow']][1]}",
        "weights = {",
        "    name: rng.uniform(0.5, 1.5, tuple(t.shape))",
        "    for name, t in torch_model.state_dict().items()",
        "    if t.is_floating_point()",
        "}",
        "torch_model.load_state_dict({name: torch.tensor(a) for name, a in weights.items()}, strict=False)",
    ]
    if copying:
        lines += [
            "for layer in keras_model.layers:",
            "    layer.set_weights([rng.uniform(0.5, 1.5, a.shape) for a in layer.get_weights()])",
        ]
        order = ("subject", "reference") if unit.options["first"] == "subject" else ("reference", "subject")
        framework = {role: {"torch": "torch_model", "tensorflow": "keras_model"}[str(f)] for f, role in side.items()}
        lines.append(f"{copying}({', '.join(framework[role] for role in order)})")
    else:
        lines += _weights(torch, keras, keras_model)
    lines += _input(example, torch)
    if place(tensor).phase == "buffer":
        return _of_buffer(names, lines, side, tensor, torch, keras, keras_model)
    if training or not (copying or tensor == "forward/output"):
        raise Unportable("a tensor within the models differs, while their outputs in evaluation agree")
    outputs = {
        "torch": ["torch_model.eval()", f"{{}} = torch_model(x_torch).detach().numpy(){_last(keras_model)}"],
        "tensorflow": ["{} = keras_model(x, training=False).numpy()"],
    }
    return _sided(names, lines, side, outputs)


def _sided(names: set[str], lines: list[str], side: dict[str | None, str], outputs: dict[str, list[str]]) -> PortLines:
    of = {role: outputs[str(f)] for f, role in side.items()}
    expected = [line.format("expected") for line in of["reference"]]
    return PortLines(frozenset(names), [*lines, *expected], [line.format("actual") for line in of["subject"]])


def _last(keras_model: Any) -> str:
    """What brings torch's output into Keras's layout."""
    return ".transpose(0, 2, 3, 1)" if len(keras_model.output_shape) == 4 else ""


def _input(example: Array, torch: Any) -> list[str]:
    if example.dtype.kind in "iu":
        return [f"x = rng.integers(0, {int(example.max()) + 1}, {example.shape})", "x_torch = torch.tensor(x)"]
    turned = torch._entering(example, "float64").shape != example.shape
    axes = (
        f".transpose(0, {example.ndim - 1}, {', '.join(str(i) for i in range(1, example.ndim - 1))})" if turned else ""
    )
    return [f"x = rng.standard_normal({example.shape})", f"x_torch = torch.tensor(x{axes})"]


def _weights(torch: Any, keras: Any, model: Any) -> Iterator[str]:
    """Lines that give Keras's layers torch's numbers."""
    pair = ports.Pair(keras, torch)
    pair.write(ports._random(torch, np.random.default_rng(1)))
    there = {name: t.numpy() for name, t in torch.module.state_dict().items() if t.is_floating_point()}
    known = {layer.name: i for i, layer in enumerate(model.layers)}
    for layer in keras.model.layers:
        if not layer.weights:
            continue
        if layer.name not in known:
            raise Unportable(f"{layer.name} lies within another layer")
        images = {id(m): shape for m, shape in torch._flattened.items()}
        said = [_said(np.asarray(a), there, torch, images) for a in layer.get_weights()]
        yield f"keras_model.layers[{known[layer.name]}].set_weights([{', '.join(said)}])"


def _said(a: Array, there: dict[str, Array], torch: Any, images: dict[int, tuple[int, ...]]) -> str:
    """A weight of Keras's in torch's numbers."""
    for name, t in there.items():
        found = way(t, a) if t.size == a.size else None
        if found is not None and not found.flipped and sorted(found.shape) == sorted(found.source):
            return found.told(f"weights[{name!r}]")
    for name, module in torch.module.named_modules():
        shape, of_module = images.get(id(module)), there.get(f"{name}.weight")
        # Behind a flattened image: (out, c h w) there, (h w c, out) here.
        if shape is not None and of_module is not None and of_module.size == a.size:
            t = of_module
            axes = (*range(2, 1 + len(shape)), 1, 0)
            turned = t.reshape(len(t), *shape).transpose(axes).reshape(a.shape)
            if np.array_equal(turned, a):
                of = f"weights[{f'{name}.weight'!r}].reshape({', '.join(map(str, (len(t), *shape)))})"
                return f"{of}.transpose({', '.join(map(str, axes))}).reshape({', '.join(map(str, a.shape))})"
    raise Unportable("a layer's weights lie in no simple way in the other's")


def _of_buffer(
    names: set[str], lines: list[str], side: dict[str | None, str], tensor: str, torch: Any, keras: Any, model: Any
) -> PortLines:
    layer, name = place(tensor).layer, tensor.rpartition(".")[2]
    if name != "running_mean":
        raise Unportable("a running variance differs, which torch has of the unbiased variance")
    reference = torch if side["torch"] == "reference" else keras
    other = keras if reference is torch else torch
    i = [known.name for known in reference.layers].index(layer)
    module = next(n for n, m in torch.module.named_modules() if m is torch._modules[i])
    own = (keras.layers[i].name, other.layers[i].name)
    at = next((k for k, known in enumerate(model.layers) if known.name in own), None)
    if at is None:
        raise Unportable(f"{layer} lies within another layer")
    outputs = {
        "torch": ["torch_model.train()", "torch_model(x_torch)", f"{{}} = torch_model.{module}.running_mean.numpy()"],
        "tensorflow": ["keras_model(x, training=True)", f"{{}} = keras_model.layers[{at}].get_weights()[-2]"],
    }
    return _sided(names, lines, side, outputs)
