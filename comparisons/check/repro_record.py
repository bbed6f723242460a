"""Writing down what the user's code is asked to do, as Python that asks it again: the worker's half of a reproduction.

Every call is a statement. What is handed over is written as the result of an earlier call where it is one (or equals one), else as
numbers. What is set on the user's objects between two calls is found by comparing them before and after.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import linecache
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from comparisons.check.calling import tree

Array = np.ndarray
DEPTH = 5
MOST_STEPS = 300
"""Calls after which a reproduction would be of no use."""
SIMPLE = (bool, int, float, str, type(None))
DRAWING = ("rand", "random", "random_sample", "ranf", "sample", "uniform", "binomial", "choice")
RESERVED = {"np", "torch", "F", "test", "mock", "draws", "expected", "actual", "before", "monkeypatch"}
_RAND = np.random.rand


class Unwritable(Exception):
    """Something is handed to the code that cannot be written down; one line."""


@dataclass
class Step:
    """One statement, or a few that belong together.

    Attributes
    ----------
    lines : list of str
    defines, uses, touches : set of str
        Variables that it sets, that it reads, and whose contents it may change.
    found : dict of str to ndarray
        What is there afterwards and was not before: arrays by the expression that gives them.
    moved : dict of str to ndarray
        For those that were there before: what they were.
    """

    lines: list[str]
    defines: set[str] = field(default_factory=set)
    uses: set[str] = field(default_factory=set)
    touches: set[str] = field(default_factory=set)
    found: dict[str, Array] = field(default_factory=dict)
    moved: dict[str, Array] = field(default_factory=dict)


@dataclass
class Recording:
    """All that was asked of the user's code in one run.

    Attributes
    ----------
    steps : list of Step
    literals : dict of str to ndarray
        Arrays of ours, by the variable that holds them.
    names, there : set of str
        Names of the file that are used, and all that it has.
    numbers : dict of str to float
        Global numbers of the file as they are at the first call: the count of examples is often one.
    raised : bool
        Whether the last step raised.
    seeded : bool
        Whether numbers were drawn that are not ours.
    problem : str
        Why it cannot be written down.
    """

    steps: list[Step] = field(default_factory=list)
    literals: dict[str, Array] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    there: set[str] = field(default_factory=set)
    numbers: dict[str, float] = field(default_factory=dict)
    raised: bool = False
    seeded: bool = False
    problem: str = ""


class Recorder:
    """Listens to `UserFile.call`.

    Parameters
    ----------
    namespace : dict
        Global names of the user's file.
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.recording = Recording(there=set(namespace))
        self._roots: dict[str, Any] = {}
        self._literals: list[tuple[str, Any, Array]] = []
        self._held: dict[str, tuple[Any, Any]] = {}
        self._lines: list[str] = []
        self._uses: set[str] = set()
        self._synchronising = False
        self._making: dict[int, str] = {}
        self._bodies: dict[str, dict[str, Any]] = {}
        self._of_bodies: set[str] = set()
        self._draws: list[tuple[str, Any]] = []
        self._own = {n: getattr(np.random, n) for n in DRAWING}
        np.random.seed(0)  # noqa: NPY002
        self._state = _drawn_so_far()

    # Asked by `UserFile.call`.

    def call(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the user's code and write that down."""
        step: Step | None = None
        if not self.recording.problem:
            try:
                step = self._begin(f, args, kwargs)
            except Unwritable as error:
                self.recording.problem = str(error)
            except Exception as error:  # never to be taken for an error of the user's
                self.recording.problem = f"it could not be written down ({type(error).__name__}: {error})"
        if step is None:
            return f(*args, **kwargs)
        self._draws.clear()
        restore = self._listen()
        try:
            result = f(*args, **kwargs)
        except BaseException:
            self.recording.raised = True
            self._finish(step, f, None)
            raise
        finally:
            restore()
        self._finish(step, f, result)
        return result

    def _begin(self, f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Step:
        if len(self.recording.steps) >= MOST_STEPS:
            raise Unwritable("too many calls")
        if not self.recording.steps:
            self.recording.numbers = {n: v for n, v in self.namespace.items() if type(v) in (int, float)}
        self._lines, self._uses = [], set()
        for name in self._of_bodies:  # a loop's variables are set anew
            self._roots.pop(name, None)
        self._of_bodies.clear()
        self._synchronise()
        if hasattr(f, "text") and hasattr(f, "namespace"):
            return self._body(f.text, f.namespace)
        what = self._callable(f)
        names = _positional(f)
        written = [self._argument(a, n) for a, n in zip(args, names + ["a"] * len(args), strict=False)]
        named = dict(kwargs)
        for name in names[len(args) :]:
            if name not in named:
                break
            written.append(self._argument(named.pop(name), name))
        written += [f"{name}={self._argument(a, name)}" for name, a in named.items()]
        text = f"{what}({', '.join(written)})"
        step = Step([*self._lines, text], uses=_names(text) | self._uses)
        step.defines |= {line.partition(" = ")[0] for line in self._lines if re.match(r"\w+ = ", line)}
        step.touches = {n for n in step.uses if n in self._roots}
        self._held = self._snapshot()
        return step

    def _body(self, text: str, namespace: dict[str, Any]) -> Step:
        """The body of a loop, with everything that it reads set before it, under the names that it has in the file."""
        stored = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
        used = sorted(stored & namespace.keys())
        if stored & RESERVED - {"np"}:
            raise Unwritable("the loop uses a name that the test needs")
        for name in used:
            value = namespace[name]
            if isinstance(value, ModuleType | FunctionType | type) or (
                name in self.namespace and callable(value) and self.namespace[name] is value
            ):
                self.recording.names.add(name)
                continue
            given = self._written(value, f"given_{name}")
            self._uses |= _names(given)
            # The body may change what it is given: our numbers stay as they are.
            self._lines.append(
                f"{name} = {given}.copy()" if given.isidentifier() and given != "None" else f"{name} = {given}"
            )
        step = Step([*self._lines, text], defines=set(stored), uses=_names(text) | self._uses)
        self._bodies = dict.fromkeys(sorted(stored - self.recording.names), namespace)
        self._see_bodies()
        self._held = self._snapshot()
        return step

    def _see_bodies(self) -> None:
        """Follow the variables of a loop's body as they are now."""
        for name, namespace in self._bodies.items():
            if name in namespace and not isinstance(namespace[name], ModuleType | FunctionType | type):
                self._roots[name] = namespace[name]
                self._of_bodies.add(name)

    def _finish(self, step: Step, f: Any, result: Any) -> None:
        try:
            self._keep(step, self._result_names(f, result), result)
        except Exception as error:
            self.recording.problem = str(error) or type(error).__name__

    def _keep(self, step: Step, names: list[str], result: Any) -> None:
        text = step.lines.pop()
        self._see_bodies()
        self._bodies = {}
        if self._draws:
            step.lines += self._replayed()
        if len(names) > 1:
            self._roots |= dict(zip(names, result, strict=True))
        elif names:
            self._roots[names[0]] = result
        step.lines.append(f"{', '.join(names)} = {text}" if names else text)
        step.defines |= set(names)
        now = self._snapshot()
        for expression, (_, value) in now.items():
            a = _numbers(value)
            if a is None:
                continue
            old = self._held.get(expression)
            before = None if old is None else _numbers(old[1])
            if before is None or before.shape != a.shape or not np.array_equal(before, a, equal_nan=True):
                step.found[expression] = a
                if before is not None:
                    step.moved[expression] = before
        self._held = now
        self.recording.seeded |= _drawn_so_far() != self._state
        self.recording.steps.append(step)

    # What is random

    def _listen(self) -> Callable[[], None]:
        """Keep what our stand-ins for NumPy's random functions give, if they are in place."""
        if np.random.rand is _RAND:
            return lambda: None
        held = {n: getattr(np.random, n) for n in DRAWING}

        def kept(name: str) -> Callable[..., Any]:
            def draw(*args: Any, **kwargs: Any) -> Any:
                value = held[name](*args, **kwargs)
                self._draws.append((name, np.array(value)))
                return value

            return draw

        for name in DRAWING:
            setattr(np.random, name, kept(name))

        def restore() -> None:
            for name, f in held.items():
                setattr(np.random, name, f)

        return restore

    def _replayed(self) -> list[str]:
        lines = []
        for name in dict.fromkeys(n for n, _ in self._draws):
            values = [self._literal(a, "drawn") for n, a in self._draws if n == name]
            draws = f"{name}_draws"
            lines.append(f"{draws} = iter([{', '.join(values)}])")
            lines.append(f'monkeypatch.setattr(np.random, "{name}", lambda *_, _d={draws}, **__: next(_d))')
        return lines

    # What is written

    def _callable(self, f: Any) -> str:
        if isinstance(f, MethodType) and not isinstance(f.__self__, type):
            return f"{self._object(f.__self__)}.{f.__name__}"
        name = self._global(f)
        if name:
            return name
        if isinstance(f, MethodType):
            return f"{self._global(f.__self__)}.{f.__name__}"
        if type(f).__name__ in self.namespace and not isinstance(f, FunctionType | type):
            return self._object(f)
        qualified = str(getattr(f, "__qualname__", ""))
        owner, _, method = qualified.rpartition(".")
        if owner in self.namespace and getattr(self.namespace[owner], method, None) is f:
            self.recording.names.add(owner)
            return qualified
        for expression, value in self._reachable().values():
            if value is f:
                return expression
        raise Unwritable(f"{qualified or type(f).__name__} is no function of the file")

    def _global(self, thing: Any) -> str:
        """Name in the file of a function, class or module."""
        own = getattr(thing, "__name__", "")
        candidates = [own] if self.namespace.get(own) is thing else []
        candidates += [n for n, v in self.namespace.items() if v is thing and n[:2] != "__"]
        if candidates and candidates[0].isidentifier():
            self.recording.names.add(candidates[0])
            return candidates[0]
        return ""

    def _argument(self, value: Any, hint: str) -> str:
        """What stands in the call: containers that can be changed get a name, so that it can be seen what became of them."""
        if isinstance(value, dict | list) and value and not all(isinstance(v, SIMPLE) for v in value):
            known = self._known(value)
            if known:
                return known
            text = self._written(value, hint)
            name = self._fresh(hint)
            self._lines.append(f"{name} = {text}")
            self._uses |= _names(text)
            self._roots[name] = value
            return name
        return self._written(value, hint)

    def _known(self, value: Any) -> str:
        if id(value) in self._making:
            return self._making[id(value)]
        found = self._reachable().get(id(value))
        return found[0] if found is not None and found[1] is value else ""

    def _written(self, value: Any, hint: str) -> str:
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, SIMPLE):
            return _simple(value)
        if known := self._known(value):
            return known
        if isinstance(value, np.ndarray):
            return self._array(value, hint)
        if isinstance(value, tuple):
            return "(" + "".join(self._written(v, hint) + ", " for v in value).rstrip() + ")"
        if isinstance(value, list):
            return "[" + ", ".join(self._written(v, hint) for v in value) + "]"
        if isinstance(value, dict) and all(isinstance(k, SIMPLE) for k in value):
            return "{" + ", ".join(f"{k!r}: {self._written(v, str(k))}" for k, v in value.items()) + "}"
        if name := self._global(value):
            return name
        own = str(getattr(value, "__name__", ""))
        if own and callable(value) and getattr(np, own, None) is value:
            return f"np.{own}"
        if isinstance(value, MethodType):
            return f"{self._object(value.__self__)}.{value.__name__}"
        if isinstance(value, FunctionType) and (text := self._lambda(value)):
            return text
        return self._object(value)

    def _array(self, a: Array, hint: str) -> str:
        if a.size > 1 and a.dtype.kind == "f":
            for expression, value in self._reachable().values():
                plain = expression.partition("[")[0].partition(".")[0]
                if plain not in self.recording.literals and _same(value, a):
                    return f"{expression}.copy()"
        return self._literal(a, hint)

    def _literal(self, a: Array, hint: str) -> str:
        if a.dtype.kind not in "fiub":
            raise Unwritable(f"an array of {a.dtype} is handed over")
        for name, given, value in self._literals:
            if _same(value, a):
                if given is a:
                    return name
                if _same(given, a):
                    return f"{name}.copy()"
        name = self._fresh(hint)
        self.recording.literals[name] = a.copy()
        self._literals.append((name, a, a.copy()))
        self._roots[name] = a
        return name

    def _object(self, thing: Any) -> str:
        """An object that the code did not make before our eyes: made without its constructor, and filled."""
        if known := self._known(thing):
            return known
        cls = type(thing)
        if not hasattr(thing, "__dict__") or callable(getattr(thing, "__code__", None)):
            raise Unwritable(f"something of type {cls.__name__} is handed over")
        class_name = self._global(cls)
        ours = cls.__module__.startswith("comparisons.") or cls is SimpleNamespace
        acts = any(isinstance(v, FunctionType) and n[:2] != "__" for n, v in vars(cls).items())
        if not class_name and (not ours or acts):
            raise Unwritable(f"something of type {cls.__name__} is handed over")
        name = self._fresh(_snake(cls.__name__))
        self._making[id(thing)] = name
        self._lines.append(
            f"{name} = {f'{class_name}.__new__({class_name})' if class_name else 'types.SimpleNamespace()'}"
        )
        for attribute, value in vars(thing).items():
            text = self._written(value, attribute)
            self._uses |= _names(text)
            self._lines.append(f"{name}.{attribute} = {text}")
        # Only now: what it holds must not be written as what it holds.
        self._roots[name] = self._making.pop(id(thing)) and thing
        return name

    def _lambda(self, f: FunctionType) -> str:
        """The text of a lambda of the file that stands alone on its line."""
        if f.__name__ != "<lambda>" or f.__code__.co_freevars:
            return ""
        try:
            body = ast.parse("".join(linecache.getlines(f.__code__.co_filename)))
        except SyntaxError:
            return ""
        there = [n for n in ast.walk(body) if isinstance(n, ast.Lambda) and n.lineno == f.__code__.co_firstlineno]
        if len(there) != 1:
            return ""
        self.recording.names |= {n.id for n in ast.walk(there[0]) if isinstance(n, ast.Name)}
        return f"({ast.unparse(there[0])})"

    def _fresh(self, hint: str) -> str:
        base = re.sub(r"\W", "_", hint).strip("_") or "a"
        base = f"a{base}" if base[0].isdigit() or base[:2] == "t_" else base
        taken = (
            RESERVED
            | self._roots.keys()
            | set(self._making.values())
            | self.namespace.keys()
            | set(dir(builtins))
            | set(keyword.kwlist)
        )
        name, n = base, 1
        while name in taken or name in self.recording.literals:
            n += 1
            name = f"{base}_{n}" if base[-1].isdigit() else f"{base}{n}"
        return name

    def _result_names(self, f: Any, result: Any) -> list[str]:
        if result is None:
            return []
        names = _returns(f)
        if isinstance(result, tuple) and len(names) == len(result) and len(set(names)) == len(names) > 1:
            fresh: list[str] = []
            for n in names:
                fresh.append(self._fresh(n))
                self._roots[fresh[-1]] = None
            return fresh
        hint = names[0] if len(names) == 1 else _snake(type(result).__name__) if isinstance(f, type) else "result"
        return [self._fresh(hint)]

    # What was changed between calls

    def _reachable(self) -> dict[int, tuple[str, Any]]:
        """What can be named: while changes are written down, only what was there before them."""
        found: dict[int, tuple[str, Any]] = {}
        if self._synchronising:
            for expression, (value, copy) in self._held.items():
                if not isinstance(value, SIMPLE) and (not isinstance(value, np.ndarray) or _same(value, copy)):
                    found.setdefault(id(value), (expression, value))
            return found
        for name, root in self._roots.items():
            for expression, value in self._walk(name, root, DEPTH, set()):
                if not isinstance(value, SIMPLE):
                    found.setdefault(id(value), (expression, value))
        return found

    def _walk(self, expression: str, value: Any, depth: int, inside: set[int]) -> Iterator[tuple[str, Any]]:
        yield expression, value
        if depth == 0 or id(value) in inside or isinstance(value, (*SIMPLE, np.ndarray)):
            return
        inside = inside | {id(value)}
        for part, child in self._parts(value):
            yield from self._walk(expression + part, child, depth - 1, inside)

    def _parts(self, value: Any) -> Iterator[tuple[str, Any]]:
        if isinstance(value, dict):
            yield from ((f"[{k!r}]", v) for k, v in list(value.items()) if isinstance(k, SIMPLE))
        elif isinstance(value, list | tuple):
            yield from ((f"[{i}]", v) for i, v in enumerate(value[:64]))
        elif self._tracked(value):
            yield from ((f".{n}", v) for n, v in list(vars(value).items()) if n.isidentifier())

    def _tracked(self, value: Any) -> bool:
        """Whether it is an object of a class of the file, or one that holds values of ours."""
        if not hasattr(value, "__dict__") or isinstance(value, type | FunctionType | MethodType | ModuleType):
            return False
        cls = type(value)
        return (
            cls is SimpleNamespace
            or cls.__module__.startswith("comparisons.")
            or self.namespace.get(cls.__name__) is cls
        )

    def _snapshot(self) -> dict[str, tuple[Any, Any]]:
        return {
            expression: (value, value.copy() if isinstance(value, np.ndarray) else _frozen(value))
            for name, root in self._roots.items()
            for expression, value in self._walk(name, root, DEPTH, set())
        }

    def _synchronise(self) -> None:
        """Write down what was set on objects since the last call, as a step of its own."""
        before = set(self._roots)
        self._synchronising = True
        try:
            for name in sorted(before):
                self._compare(name, self._roots[name], DEPTH, set())
        finally:
            self._synchronising = False
        if self._lines:
            text = "\n".join(self._lines)
            changed = {re.split(r"\W", line, maxsplit=1)[0] for line in self._lines}
            self.recording.steps.append(
                Step(self._lines, changed - before, _names(text) | self._uses, changed & before)
            )
            self._lines, self._uses = [], set()
        self._held = self._snapshot()

    def _compare(self, expression: str, value: Any, depth: int, inside: set[int]) -> None:
        held = self._held.get(expression)
        if held is None and "." not in expression and "[" not in expression:
            return
        if held is None or not _unchanged(value, *held):
            in_place = held is not None and held[0] is value and isinstance(value, np.ndarray)
            if expression in self._roots:
                if in_place:
                    self._lines.append(f"{expression}[...] = {self._literal(value.copy(), 'a')}")
                return
            if not isinstance(value, FunctionType | ModuleType | type):
                text = self._written(value.copy() if isinstance(value, np.ndarray) else value, _leaf(expression))
                self._uses |= _names(text)
                self._lines.append(f"{expression}{'[...]' if in_place else ''} = {text}")
            return
        if depth and id(value) not in inside and not isinstance(value, SIMPLE):
            for part, child in self._parts(value):
                self._compare(expression + part, child, depth - 1, inside | {id(value)})


def _unchanged(value: Any, old: Any, copy: Any) -> bool:
    if isinstance(value, np.ndarray):
        return isinstance(copy, np.ndarray) and _same(value, copy)
    if isinstance(value, SIMPLE):
        return type(value) is type(copy) and (value == copy or value != value)
    return value is old


def _frozen(value: Any) -> Any:
    """Lists of numbers are kept as they are now; what else there is, is followed part by part."""
    a = _numbers(value) if isinstance(value, list) else None
    return value if a is None else a


def _numbers(value: Any) -> Array | None:
    """A number, an array, or a list of numbers as an array; None for what is none."""
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind == "f" else None
    if isinstance(value, float | np.floating):
        return np.asarray(float(value))
    if isinstance(value, list) and value and all(isinstance(v, float | list) for v in value):
        try:
            return np.array(value, dtype=np.float64)
        except (ValueError, TypeError):
            return None
    return None


def _same(a: Any, b: Array) -> bool:
    return (
        isinstance(a, np.ndarray)
        and a.shape == b.shape
        and a.dtype == b.dtype
        and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    )


def _simple(value: Any) -> str:
    if isinstance(value, float) and not np.isfinite(value):
        return f'float("{value}")'
    return repr(value)


def _positional(f: Any) -> list[str]:
    function = vars(f).get("__init__") if isinstance(f, type) else f
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return []
    names = list(code.co_varnames[: code.co_argcount])
    bound = isinstance(f, type) or hasattr(f, "__self__")
    return names[1:] if bound else names


def _returns(f: Any) -> list[str]:
    """Names that a function gives what it returns, where it has some."""
    body = None if isinstance(f, type) else tree(f)
    found = [n.value for n in ast.walk(body) if isinstance(n, ast.Return)] if body else []
    if not found:
        return []
    last = found[-1]
    parts = last.elts if isinstance(last, ast.Tuple) else [last]
    return [p.id for p in parts if isinstance(p, ast.Name)] if all(isinstance(p, ast.Name) for p in parts) else []


def _leaf(expression: str) -> str:
    return (re.findall(r"\w+", expression) or ["a"])[-1]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _names(text: str) -> set[str]:
    return {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}


def _drawn_so_far() -> tuple[int, bytes]:
    """The state of NumPy's own random numbers."""
    state = np.random.get_state(legacy=False)["state"]  # noqa: NPY002
    return state["pos"], state["key"].tobytes()
