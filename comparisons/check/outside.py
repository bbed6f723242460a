"""What a layer has from outside before it runs: shapes, a learning rate, the network it stands in, which a container would set.

Looked at alone, such a layer has None there, or nothing. It is given what its name asks for; where that is not known, what its code
raises is no mistake of its author's.
"""

from __future__ import annotations

import ast
import difflib
import functools
import inspect
import linecache
import re
import textwrap
import traceback
from collections.abc import Iterator, Sequence
from typing import Any

EXAMPLE, BATCH = "example", "batch"
"""A shape is that of one example, or that of the whole input."""
_SHAPE = re.compile(r"(in(put)?s?|prev(ious)?|x|prior)_?(shapes?|dims?|dimensions?)|(shapes?|dims?)_?(in(put)?|prev)?|"
                    r"(in(put)?|prev(ious)?)_?(size|units|nodes|neurons)")  # fmt: skip
_RESULT = re.compile(r"out(put)?s?_?(shapes?|dims?|dimensions?|size)|(shapes?|dims?)_?out(put)?")
_WIDTH = re.compile(r"(n|num|nb|no)_?(of_?)?(in(put)?s?|prev|features?)(_?(units|features|nodes|neurons|dims?))?|fan_?in|"
                    r"(in(put)?s?|prev(ious)?)_?(size|dims?|units|nodes|neurons|features|width|len(gth)?|n|num|layer_?size)|d_?in|dim_?in")  # fmt: skip
_RATE = re.compile(r"lr|learning_?rate|eta|alpha|step_?size|learn_?rate|l_?rate")
_OPTIMIZER = re.compile(r"\w*(optimi[sz]er|optim|_opt|solver|updater)|opt")
_NETWORK = re.compile(r"(neural_?)?(net|network|nn|model|parent|container|owner|graph)")
_TRAINING = re.compile(r"(is_?)?(train|training|trainable)(_?(mode|flag|flg))?")
_COUNT = re.compile(r"batch_?size|m|n_?samples|num_?examples")
_DECAY = re.compile(r"(l[12]|reg\w*|lambd\w*|weight_?decay|lam|decay|momentum)")
_NEIGHBOUR = re.compile(
    r"(prev|previous|next|before|after|below|above|upstream|downstream|left|right)(_?layer)?|layer_?(before|after)"
)
_KNOWN = (_SHAPE, _RESULT, _WIDTH, _RATE, _OPTIMIZER, _NETWORK, _TRAINING, _COUNT, _DECAY, _NEIGHBOUR)


@functools.cache
def _tree(cls: type) -> ast.ClassDef | None:
    try:
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    except (OSError, TypeError, SyntaxError, ValueError, IndexError):
        return None
    return body if isinstance(body, ast.ClassDef) else None


@functools.cache
def _methods(cls: type) -> dict[str, ast.FunctionDef]:
    """The methods that objects of a class have, as they are written."""
    found: dict[str, ast.FunctionDef] = {}
    for base in cls.__mro__[:-1]:
        body = _tree(base)
        for node in body.body if body is not None else ():
            if isinstance(node, ast.FunctionDef):
                found.setdefault(node.name, node)
                found.setdefault(f"{base.__name__}.{node.name}", node)
    return found


def _self(f: ast.FunctionDef) -> str:
    return f.args.args[0].arg if f.args.args else ""


def _own(f: ast.FunctionDef) -> Iterator[ast.Attribute]:
    """Attributes of the object that a method speaks of."""
    me = _self(f)
    for node in ast.walk(f):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me:
            yield node


@functools.cache
def _reached(cls: type, first: tuple[str, ...]) -> frozenset[str]:
    """Methods that run when an object is made and when these are called; constructors of its bases included."""
    methods = _methods(cls)
    waiting = [*first, *(n for n in methods if n.rpartition(".")[2] in ("__init__", "__new__", "__post_init__"))]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found or name not in methods:
            continue
        found.add(name)
        waiting += [node.attr for node in _own(methods[name])]
    return frozenset(found)


def _stores(f: ast.FunctionDef) -> Iterator[str]:
    """Attributes of the object to which a method gives a value that is not None."""
    me, nothing = _self(f), set[int]()
    for node in ast.walk(f):
        for target, value in _assignments(node):
            if value is None or (isinstance(value, ast.Constant) and value.value is None):
                nothing |= {id(a) for a in ast.walk(target)}
        if isinstance(node, ast.AugAssign):
            nothing.add(id(node.target))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            yield "*"
    for node in _own(f):
        if isinstance(node.ctx, ast.Store) and id(node) not in nothing:
            yield node.attr
    if any(isinstance(n, ast.Attribute) and n.attr == "__dict__" for n in ast.walk(f)) and me:
        yield "*"


def _assignments(node: ast.AST) -> Iterator[tuple[ast.expr, ast.expr | None]]:
    """Targets of an assignment, each with its value; those of a tuple one by one."""
    if isinstance(node, ast.AnnAssign):
        yield node.target, node.value
    for target in node.targets if isinstance(node, ast.Assign) else ():
        assert isinstance(node, ast.Assign)
        pairs = (target, node.value)
        if all(isinstance(p, ast.Tuple) for p in pairs) and len(target.elts) == len(node.value.elts):  # type: ignore[attr-defined]
            yield from zip(target.elts, node.value.elts, strict=True)  # type: ignore[attr-defined]
        else:
            yield pairs


@functools.cache
def awaited(cls: type, passes: tuple[str, ...]) -> frozenset[str]:
    """Attributes that the class reads and that neither its constructor nor its passes set.

    Parameters
    ----------
    cls : type
    passes : tuple of str
        Names of its forward method, then of its backward method.
    """
    methods, ahead, ran = _methods(cls), _reached(cls, passes[:1]), _reached(cls, passes)
    early, late = ({name for m in some for name in _stores(methods[m])} for some in (ahead, ran))
    if "*" in late:
        return frozenset()
    preparing = {m for m in methods if m not in ran and any(True for _ in _stores(methods[m]))}
    # What only the backward pass sets comes too late for the others: weights that it moves.
    read = {n for n in _read(cls, ahead | preparing) if n not in early}
    read |= {n for n in _read(cls, ran - ahead) if n not in late}
    own = {a.attr for f in methods.values() for a in _own(f) if isinstance(a.ctx, ast.Store)}
    slips = {n for n in read - own if difflib.get_close_matches(n, own, cutoff=0.85)}
    return frozenset(n for n in read - slips if getattr(cls, n, None) is None)


def _read(cls: type, names: frozenset[str] | set[str]) -> set[str]:
    methods = _methods(cls)
    return {a.attr for m in names for a in _own(methods[m]) if isinstance(a.ctx, ast.Load)}


def lacking(thing: Any, passes: tuple[str, ...]) -> list[str]:
    """Those of them that an object does not have yet."""
    cls: type = type(thing)
    return sorted(n for n in awaited(cls, passes) if _none(thing, n))


def _none(thing: Any, name: str) -> bool:
    """Whether an object has nothing there; a property is not asked."""
    return inspect.getattr_static(type(thing), name, None) is None and getattr(thing, "__dict__", {}).get(name) is None


def preparers(thing: Any, passes: tuple[str, ...]) -> list[str]:
    """Methods beside the passes that set something that is lacking."""
    cls: type = type(thing)
    missing = set(lacking(thing, passes))
    methods, ran = _methods(cls), _reached(cls, passes)
    return [
        m for m in methods if "." not in m and m not in ran and m[:2] != "__" and missing & set(_stores(methods[m]))
    ]


def shaped(cls: type, passes: tuple[str, ...]) -> bool:
    """Whether a class waits for a shape, which may be that of an example or of a batch."""
    return any(
        (_SHAPE.fullmatch(n.lower()) or _RESULT.fullmatch(n.lower())) and _is_tuple(cls, n)
        for n in awaited(cls, passes)
    )


def furnish(
    thing: Any, passes: tuple[str, ...], shapes: tuple[tuple[int, ...], tuple[int, ...]], m: int, optimizer: Any
) -> None:
    """Give an object what it lacks and what its name tells.

    Parameters
    ----------
    thing : object
        Is changed.
    passes : tuple of str
    shapes : (tuple of int, tuple of int)
        Of its input and of its output, as the code is to have them.
    m : int
        Number of examples.
    optimizer : object
    """
    for name in lacking(thing, passes):
        value = _value(type(thing), name, shapes, m, optimizer)
        if value is not None:
            setattr(thing, name, value)


def _value(cls: type, name: str, shapes: tuple[tuple[int, ...], tuple[int, ...]], m: int, optimizer: Any) -> Any:
    lower = name.lower().strip("_")
    for pattern, shape in ((_RESULT, shapes[1]), (_SHAPE, shapes[0])):
        if shape and pattern.fullmatch(lower) and _is_tuple(cls, name):
            return tuple(shape)
    if _RESULT.fullmatch(lower) and shapes[1]:
        return _width(shapes[1])
    if (_WIDTH.fullmatch(lower) or _SHAPE.fullmatch(lower)) and shapes[0]:
        return _width(shapes[0])
    for pattern, value in ((_RATE, 1.0), (_TRAINING, True), (_COUNT, m), (_DECAY, 0.0)):
        if pattern.fullmatch(lower):
            return value
    if _OPTIMIZER.fullmatch(lower):
        return optimizer
    if _NETWORK.fullmatch(lower):
        return Surroundings(m)
    return None


def _width(shape: tuple[int, ...]) -> int:
    """The number of features, wherever the examples lie."""
    size = 1
    for n in shape:
        size *= n
    return size


class Surroundings:
    """The network in which a layer stands, as far as the layer asks for it."""

    def __init__(self, m: int) -> None:
        self.training = self.train = self.is_training = self.train_mode = True
        self.lr = self.learning_rate = self.eta = self.alpha = 1.0
        self.batch_size = self.m = m
        self.l1 = self.l2 = self.reg = self.weight_decay = self.momentum = 0.0


def neighbour(cls: type, shape: tuple[int, ...], m: int) -> Any:
    """What may stand for a layer before or after, or for the network, as a method that connects layers is given them.

    It has what the class asks of such names: a width, a shape, or a method that gives one.
    """
    made = Surroundings(m)
    for f in _methods(cls).values():
        called = {id(n.func) for n in ast.walk(f) if isinstance(n, ast.Call)}
        for node in ast.walk(f):
            if not isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load) or hasattr(made, node.attr):
                continue
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if not neighbourly(owner):
                continue
            value = tuple(shape) if "shape" in node.attr.lower() or _is_tuple(cls, node.attr) else _width(shape)
            setattr(made, node.attr, (lambda *a, v=value, **k: v) if id(node) in called else value)
    return made


def neighbourly(name: str) -> bool:
    """Whether a name is one for a layer beside, or for the network."""
    lower = name.lower().strip("_")
    return bool(_NEIGHBOUR.fullmatch(lower) or _NETWORK.fullmatch(lower))


def _is_tuple(cls: type, name: str) -> bool:
    """Whether the code takes an attribute for several numbers: by an index, a star, a loop, next to a tuple, in `np.prod`."""
    for f in _methods(cls).values():
        for node in ast.walk(f):
            inner: Sequence[ast.AST] = ()
            if isinstance(node, ast.Subscript | ast.Starred):
                inner = [node.value]
            elif isinstance(node, ast.For | ast.comprehension):
                inner = [node.iter]
            elif isinstance(node, ast.Assign) and any(isinstance(t, ast.Tuple) for t in node.targets):
                inner = [node.value]
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
                sides = [node.left, node.right]
                inner = sides if any(isinstance(s, ast.Tuple) or "tuple(" in ast.unparse(s) for s in sides) else []
            elif isinstance(node, ast.Call) and re.search(
                r"(prod|len|tuple|list|reshape|product|Size)$", ast.unparse(node.func)
            ):
                alone = not ast.unparse(node.func).endswith("reshape") or len(node.args) == 1 or "np." in ast.unparse(node.func)  # fmt: skip
                inner = list(node.args) if alone else []
            if any(isinstance(n, ast.Attribute) and n.attr == name for n in inner):
                return True
    return False


def lacked(error: BaseException) -> bool:
    """Whether the user's code raised because an object has nothing where a container would have put something.

    Parameters
    ----------
    error : BaseException
        What was raised, with its traceback.
    """
    if not isinstance(error, AttributeError | TypeError | ValueError | IndexError):
        return False
    found = error.__traceback__
    frames = []
    while found is not None:
        frames.append(found)
        found = found.tb_next
    for tb in reversed(frames):
        code = tb.tb_frame.f_code
        me = tb.tb_frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        cls: type = type(me)
        if cls.__module__.startswith("comparisons."):
            return False  # from here on it is backproof that calls
        if me is None or isinstance(me, type) or not hasattr(me, "__dict__") or code.co_name not in _methods(cls):
            continue
        summary = traceback.extract_tb(tb)[0]
        return _lacked(error, me, code.co_name, code.co_filename, summary)
    return False


def _lacked(error: BaseException, me: Any, method: str, path: str, at: traceback.FrameSummary) -> bool:
    first, last = at.lineno or 0, at.end_lineno or at.lineno or 0
    text = "".join(linecache.getline(path, n) for n in range(first, last + 1))
    named = set(re.findall(r"\bself\.(\w+)", text))
    for name in lacking(me, _passes(type(me)) or (method,)):
        if name in me.__dict__ and (name in named or "NoneType" in str(error)):
            return True
        if name in named and _from_elsewhere(type(me), name, path):
            return True
    return False


def _passes(cls: type) -> tuple[str, ...]:
    from comparisons.check.objects import BACKWARD, FORWARD, method

    return tuple(dict.fromkeys(n for n in (method(cls, FORWARD), method(cls, BACKWARD)) if n))


def _from_elsewhere(cls: type, name: str, path: str) -> bool:
    """Whether something else than the passes of a class gives this attribute: another method, code around it, or so its name says."""
    if any(p.fullmatch(name.lower().strip("_")) for p in _KNOWN) or any(_tree(b) is None for b in cls.__mro__[:-1]):
        return True
    if any(name in _stores(f) for f in _methods(cls).values()):
        return True
    text = "".join(linecache.getlines(path))
    return bool(re.search(rf"(?<!self)(?<!\w)\w*[\w\])]\.{name}\s*=[^=]|setattr\([^\n]*['\"]{name}['\"]", text))
