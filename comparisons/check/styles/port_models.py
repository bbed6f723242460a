"""Models of both frameworks in a file: classes, functions that build one, and those that statements of the script build."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import re
import sys
import types
import warnings
from collections.abc import Iterator
from typing import Any

from comparisons import ports
from comparisons.check.homes import source_tree
from comparisons.check.unit import UserError, UserFile

_MAKES = re.compile(r"\b(nn|layers|keras|Sequential|Module|Model|models)\b")
_DOES = re.compile(
    r"\.(fit|fit_generator|backward|load_state_dict|load_weights|train_on_batch|run)\(|\bDataLoader\(|load_data\("
)
_NEVER = ("compile", "fit", "evaluate", "predict", "summary", "save", "load", "load_weights", "load_state_dict", "load_model",
          "load_data", "cuda", "train_on_batch")  # fmt: skip
_COUNTING = ("range", "enumerate", "zip", "len", "int", "float", "list", "tuple", "str", "reversed")
_FRAMEWORKS = {"torch": "torch", "keras": "tensorflow", "tensorflow": "tensorflow", "tf_keras": "tensorflow"}
_USUAL: tuple[tuple[str, Any], ...] = (
    (r"(num|nb|n|no|number)_?(of_?)?(classes|class|labels|outputs|categories)|classes|labels|(out|output)(_?(dim|size|channels|features))?|tagset_size", 10),
    (r"(vocab|vocabulary)(_?(size|len))?|num_words|n_vocab|num_tokens|n_tokens|max_features|num_embeddings|input_vocab", 50),
    (r"(max_?|seq_?|input_?|sequence_?)(len|length)|maxlen|timesteps|n_steps|sequence_size", 12),
    (r"(hidden|emb|embed|embedding|word|latent|noise|z|model|lstm|code)(s?_?(dim|dims|size|units))?|nz|units|d_model|encoding_dim", 8),
    (r"ngf|ndf|filters|n_filters|num_filters|base_channels|features", 8),
    (r"(in|input|img|image)_?(channels?|ch|planes)|channels?|nc|c_in", 3),
    (r"(in|input|n)_?(dim|size|features)|n_in", 20),
    (r"(input|image|img|in)_?shape|shape", (32, 32, 3)),
    (r"p|drop(out)?(_?(rate|prob|p))?|rate", 0.5),
    (r"(up_?)?scale(_?factor)?|factor|ratio|reduction|expansion", 2),
    (r"(num|nb|n|no)_?(layers?|blocks?|heads?)|depth|n?_?heads?", 2),
    (r"(kernel|filter)_?(size)?|k|ks", 3),
)  # fmt: skip
"""Arguments that a file gives nowhere, by name: the same number for both models."""


def imports_both(file: UserFile) -> bool:
    """Whether a file imports both frameworks, be it inside a function."""
    tree = source_tree(file)
    modules = {
        name.partition(".")[0]
        for node in (ast.walk(tree) if tree is not None else ())
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""] if isinstance(node, ast.ImportFrom) else [])
    }  # fmt: skip
    found = {_FRAMEWORKS[m] for m in modules | ({"torch", "keras"} & sys.modules.keys()) if m in _FRAMEWORKS}
    return len(found) == 2


def models(file: UserFile, taken: frozenset[str]) -> Iterator[tuple[str, Any]]:
    """Names that give a model, with it; parts of another model and losses are left out."""
    parts, classes = _used_by_classes(file), set()
    for name in sorted(places(file), key=lambda n: not isinstance(file.namespace.get(n), type)):
        if name in taken or name in parts or type(file.namespace.get(name)) in classes:
            continue
        try:
            model = made(file, name)
        except UserError:
            continue
        if ports.framework(type(model)) is not None and _learns(model):
            classes.add(type(model))
            yield name, model


def places(file: UserFile) -> dict[str, int]:
    """Lines of what the file defines, and of the models that its script builds."""
    found = dict(file.own)
    for name, (line, _) in _scripted(file).items():
        found.setdefault(name, line)
    return found


def made(file: UserFile, name: str) -> Any:
    """The model of that name: as it is, of a class, or of a function that seems to make one."""
    scripted = _scripted(file)
    if name in scripted:
        return scripted[name][1]
    found = file.namespace.get(name)
    if not callable(found) or ports.framework(type(found)) is not None:
        return found
    if isinstance(found, type) and ports.framework(found) is None:
        return None
    if inspect.isfunction(found) and not _builds(file, name):
        return None
    given = _given(file, name, found)
    if given is None:
        return None
    if "keras" in sys.modules:
        # Layers without names get those that they have in a new program.
        sys.modules["keras"].backend.clear_session(free_memory=False)
    with warnings.catch_warnings(action="ignore"):
        returned = file.call(found, *given[0], **given[1])
    i = _whole(returned)
    return returned if i is None else returned[i]


def _whole(returned: Any) -> int | None:
    """Of several models that come back, such as an autoencoder with its two halves, the one with most weights."""
    if not isinstance(returned, tuple | list):
        return None
    weights = [_weights(m) if ports.framework(type(m)) is not None else -1 for m in returned]
    return max(range(len(weights)), key=weights.__getitem__) if max(weights, default=-1) > 0 else None


def _weights(model: Any) -> int:
    """How many arrays a model has."""
    return len(model.weights) if ports.framework(type(model)) == "tensorflow" else len(model.state_dict())


def guessed(file: UserFile, name: str) -> list[str]:
    """Arguments that the file nowhere gives and that were filled in by their names."""
    found = file.namespace.get(name)
    if not callable(found) or ports.framework(type(found)) is not None or _written(file, name, found) is not None:
        return []
    return [f"{p.name}={_usual(p.name)}" for p in _needed(found)]


def calls_to_make(file: UserFile, name: str) -> str | None:
    """An expression that gives the model, for lines of a test; None if there is none so short."""
    if name in _scripted(file):
        return None
    found = file.namespace.get(name)
    if not callable(found) or ports.framework(type(found)) is not None:
        return name
    args, kwargs = _given(file, name, found) or ((), {})
    i = _whole(file.call(found, *args, **kwargs))
    call = f"{name}({', '.join([*map(repr, args), *(f'{k}={v!r}' for k, v in kwargs.items())])})"
    return call if i is None else f"{call}[{i}]"


def source(file: UserFile, name: str) -> str:
    """Text of a function or class of the file; empty if there is none."""
    node = _definition(file, name)
    return ast.unparse(node) if node is not None else ""


def shapes(file: UserFile) -> list[tuple[int, ...]]:
    """Shapes that the file speaks of: `torch.randn(1, 3, 32, 32)`, `model.build((None, 28, 28, 1))`."""
    tree, found = source_tree(file), []
    if tree is None:
        return []
    known = _Constants(tree, file.namespace)
    for node in ast.walk(tree):
        listed = node.elts if isinstance(node, ast.Tuple | ast.List) else []
        if isinstance(node, ast.Call) and re.search(
            r"randn?$|zeros$|ones$|view$|reshape$|empty$", ast.unparse(node.func)
        ):
            listed = node.args
        if not 1 < len(listed) < 5:
            continue
        with contextlib.suppress(ValueError):
            shape = [known.value(n) for n in listed]
            if all(n is None or (isinstance(n, int) and n >= -1) for n in shape):
                found.append(tuple(1 if n in (None, -1) else n for n in shape))
    return list(dict.fromkeys(found))


def parameters(f: Any) -> list[inspect.Parameter]:
    """Of a function or class; none if it does not tell."""
    try:
        return list(inspect.signature(f).parameters.values())
    except (ValueError, TypeError):
        return []


def _learns(model: Any) -> bool:
    """Whether it is more than a loss or an activation: `criterion = nn.CrossEntropyLoss()` is a module too."""
    if ports.framework(type(model)) == "tensorflow":
        return bool(getattr(model, "layers", None))
    return next(iter(model.parameters()), None) is not None


def _needed(f: Any) -> list[inspect.Parameter]:
    return [p for p in parameters(f) if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def _builds(file: UserFile, name: str) -> bool:
    """Whether a function gives something back that a framework has to do with, and neither trains nor reads data."""
    node = _definition(file, name)
    if not isinstance(node, ast.FunctionDef):
        return False
    text = ast.unparse(node)
    returns = any(isinstance(n, ast.Return) and n.value is not None for n in ast.walk(node))
    return returns and bool(_MAKES.search(text)) and not _DOES.search(text)


def _given(file: UserFile, name: str, f: Any) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Arguments for one model: those the file gives it somewhere, else the usual ones."""
    if not (needed := _needed(f)):
        return (), {}
    written = _written(file, name, f)
    if written is not None:
        return written
    usual = {p.name: _usual(p.name) for p in needed}
    return None if any(value is None for value in usual.values()) else ((), usual)


def _usual(name: str) -> Any:
    return next((value for pattern, value in _USUAL if re.fullmatch(pattern, name.lower())), None)


def _written(file: UserFile, name: str, f: Any) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    """Arguments of a call somewhere in the file, of constants alone, that the function would take."""
    tree = source_tree(file)
    if tree is None:
        return None
    known = _Constants(tree, file.namespace)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name):
            continue
        try:
            args = tuple(known.value(a) for a in node.args)
            kwargs = {k.arg: known.value(k.value) for k in node.keywords if k.arg is not None}
            inspect.signature(f).bind(*args, **kwargs)
        except (ValueError, TypeError):
            continue
        return args, kwargs
    return None


class _Constants:
    """Values of expressions of constants, of names too that are given one anywhere in the file.

    Parameters
    ----------
    tree : ast.Module
    namespace : dict
        Of the file.
    """

    def __init__(self, tree: ast.Module, namespace: dict[str, Any]) -> None:
        self._namespace = namespace
        self._options = dict(_options(tree))
        self._assigned: dict[str, ast.expr] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._assigned.setdefault(node.targets[0].id, node.value)

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """What an expression is; ValueError if it is not of constants."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in self._options:
            return self._options[node.attr]
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
        calls = any(isinstance(n, ast.Call | ast.Await | ast.Yield) for n in ast.walk(node))
        if calls or depth > 3:
            raise ValueError("not of constants")
        there = {}
        for name in names:
            if name in self._namespace:
                there[name] = self._namespace[name]
            elif name in self._assigned:
                there[name] = self.value(self._assigned[name], depth + 1)
            else:
                raise ValueError(f"{name} is not known")
        try:
            value = eval(compile(ast.Expression(node), "<argument>", "eval"), {"__builtins__": {}}, there)
        except Exception as error:
            raise ValueError(str(error)) from error
        if isinstance(value, types.ModuleType | types.FunctionType):
            raise ValueError("no constant")
        return value


def _options(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    """Options of a command line, by attribute, with their defaults: `parser.add_argument("--scale", type=int, default=3)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            default = next((k.value for k in node.keywords if k.arg == "default"), None)
            names = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            long = [n.removeprefix("--").replace("-", "_") for n in names if n.startswith("--")]
            if long and isinstance(default, ast.Constant):
                yield long[0], default.value


def _scripted(file: UserFile) -> dict[str, tuple[int, Any]]:
    """Models that statements of the script build layer by layer, which are not run with the definitions."""
    key = (file.path, id(file.namespace))
    if key not in _SCRIPTED:
        _SCRIPTED.clear()
        _SCRIPTED[key] = {}
        with contextlib.suppress(UserError):
            _SCRIPTED[key] = file.call(functools.partial(_run_script, file))
    return _SCRIPTED[key]


_SCRIPTED: dict[tuple[str, int], dict[str, tuple[int, Any]]] = {}


def _run_script(file: UserFile) -> dict[str, tuple[int, Any]]:
    """Run what calls nothing but layers and models; `model = build()` of the file's own is found as `build`."""
    tree, found = source_tree(file), {}
    if tree is None:
        return {}
    namespace = dict(file.namespace)
    for statement in _script(tree):
        if not (isinstance(statement, ast.Assign | ast.Expr | ast.For) and _of_layers(statement, namespace)):
            continue
        code = compile(ast.Module([statement], []), file.path, "exec")
        with contextlib.suppress(Exception), warnings.catch_warnings(action="ignore"):
            exec(code, namespace)
            for target in getattr(statement, "targets", ()):
                name = getattr(target, "id", "")
                if ports.framework(type(namespace.get(name))) and namespace.get(name) is not file.namespace.get(name):
                    found[name] = statement.lineno
    there = file.namespace
    return {n: (line, namespace[n]) for n, line in found.items() if n not in there or not _learns(there[n])}


def _script(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of the top level, those under `if __name__ == "__main__"` too."""
    for statement in tree.body:
        main = isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test)
        yield from statement.body if isinstance(statement, ast.If) and main else [statement]


def _of_layers(statement: ast.stmt, namespace: dict[str, Any]) -> bool:
    """Whether every call of a statement is one of a framework's layers, tensors and models, and one at least is."""
    calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and ast.unparse(n.func) not in _COUNTING]
    if not calls:
        return False
    for call in calls:
        root: ast.expr = call.func
        if isinstance(root, ast.Attribute) and root.attr in _NEVER:
            return False
        while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
            root = root.func if isinstance(root, ast.Call) else root.value
        known = namespace.get(root.id) if isinstance(root, ast.Name) else None
        if not _of_framework(known):
            return False
    return True


def _of_framework(value: Any) -> bool:
    """Whether it is a module, class, function, layer or tensor of Keras or torch, or a list of such."""
    if isinstance(value, list | tuple):
        return all(map(_of_framework, value))
    where = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None) or ""
    where = where if isinstance(where, str) and where else type(value).__module__
    return where.partition(".")[0] in (*_FRAMEWORKS, "keras")


def _is_model(value: Any) -> bool:
    """Whether it is a class of a framework's layers or models."""
    return isinstance(value, type) and any(_of_framework(base) for base in value.__mro__[1:])


def _definition(file: UserFile, name: str) -> ast.stmt | None:
    tree = source_tree(file)
    return next((n for n in (tree.body if tree is not None else []) if getattr(n, "name", None) == name), None)


def _used_by_classes(file: UserFile) -> set[str]:
    """Names that another class of the file uses: blocks of a model rather than models."""
    tree, used = source_tree(file), set()
    for node in tree.body if tree is not None else []:
        if isinstance(node, ast.ClassDef) and _is_model(file.namespace.get(node.name)):
            used |= {
                n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name) and n.id != node.name
            }
    return used
