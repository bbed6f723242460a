"""A network whose parameters, and after the way back their gradients too, are entries of one dictionary, beside finite differences.

`model = InitNN(num_inputs, num_hiddens, num_outputs)`, `var = NNForward(model, x)`, `NNBackward(model, err, var)`, which leaves
`model['dE_dW1']` and others. The output is an entry of `var`; `err` is the gradient by it, whatever the loss is.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.differences import Derived, ratio
from comparisons.check.source import syntax
from comparisons.check.styles.dictionary_pairs import BACK, DICTIONARY, DictionaryPair, forwards
from comparisons.check.styles.network_arguments import required, role
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
M, N, K = 5, 4, 3
NEAR = 1e-6
_OUTPUT = re.compile(r"y(_?(hat|pred\w*))?|out(put)?s?|logits?|scores?|pred\w*|z_?out|o", re.IGNORECASE)
_GRADIENT = re.compile(r"_?(dE_?d?|dL_?d?|dJ_?d?|dC_?d?|d_?|grads?_?|g_|delta_?|nabla_?)", re.IGNORECASE)
_MAKES = re.compile(r"(init|make|create|build|new|get)\w*", re.IGNORECASE)


@dataclass
class KeptInModel(DictionaryPair):
    """The two functions, with a dictionary that one of the file's functions has made.

    Attributes
    ----------
    others : dict
        Entries of the dictionary that are no arrays.
    output : str
        Which entry of what the forward function returns is the output.
    values : str
        The argument of the backward function that takes what the forward function has returned.
    """

    others: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    values: str = ""

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """The gradient by every parameter; what all have in common, such as the mean over examples, is left out."""
        found = list(super().derived(rng))
        alike = (d for d in found if d.subject.shape == d.reference.shape)
        ratios = [r for d in alike if (r := ratio(d)) is not None]
        counts = {r: sum(abs(other / r - 1) < NEAR for other in ratios) for r in ratios if r}
        common = max(counts, key=lambda r: (counts[r], abs(r - 1) < NEAR), default=0.0)
        if not common or (len(found) > 1 and counts[common] < 2):
            raise UserError(f"{self.backward} gives no gradients by this output")
        usual = any(abs(common * c - 1) < NEAR for c in (M, 2.0, 0.5))
        for d in found:
            yield replace(d, subject=d.subject / common) if usual else d

    def _model(self, params: dict[str, Array]) -> dict[str, Any]:
        return self.others | {n: a.copy() for n, a in params.items()}

    def _run(self, params: dict[str, Array]) -> list[Any]:
        f = self.file.namespace[self.forward]
        model = self._model(params)
        given = {p.name: model if DICTIONARY.fullmatch(p.name) else self.x.copy() for p in required(f)}
        var = self.file.call(f, **given)
        output = var.get(self.output) if isinstance(var, dict) else None
        if not isinstance(output, np.ndarray) or output.dtype.kind != "f" or not np.isfinite(output).all():
            raise UserError(f"{self.forward} returns no {self.output}")
        return [output, var]

    def _gradients(self, params: dict[str, Array], parts: list[Any], upstream: Array) -> dict[str, Any]:
        model = self._model(params)
        given: dict[str, Any] = {}
        for p in required(self.file.namespace[self.backward]):
            given[p.name] = model if DICTIONARY.fullmatch(p.name) else upstream.copy()
            if p.name == self.values:
                given[p.name] = parts[1]
        self.file.call(self.backward, **given)
        found = {}
        for key, value in model.items():
            name = _GRADIENT.sub("", str(key), count=1)
            if key not in params and name in params:
                found[name] = value
        return found


def find_kept_in_models(file: UserFile, functions: dict[str, Callable[..., Any]]) -> Iterator[KeptInModel]:
    """Such functions that run, each with the first dictionary and the first output under which gradients agree.

    Parameters
    ----------
    file : UserFile
    functions : dict of str to callable
        Those that belong to nothing else.
    """
    for backward, (model, values) in _keeping(file, functions).items():
        for forward in forwards(functions, backward):
            asked = [p.name for p in required(functions[forward])]
            if len(asked) == 2 and model in asked:
                yield from itertools.islice(_running(file, forward, backward, values), 1)


def _keeping(file: UserFile, functions: dict[str, Callable[..., Any]]) -> dict[str, tuple[str, str]]:
    """Backward functions that put entries into one of three arguments and read another one; both by the function's name."""
    found = {}
    for f in syntax(file).body:
        if not isinstance(f, ast.FunctionDef) or f.name not in functions or not BACK.search(f.name):
            continue
        names = [p.name for p in required(functions[f.name])]
        looked_up = [
            (n.value.id, isinstance(n.ctx, ast.Store))
            for n in ast.walk(f)
            if isinstance(n, ast.Subscript) and isinstance(n.value, ast.Name)
        ]
        kept = [n for n in names if DICTIONARY.fullmatch(n) and looked_up.count((n, True)) > 1]
        values = [n for n in names if n not in kept and looked_up.count((n, False)) > 1]
        if len(names) == 3 and len(kept) == len(values) == 1:
            found[f.name] = kept[0], values[0]
    return found


def _running(file: UserFile, forward: str, backward: str, values: str) -> Iterator[KeptInModel]:
    for made in _models(file):
        held = {n: np.asarray(a) for n, a in made.items() if isinstance(a, np.ndarray) and a.dtype.kind == "f"}
        others = {n: v for n, v in made.items() if n not in held}
        for x in _inputs():
            pair = KeptInModel(file, forward, backward, held, x, others, values=values)
            for output in _outputs(pair):
                pair.output = output
                try:
                    list(pair.derived(np.random.default_rng(23)))
                except (UserError, ValueError, TypeError, IndexError, KeyError):
                    continue
                yield pair


def _outputs(pair: KeptInModel) -> list[str]:
    """Entries that may be the output: by their names, then those that came last."""
    f = pair.file.namespace[pair.forward]
    model = pair._model(pair.held)
    try:
        var = pair.file.call(f, **{p.name: model if DICTIONARY.fullmatch(p.name) else pair.x for p in required(f)})
    except (UserError, ValueError, TypeError):
        return []
    if not isinstance(var, dict):
        return []
    names = [str(n) for n, v in var.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"]
    return sorted(names[:0:-1], key=lambda n: not _OUTPUT.fullmatch(n))


def _models(file: UserFile) -> Iterator[dict[str, Any]]:
    """Dictionaries with matrices that functions of sizes make."""
    for name, f in file.functions().items():
        asked = required(f)
        if not _MAKES.match(name) or not 0 < len(asked) < 6:
            continue
        lists = [_sizes(p) for p in asked]
        for sizes in itertools.islice(itertools.product(*lists), 24):
            np.random.seed(2)  # noqa: NPY002
            try:
                made = file.call(f, *sizes)
            except (UserError, ValueError, TypeError):
                continue
            if isinstance(made, dict) and any(isinstance(a, np.ndarray) and a.ndim > 1 for a in made.values()):
                yield made


def _sizes(p: inspect.Parameter) -> list[Any]:
    match role(p.name):
        case "input_size":
            return [N]
        case "output_size":
            return [K]
        case "hidden_size" if p.name.lower().endswith("s"):
            return [[6, 5], 6, [6], [6, 5, 4]]
        case "hidden_size":
            return [6, [6, 5]]
        case "sizes":
            return [[N, 6, 5, K], [N, 6, K]]
    return [2, 3]


def _inputs() -> list[Array]:
    rng = np.random.default_rng(3)
    return [rng.standard_normal((M, N)), rng.standard_normal((N, M)), rng.standard_normal((M, 8, 8, 2))]
