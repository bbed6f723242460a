"""Calling functions whose arguments have other names and another order in every file, and reading what they return.

A *role* is what an argument or a returned value means: `x`, `W`, `b`, `cache`, ... Every role has a number of usual names; where
none fits, the documented order decides.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from comparisons.check.unit import UserError, UserFile, called


class Unbound(UserError):
    """A function wants something that nothing here knows: it is not understood, which is no mistake of its author's."""


class Unfinished(Unbound):
    """A function's result is still None: an exercise that was left out."""


Array = np.ndarray
Aliases = Mapping[str, tuple[str, ...]]

ALIASES: dict[str, tuple[str, ...]] = {
    "x": ("x", "xin", "inp", "input", "inputs", "inputdata", "data", "a", "aprev", "ain", "z", "xt", "feature", "features", "h"),
    "W": ("w", "weight", "weights", "theta", "kernel", "kernels", "filter", "filters", "wl"),
    "b": ("b", "bias", "biases", "bl"),
    "gamma": ("gamma", "g", "scale"),
    "beta": ("beta", "shift"),
    "upstream": ("dout", "dy", "dz", "da", "delta", "grad", "gradout", "gradoutput", "upstream", "douts", "dnext", "dl", "dh"),
    "cache": ("cache", "caches", "cached", "context", "ctx", "saved", "linearcache", "activationcache", "memory"),
    "parameters": ("parameters", "params", "param", "p", "weights", "theta"),
    "grads": ("grads", "gradients", "grad", "dparams", "g", "gradient"),
    "learning_rate": ("learningrate", "lr", "alpha", "eta", "rate", "stepsize"),
    "Y": ("y", "labels", "label", "target", "targets", "ytrue", "t", "ytrain", "trainy", "trainlabels"),
}  # fmt: skip
"""Usual names of each role, in lower case without underscores."""


def source_of(thing: Any) -> str:
    """Source text; empty if there is none."""
    try:
        return inspect.getsource(thing)
    except (OSError, TypeError):
        return ""


def plain(name: str) -> str:
    """A name as it is compared with others: `dA_prev` becomes `daprev`."""
    return name.lower().replace("_", "")


def parameters(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """What a function takes by name or place."""
    try:
        found = inspect.signature(f).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def required(f: Callable[..., Any]) -> int:
    """Number of arguments without a default."""
    return sum(p.default is p.empty for p in parameters(f))


def bound(f: Callable[..., Any], roles: Mapping[str, Any], aliases: Aliases | None = None) -> dict[str, Any]:
    """Which argument gets which value.

    Parameters
    ----------
    f : callable
    roles : dict
        Value of each role, in the documented order of the arguments. A role that is itself the argument's name fits first.
    aliases : dict, optional
        Further names of roles, which come before the usual ones.

    Returns
    -------
    dict
        Keyword arguments. An argument that no role fits gets the next role left, if it has no default; targets are no upstream gradient,
        and a dictionary goes only where something is taken out of it.

    Raises
    ------
    Unbound
        If something that `f` cannot do without is not among the roles.
    """
    names = (aliases or {}, ALIASES)
    left, given, unmet = dict(roles), {}, []
    for p in parameters(f):
        role = _fitting(p.name, left, names)
        if role is not None:
            given[p.name] = left.pop(role)
        elif p.default is p.empty:
            unmet.append(p.name)
    for name in unmet:
        role = next((r for r, v in left.items() if not isinstance(v, dict) or _looked_into(f, name)), None)
        if role is None or (role == "upstream" and plain(name) in ALIASES["Y"]):
            raise Unbound(f"{called(f)} takes an argument {name!r} that is not known")
        given[name] = left.pop(role)
    return given


def _looked_into(f: Callable[..., Any], name: str) -> bool:
    """Whether a function takes something out of an argument, as out of a dictionary, or its source is not at hand."""
    body = tree(f)
    if body is None:
        return True
    opened = (n.value for n in ast.walk(body) if isinstance(n, ast.Subscript | ast.Attribute))
    return any(isinstance(n, ast.Name) and n.id == name for n in opened)


def _fitting(name: str, roles: Iterable[str], names: Iterable[Aliases]) -> str | None:
    roles, wanted = list(roles), plain(name)
    for role in roles:
        if plain(role) == wanted:
            return role
    for aliases in names:
        for role in roles:
            if wanted in aliases.get(role, ()):
                return role
    return None


def returned(f: Callable[..., Any]) -> list[str]:
    """Names in the tuple that a function returns last, of `dw / N` that of the gradient, as far as they tell; empty if it is none."""
    body = tree(f)
    found = [n.value for n in ast.walk(body) if isinstance(n, ast.Return)] if body else []
    tuples = [v for v in found if isinstance(v, ast.Tuple)]
    return [_meant(e) for e in tuples[-1].elts] if tuples else []


def _meant(e: ast.expr) -> str:
    """A name, or the only one of a gradient in an expression."""
    names = {n.id for n in ast.walk(e) if isinstance(n, ast.Name)}
    gradients = [n for n in names if re.match(r"d[A-Za-z_]|grad", n)]
    return e.id if isinstance(e, ast.Name) else gradients[0] if len(gradients) == 1 else ""


def tree(f: Callable[..., Any]) -> ast.AST | None:
    """Syntax tree of a function; None where its source is not at hand."""
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(f)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


def strings(f: Any) -> set[str]:
    """Texts in a function's source, and the names of its arguments."""
    body = tree(f) if callable(f) else None
    if body is None:
        return set()
    texts = {n.value for n in ast.walk(body) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    return texts | {p.name for p in parameters(f)}


def gradients(
    f: Callable[..., Any], result: Any, order: tuple[str, ...], aliases: Aliases | None = None
) -> dict[str, Any]:
    """What a backward function returned, by role.

    Parameters
    ----------
    f : callable
    result : object
        A dictionary by name, a tuple, or a single array.
    order : tuple of str
        The documented order of the roles.
    aliases : dict, optional
        Names of the roles, as in `bound`.
    """
    if isinstance(result, dict):
        return _by_name(dict(result), order, aliases)
    if not isinstance(result, tuple | list):
        return {order[0]: result}
    if isinstance(result, list) and len(order) == 1:
        return {order[0]: result}
    names = returned(f)
    if len(names) == len(result):
        found = _by_name(dict(zip(names, result, strict=True)), order, aliases)
        if len(found) == min(len(result), len(order)):
            return found
    return dict(zip(order, result, strict=False))


def _by_name(values: dict[str, Any], order: tuple[str, ...], aliases: Aliases | None) -> dict[str, Any]:
    left, found = list(order), {}
    for name, value in values.items():
        of = plain(str(name))
        for prefix in ("gradient", "grad", "d", ""):
            role = _fitting(of.removeprefix(prefix), left, (aliases or {}, ALIASES)) if of.startswith(prefix) else None
            if role is not None:
                left.remove(role)
                found[role] = value
                break
    return found


def array(value: Any, what: str) -> Array:
    """A number or nested list as an array.

    Raises
    ------
    Unfinished
        If it is None.
    UserError
        If it is nothing to calculate with.
    """
    if value is None:
        raise Unfinished(f"{what} is None")
    try:
        a = np.asarray(value)
    except ValueError as error:
        raise UserError(f"{what} is no array: {error}") from error
    if a.dtype == bool or a.dtype.kind in "iu":
        return a.astype(np.float64)  # whole numbers are numbers
    if a.dtype.kind != "f":
        raise UserError(f"{what} is of type {type(value).__name__}, not an array of numbers")
    return a


def shaped(a: Array, shape: tuple[int, ...]) -> Array:
    """The same elements in this shape, where only axes of length 1 differ; the array itself otherwise."""
    same = [n for n in a.shape if n != 1] == [n for n in shape if n != 1]
    return a.reshape(shape) if same else a


def first(result: Any) -> Any:
    """The output that a forward function returns alone or before its cache."""
    return result[0] if isinstance(result, tuple | list) and len(result) > 0 else result


def quiet(file: UserFile, f: str, argument: str) -> None:
    """Forget that a function changed an argument that it is meant to change."""
    file.mutated -= {told for told in file.mutated if told.startswith(f"{f} ") and f" {argument} " in told}
