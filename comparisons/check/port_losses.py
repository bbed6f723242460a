"""The losses that a file trains the two models of a port with, as functions of a model's output and of labels.

A torch module that ends in a softmax and is trained with `nn.CrossEntropyLoss`, which has its own, gives the same predictions as its
Keras model and learns something else. Nothing is trained: what `compile` was given and what the file calls as its criterion are
evaluated on numbers.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.check.homes import source_tree
from comparisons.check.unit import UserError, UserFile
from comparisons.port_ends import Losses, PortLoss
from comparisons.ports import framework

Array = np.ndarray
_TORCH = re.compile(r"(?:\w+\.)*(?P<name>CrossEntropyLoss|NLLLoss|BCELoss|BCEWithLogitsLoss|MSELoss|L1Loss|cross_entropy|nll_loss|"
                    r"binary_cross_entropy|binary_cross_entropy_with_logits|mse_loss|l1_loss)")  # fmt: skip
_TARGETS = (
    (r"sparse", "labels"),
    (r"binary|^bce", "bits"),
    (r"cross_?entropy|nll", "labels"),
    (r"mse|mae|mean_?squared|mean_?absolute|^l1", "numbers"),
)
_WANTS = (
    (r"logits|CrossEntropyLoss|F\.cross_entropy|functional\.cross_entropy|^cross_entropy", ""),
    (r"nll", "log_softmax"),
    (r"binary|bce", "sigmoid"),
    (r"cross_?entropy", "softmax"),
    (r"", ""),
)


@dataclass(frozen=True)
class _Told:
    """A loss as the file writes it, and what it is compared with: `labels`, `bits` or `numbers`."""

    text: str
    targets: str
    of: Callable[[Array, Array], float]

    def loss(self) -> PortLoss:
        """With the end that it wants, which its name tells."""
        return PortLoss(self.text, self.of, next(end for pattern, end in _WANTS if re.search(pattern, self.text, re.I)))


def losses(file: UserFile, subject: Any, reference: Any) -> Losses | None:
    """Losses of both models, if the file tells one for each and they are asked for the same thing; see `comparisons.ports`.

    Parameters
    ----------
    file : UserFile
    subject, reference : torch.nn.Module or keras.Model
    """
    told = [_torch(file) if framework(type(m)) == "torch" else _keras(file, m) for m in (subject, reference)]
    ours, theirs = told
    if ours is None or theirs is None or ours.targets != theirs.targets:
        return None
    return Losses(ours.loss(), theirs.loss(), ours.targets)


def _targets(name: str) -> str:
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return next((targets for pattern, targets in _TARGETS if re.search(pattern, plain)), "")


def _calls(file: UserFile, name: re.Pattern[str]) -> list[ast.Call]:
    tree = source_tree(file)
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Call)] if tree is not None else []
    return [call for call in found if name.fullmatch(ast.unparse(call.func))]


def _torch(file: UserFile) -> _Told | None:
    """The only criterion of the file: `nn.CrossEntropyLoss()`, `F.cross_entropy(out, y)`."""
    calls = {ast.unparse(c.func): c for c in _calls(file, _TORCH)}
    if len(calls) != 1:
        return None
    text, call = next(iter(calls.items()))
    name = text.rpartition(".")[2]
    import torch

    try:
        made = _evaluated(file, call) if name.endswith("Loss") else getattr(torch.nn.functional, name)
    except UserError:
        return None
    targets = _targets(name)

    def of(output: Array, wanted: Array) -> float:
        return float(made(torch.from_numpy(output), torch.from_numpy(wanted)))

    return _Told(ast.unparse(call) if name.endswith("Loss") else text, targets, of)


def _keras(file: UserFile, model: Any) -> _Told | None:
    """What the model, or the only `compile` of the file, was given as loss."""
    import keras

    given = getattr(model, "loss", None)
    if given is None:
        calls = _calls(file, re.compile(r".*\.compile"))
        values = [k.value for c in calls for k in c.keywords if k.arg == "loss"]
        if len(calls) != 1 or len(values) != 1:
            return None
        try:
            given = _evaluated(file, values[0])
        except UserError:
            return None
    if not (isinstance(given, str) or callable(given)):
        return None
    made = keras.losses.get(given)
    name = given if isinstance(given, str) else getattr(given, "__name__", None) or type(given).__name__
    targets = _targets(name)
    with_logits = bool(getattr(made, "_fn_kwargs", {}).get("from_logits"))
    one_hot = targets == "labels" and "sparse" not in name.lower()

    def of(output: Array, wanted: Array) -> float:
        wanted = np.eye(output.shape[1])[wanted] if one_hot else wanted
        return float(np.mean(np.asarray(made(wanted, output))))

    return _Told(name + (" from logits" if with_logits else ""), targets, of)


def _evaluated(file: UserFile, node: ast.expr) -> Any:
    """The value of an expression of the file's."""
    code = compile(ast.Expression(node), file.path, "eval")

    def value() -> Any:
        return eval(code, dict(file.namespace))

    return file.call(value)
