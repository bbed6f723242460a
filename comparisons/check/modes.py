"""Training and evaluation: whether a user's code knows the difference, and how it is told."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

from comparisons.check.calling import parameters, plain, tree
from comparisons.check.outside import Surroundings, neighbourly
from comparisons.check.unit import UserFile

TRAINING = (
    "training",
    "train",
    "istraining",
    "trainflg",
    "trainflag",
    "trainmode",
    "istrain",
    "phasetrain",
    "trainablemode",
)
EVALUATING = ("test", "testing", "istest", "inference", "evaluate", "testmode", "evaluation", "evalmode", "deterministic", "predict",
              "prediction", "predicting", "isprediction", "infer", "isinference")  # fmt: skip
"""Names of switches, as `calling.plain` has them."""
_CHOICES = {
    True: ("train", "training"),
    False: ("test", "eval", "evaluation", "inference", "testing", "predict", "infer"),
}
_ATTRIBUTES = ("mode", "phase", "state")


def switches(f: Callable[..., Any], training: bool) -> dict[str, Any]:
    """Arguments of a function that choose between training and evaluation."""
    found: dict[str, Any] = {}
    for p in parameters(f)[1:]:
        if plain(p.name) in TRAINING:
            found[p.name] = training
        elif plain(p.name) == "mode" and isinstance(p.default, str):
            found[p.name] = choice(f, training)
        elif plain(p.name) in EVALUATING:
            found[p.name] = not training
    return found


def choice(code: Any, training: bool) -> str:
    """The word for a mode that a function or class asks for; the usual one if it asks for none."""
    body = tree(code)
    words = (
        {n.value for n in ast.walk(body) if isinstance(n, ast.Constant) and isinstance(n.value, str)} if body else set()
    )
    return next((word for word in _CHOICES[training] if word in words), _CHOICES[training][0])


def turn(thing: Any, training: bool) -> None:
    """Tell an object by what it keeps: a switch, a word, or methods called as torch's are."""
    for name, value in list(vars(thing).items()):
        if isinstance(value, bool) and plain(name) in TRAINING:
            setattr(thing, name, training)
        elif isinstance(value, bool) and plain(name) in EVALUATING:
            setattr(thing, name, not training)
        elif isinstance(value, Surroundings):
            turn(value, training)
        elif plain(name) in _ATTRIBUTES and value in (*_CHOICES[True], *_CHOICES[False]):
            setattr(thing, name, choice(type(thing), training))
    for name in dir(type(thing)):
        if name not in vars(thing) and plain(name) in (*TRAINING, *EVALUATING) and _settable(type(thing), name):
            setattr(thing, name, training == (plain(name) in TRAINING))


def _settable(cls: type, name: str) -> bool:
    """Whether a class has a switch: a truth value that all its objects share, or a property that can be set."""
    found = inspect.getattr_static(cls, name)
    return isinstance(found, bool) or (isinstance(found, property) and found.fset is not None)


def told_apart(cls: type, forward: str) -> bool:
    """Whether a layer class knows training and evaluation: an argument of its forward pass, or something of its own, says which it is."""
    if switches(getattr(cls, forward), True):
        return True
    body = tree(cls)
    if body is None:
        return False
    own = [n for n in ast.walk(body) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)]
    return any(plain(n.attr) in (*TRAINING, *EVALUATING, *_ATTRIBUTES) and _is_self(n.value) for n in own)


def _is_self(node: ast.expr) -> bool:
    """The object, or the network that it stands in."""
    if isinstance(node, ast.Attribute):
        return neighbourly(node.attr) and _is_self(node.value)
    return isinstance(node, ast.Name) and node.id == "self"


def function_told_apart(file: UserFile, name: str) -> bool:
    """Whether a function is told if it is training: by an argument, or by `mode` in a dictionary, which it may hand on."""
    own = file.functions()
    text = _words(file.namespace[name])
    handed = [word for n in own if n in text and n != name for word in _words(own[n])]
    return any(plain(word) in (*TRAINING, *EVALUATING, "mode") for word in (*text, *handed))


def _words(f: Any) -> list[str]:
    """Names in a function, and texts that are one word: keys of dictionaries."""
    body = tree(f)
    nodes = list(ast.walk(body)) if body is not None else []
    names = [n.id if isinstance(n, ast.Name) else n.arg for n in nodes if isinstance(n, ast.Name | ast.arg)]
    return names + [
        n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value.isidentifier()
    ]
