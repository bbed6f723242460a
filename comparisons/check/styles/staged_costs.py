"""A cost with a gradient where something comes between: a forward pass whose results both are given, a dictionary of parameters, sequences.

`out, mu, logvar = model.forward(x)`, then `model.loss(x, out, mu, logvar)` and `model.backward(x, out)`; `loss_fn(model, X, acts, adv)`
and `backward(model, X, acts, adv)` with the parameters in `model`; `calculate_total_loss(x, y)` of lists of sentences and `bptt(x, y)` of
one. What the forward pass returns has the names that callers give it, or those of its `return`.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from comparisons.check.calling import source_of
from comparisons.check.repeated import repeated
from comparisons.check.source import syntax
from comparisons.check.styles.cost_arguments import STRENGTH, STRENGTHS, Given, H, K, M, N, choices
from comparisons.check.styles.costs import MOST, NEAR, USUAL_SCALES, Objective, classes_left
from comparisons.check.styles.global_costs import SMALL, smaller_numbers
from comparisons.check.styles.global_losses import made_up
from comparisons.check.styles.gradient_names import last_name
from comparisons.check.styles.integrable import is_a_gradient
from comparisons.check.styles.network_access import found_arrays
from comparisons.check.styles.network_arguments import (
    constructor_arguments,
    is_output,
    is_x,
    is_y,
    parameters_of,
    role,
)
from comparisons.check.styles.network_functions import CONTAINER, Patched
from comparisons.check.styles.network_objects import assign, construct, constructions, held, returned_names
from comparisons.check.styles.network_preparing import prepared
from comparisons.check.styles.unguarded import told, unguard
from comparisons.check.unit import UserError, UserFile

Array = np.ndarray
WAYS = 60
"""Ways of filling the arguments that are tried."""
CALLS = 1500
"""Calls of the cost after which no other way is looked for."""
STEPS = 4
"""Length of a sequence."""
WHOLE = "the whole result"
"""Of a forward pass, as it is handed on."""
WIDE = 12
"""Sizes up to this are left as they are, where they have a default."""
_FORWARD = re.compile(
    r"_?(forward|feed_?forward|fprop|encode_decode|run|predict_proba|call|generate)\w*|\w+_(forward|fwd)|__call__",
    re.IGNORECASE,
)
_COST = re.compile(
    r"(?!.*(grad|back|deriv|prime|plot|print))\w*(loss|cost|objective|nll|elbo|error|likelihood)\w*|J", re.IGNORECASE
)
_BACKWARD = re.compile(
    r"_?(\w*backward\w*|\w*back_?prop\w*|bptt\w*|\w*grad(s|ients?)?\w*|bprop\w*|\w*backpropagat\w*)", re.IGNORECASE
)
_CHECKS = re.compile(r"\w*(check|numeric|clip|approx|test|plot|zero_?grad|update|apply)\w*", re.IGNORECASE)
_MAKES = re.compile(
    r"_?(init|make|create|build|new|setup|get|random|gen)\w*|\w*(init|params?|weights|model)", re.IGNORECASE
)
_STATE = re.compile(r"[ahs](_?(0|prev|init|start))?", re.IGNORECASE)
_DEEP = re.compile(
    r"transpose\(\(?0, ?2, ?1|swapaxes|einsum\(|\w+, ?\w+, ?\w+ = \w+\.shape|shape\[2\]|\[:, ?t\b|\.mT\b|axis=\(0, ?1\)"
)
"""Shows that code is of arrays with three axes."""
_WORDS = re.compile(r"(tokens?|words?|sentences?|seqs?|sequences?)(_?(ids?|idx|indices|batch))?|ids|idx", re.IGNORECASE)
_TRUNCATED = re.compile(r"\w*trunc\w*|bptt_steps", re.IGNORECASE)


@dataclass
class Staged(Objective):
    """A cost, a gradient, and what runs before them.

    Attributes
    ----------
    outputs : tuple of str
        What the results of `forward` are called; `forward` is empty if the others call it themselves.
    container : str
        The argument that holds the parameters.
    value : object
        What is given for it.
    handed : dict of str to str
        What callers give for an argument: an attribute, `self.w1`, a result of `forward` of another name, or all of them (`WHOLE`).
    listed : bool
        Whether the cost takes a list of sequences where the gradient takes one.
    guards : tuple of float
        Small numbers against log 0 that have been taken out.
    numbers : dict of str to int
        Global sizes that had to be made smaller.
    alone : bool
        Whether the cost has been compared by itself.
    summed : bool
        Whether the cost is the sum of all numbers that come back.
    """

    outputs: tuple[str, ...] = ()
    container: str = ""
    value: Any = None
    handed: dict[str, str] = field(default_factory=dict)
    listed: bool = False
    guards: tuple[float, ...] = ()
    numbers: dict[str, int] = field(default_factory=dict)
    alone: bool = False
    summed: bool = False

    @property
    def members(self) -> tuple[str, ...]:
        """Names in the file; of the gradient alone where the cost is compared by itself."""
        return (self.gradient,) if self.alone else super().members

    @property
    def remarks(self) -> list[str]:
        """What was assumed."""
        staged = [f"{self.forward} runs before both"] if self.forward else []
        return [
            *super().remarks,
            *staged,
            *(["the cost is that of one sequence"] if self.listed else []),
            *told(list(self.guards)),
        ]

    def _inner(self, rng: np.random.Generator) -> dict[str, Array]:
        if self.container:
            arrays = held(self.value)
            return {p: 0.5 * rng.standard_normal(a.shape) for p, a in arrays.items() if a.dtype.kind == "f"}
        return super()._inner(rng)

    def _stage(self, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any]]:
        """A fresh object, and what there is to be given once the forward pass has run."""
        made, pool = copy.deepcopy(self.template), copy.deepcopy(values)
        if self.container:
            pool[self.container] = copy.deepcopy(self.value)
        for place, a in inner.items():
            assign(pool[self.container] if self.container else made, place, a.copy())
        return made, pool

    def _forward(self, made: Any, pool: dict[str, Any]) -> None:
        if self.forward:
            returned = self._bound(made, self.forward, pool)
            parts = list(returned) if isinstance(returned, tuple | list) and len(self.outputs) > 1 else [returned]
            pool |= dict(zip(self.outputs, parts, strict=False)) | {WHOLE: returned}

    def _bound(self, made: Any, name: str, pool: dict[str, Any], listed: bool = False) -> Any:
        f = getattr(made, name) if self.owner else self.file.namespace[name]
        given = {}
        for p in parameters_of(f):
            key = self.handed.get(p.name, p.name)
            if key.startswith("self."):
                given[p.name] = getattr(made, key.removeprefix("self."))
            elif key in pool:
                given[p.name] = pool[key]
        if listed:
            given = {n: [v] if is_x(n) or is_y(n) else v for n, v in given.items()}
        with Patched(self.file.namespace, self.numbers):
            return self.file.call(f, **given)

    def _cost(self, values: dict[str, Any], inner: dict[str, Array]) -> float:
        made, pool = self._stage(values, inner)
        with repeated(self.file.namespace, *([vars(made)] if made is not None else [])):
            self._forward(made, pool)
            returned = self._bound(made, self.cost, pool, self.listed)
        return self._number(returned)

    def _number(self, returned: Any) -> float:
        parts = returned if isinstance(returned, tuple | list) else [returned]
        numbers = [np.asarray(p, np.float64) for p in parts if isinstance(p, float | np.floating | np.ndarray)]
        numbers = [a for a in numbers if a.size == 1]
        if not numbers or not np.isfinite(numbers[0]).all():
            raise UserError(f"{self.cost} returns no single number")
        return float(sum(a.sum() for a in numbers) if self.summed else numbers[0].reshape(()))

    def _run(self, name: str, values: dict[str, Any], inner: dict[str, Array]) -> tuple[Any, dict[str, Any], Any]:
        """The gradient, once the cost has been calculated, as in training."""
        made, pool = self._stage(values, inner)
        with repeated(self.file.namespace, *([vars(made)] if made is not None else [])):
            self._forward(made, pool)
            self._bound(made, self.cost, pool, self.listed)
            returned = self._bound(made, name, pool)
        return returned, pool, made

    def _shown(self, returned: Any) -> dict[str, Array]:
        own = {last_name(p) for p in self.parameters}
        parts = returned if isinstance(returned, tuple | list) else [returned]
        for part in (p for p in parts if isinstance(p, dict)):
            # Under the very names of the parameters, some of which may look like those of gradients: `d_W0` of a decoder.
            found = {p: np.asarray(a, np.float64) for p, a in found_arrays(part) if last_name(p) in own}
            if 2 * len(found) >= len(own):
                return found
        return super()._shown(returned)

    def _accepted(self, scale: float, agreeing: int, count: int) -> float:
        """A scale; one that some gradients have alone is theirs, unless it is that of a sum beside a mean: a mean over steps left out, say."""
        usual = any(abs(scale / r - 1) < NEAR for r in USUAL_SCALES)
        return super()._accepted(scale, agreeing, count) if usual or agreeing == count else 1.0

    def dependent(self) -> tuple[str, ...]:
        """Arrays on which the cost depends; of arguments only what is no data."""
        return tuple(n for n in super().dependent() if n not in self.given or not self._inner(np.random.default_rng(0)))


def find_staged(file: UserFile, taken: frozenset[str], done: set[str]) -> Iterator[Staged]:
    """Costs with gradients that the plain search for objectives does not find.

    Parameters
    ----------
    file : UserFile
    taken : frozenset of str
    done : set of str
        Members that have been found otherwise.
    """
    functions = {n: f for n, f in file.functions().items() if n not in taken and n not in done}
    compared = {n: f for n, f in file.functions().items() if n in taken and _COST.fullmatch(n)}
    yield from _in(file, "", functions, [None], compared)
    for owner, cls in classes_left(file, taken, done):
        methods = {n: f for n, f in vars(cls).items() if callable(f) and not isinstance(f, type)}
        yield from _in(file, owner, methods, _templates(file, cls))


def _in(
    file: UserFile, owner: str, functions: dict[str, Any], templates: Any, compared: dict[str, Any] | None = None
) -> Iterator[Staged]:
    """Of the functions of a file or a class, pairs of a cost and a gradient that fit; the cost may have been `compared` by itself."""
    costs = [n for n in functions if _COST.fullmatch(n) or _gives_loss(n, functions[n])]
    costs += compared or {}
    backs = [n for n in functions if _BACKWARD.fullmatch(n) and not _CHECKS.fullmatch(n) and n not in costs]
    if not costs or not backs:
        return
    others = ["", *(n for n in functions if _FORWARD.fullmatch(n) and n not in (*costs, *backs))][:3]
    for template in templates:
        for back in backs[:3]:
            best: tuple[int, Staged] | None = None
            for cost in costs[:4]:
                for forward in [cost] if _FORWARD.fullmatch(cost) else others:
                    base = Staged(file, owner, cost, back, forward, template, alone=cost in (compared or {}))
                    for found in _settled(base):
                        agreeing = _agreeing(found)
                        if agreeing and (best is None or agreeing > best[0]):
                            best = agreeing, found
            if best is not None:
                pair = _strengthened(best[1])
                pair.guards = tuple(unguard(file, owner, [n for n in (pair.cost, pair.gradient, pair.forward) if n]))
                yield pair
                return


def _gives_loss(name: str, f: Any) -> bool:
    """Whether a forward pass returns its loss in front of what it keeps: `return loss, cache`."""
    names = returned_names(f) if _FORWARD.fullmatch(name) else []
    return len(names) > 1 and bool(_COST.fullmatch(names[0]))


def _agreeing(found: Staged) -> int:
    """How much speaks for a pair: agreeing gradients; one if none agrees but they are the gradient of no function at all."""
    agreement = found.agreement()
    if agreement is None:
        return 0
    return 2 * agreement[0] or int(len(found.parameters) > 1 and not found.owner and not is_a_gradient(found))


def _templates(file: UserFile, cls: type) -> Iterator[Any]:
    """An object with small sizes, whatever its defaults are; one that has made its parameters, where it does so later."""
    more: dict[str, Any] = {}
    small = iter((2, 5, 3, 6, 4))
    for p in parameters_of(cls):
        if _TRUNCATED.fullmatch(p.name):
            more[p.name] = 1000
        elif too_wide(p.default):
            known = {"input_size": N, "hidden_size": H - 1, "output_size": K, "batch_size": M, "epochs": 1}
            more[p.name] = known.get(role(p.name)) or next(small, 2)
    for made in constructions(file, cls, lambda _: more):
        for name, value in list(vars(made).items()):
            if _TRUNCATED.fullmatch(name) and isinstance(value, int):
                setattr(made, name, 1000)
            elif role(name) == "batch_size" and type(value) is int:
                setattr(made, name, M)
        if any(a.size > 1 and role(n) not in ("sizes", "hidden_size") for n, a in held(made).items()):
            yield made
            return
    yield from (p.made for p in itertools.islice(prepared(file, cls, construct), 1))


def _strengthened(base: Staged) -> Staged:
    """With penalties in the cost switched on that the object has switched off: their gradients would not show."""
    off = (
        [n for n, v in vars(base.template).items() if STRENGTHS.fullmatch(n) and type(v) in (int, float) and v == 0]
        if base.owner
        else []
    )
    text = source_of(base._method(base.cost))
    on = [n for n in off if re.search(rf"\bself\.{n}\b", text)]
    if not on:
        return base
    template = copy.deepcopy(base.template)
    for name in on:
        setattr(template, name, STRENGTH)
    return replace(base, template=template)


def _settled(base: Staged) -> Iterator[Staged]:
    """The best way of filling the arguments."""
    f = {n: base._method(n) for n in (base.cost, base.gradient, base.forward) if n}
    asked = {
        n: [p.name for p in parameters_of(g) if p.default is p.empty or too_wide(p.default)][bool(base.owner) :]
        for n, g in f.items()
    }
    offered = list(_output_names(base.file, base.owner, base.forward)) if base.forward else []
    base = replace(base, handed=_handed(base, tuple(f), {n for names in offered for n in names}))
    asked = {n: [base.handed.get(p, p) for p in some] for n, some in asked.items()}
    outputs: tuple[str, ...] = ()
    if base.forward:
        wanted = {*asked[base.cost], *asked[base.gradient]}
        outputs = max(offered, key=lambda names: len(wanted & set(names)))
        outputs = _aliased(outputs, [*asked[base.cost], *asked[base.gradient]], asked[base.forward])
        used = {*asked[base.cost], *asked[base.gradient]} & {*outputs, WHOLE}
        if not used and not base.owner:
            return  # it would run for nothing
    known = {*outputs, *base.handed.values()}
    names = list(dict.fromkeys(n for some in asked.values() for n in some if n not in known))
    container = ""
    values: list[tuple[Any, dict[str, int]]] = [(None, {})]
    if not base.owner:
        container = next((n for n in names if CONTAINER.fullmatch(n) and not is_x(n)), "")
        values = list(_containers(base.file)) if container else values
        names = [n for n in names if n != container]
    best: tuple[int, Staged] | None = None
    spent = 0
    for (value, numbers), listed in itertools.product(values, (False, True)):
        widths = tuple(
            sorted({n for a in held(base.template if base.owner else value).values() for n in a.shape if n > 1})
        )
        lists = [
            _listed(n, names, widths, base) if not listed else [Given("fixed", value=_tokens(is_y(n)))] for n in names
        ]
        for given in _fillings(names, lists):
            tried = replace(base, given=given, outputs=outputs, container=container, value=value, listed=listed)
            tried.numbers = numbers
            if not _runs(tried):
                continue
            size = sum(a.size for a in tried._inner(np.random.default_rng(0)).values())
            agreed = tried.agreement()
            spent += 7 * size
            if agreed is None:
                continue
            tried.scale = agreed[1]
            if best is None or agreed[0] > best[0]:
                best = agreed[0], tried
            if agreed[2] or spent > CALLS:
                break
        if best is not None and (best[0] or spent > CALLS):
            break
    if best is not None:
        yield _summed(*best)


def _summed(agreeing: int, found: Staged) -> Staged:
    """With the sum of what the cost returns for the cost, where that explains more: a reconstruction and a divergence, say."""
    if agreeing == len(found.parameters):
        return found
    tried = replace(found, summed=True)
    agreed = tried.agreement()
    return replace(tried, scale=agreed[1]) if agreed is not None and agreed[0] > agreeing else found


def _handed(base: Staged, functions: tuple[str, ...], outputs: set[str]) -> dict[str, str]:
    """What callers in the file give for arguments, where that is known: what the forward pass returned, attributes of the object."""
    found: dict[str, str] = {}
    own = set(held(base.template)) if base.owner else set()
    for node in ast.walk(syntax(base.file)):
        name = _function_of(node, bool(base.owner))
        if name not in functions:
            continue
        assert isinstance(node, ast.Call)
        order = [p.name for p in parameters_of(base._method(name))][bool(base.owner) :]
        given = [*zip(order, node.args, strict=False), *((k.arg, k.value) for k in node.keywords if k.arg)]
        for parameter, value in given:
            text = ast.unparse(value)
            result = text in outputs and text != parameter and name != base.forward
            if base.forward and _function_of(value, bool(base.owner)) == base.forward != name:
                found[parameter] = WHOLE
            elif result or (text.startswith("self.") and text.removeprefix("self.") in own):
                found[parameter] = text
    return found


def _function_of(node: ast.AST, method: bool) -> str:
    """Which method, or function, a call calls; empty if it is none."""
    if not isinstance(node, ast.Call) or isinstance(node.func, ast.Attribute) != method:
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _runs(tried: Staged) -> bool:
    """Whether the cost depends on arrays, for most of which a gradient comes back in their shapes."""
    try:
        tried.parameters = tried.dependent()
        values, inner = tried._drawn(np.random.default_rng(7))
        claims = tried._claims(values, inner)
    except (UserError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return False
    sizes = {n: np.shape((inner if n in inner else values)[n]) for n in tried.parameters}
    if not claims or sum(int(np.prod(s)) for s in sizes.values()) > MOST or 2 * len(claims) < len(sizes):
        return False
    return all(n in sizes and a.shape == sizes[n] and np.isfinite(a).all() for n, a in claims.items())


def _aliased(outputs: tuple[str, ...], asked: list[str], forward: list[str]) -> tuple[str, ...]:
    """Names of results, where one that has none of its own is what is asked for as an output."""
    wanted = [n for n in asked if n not in outputs and n not in forward and is_output(n)]
    found = list(outputs)
    for i, name in enumerate(found):
        if name not in asked and wanted:
            found[i] = wanted.pop(0)
    return tuple(found)


def _output_names(file: UserFile, owner: str, forward: str) -> Iterator[tuple[str, ...]]:
    """What callers call the results of a forward pass, and what its `return` does."""
    f = getattr(file.namespace[owner], forward) if owner else file.namespace[forward]
    own = returned_names(f)
    for node in ast.walk(syntax(file)):
        if not isinstance(node, ast.Assign) or len(node.targets) != 1:
            continue
        if _function_of(node.value, bool(owner)) != forward:
            continue
        target = node.targets[0]
        names = [ast.unparse(e) for e in target.elts] if isinstance(target, ast.Tuple) else [ast.unparse(target)]
        if len(names) == max(1, len(own)):
            yield tuple(names)
    yield tuple(own) or ("output",)


def _containers(file: UserFile) -> Iterator[tuple[Any, dict[str, int]]]:
    """Dictionaries and lists of parameters that the file's initialisers make, or that are global, and global sizes to go with them."""
    for name, f in file.functions().items():
        if not _MAKES.fullmatch(name):
            continue
        for arguments in itertools.islice(constructor_arguments(f), 4):  # type: ignore[arg-type]
            np.random.seed(1)  # noqa: NPY002
            try:
                value = file.call(f, **arguments)
            except UserError:
                continue
            if isinstance(value, dict | list) and any(a.ndim == 2 for _, a in found_arrays(value)):
                yield value, {}
                break
    yield from _global_containers(file)


def _global_containers(file: UserFile) -> Iterator[tuple[Any, dict[str, int]]]:
    """Dictionaries of parameters that statements make, with small sizes where theirs are large."""
    tree = syntax(file)
    names = {t.id for s in ast.walk(tree) if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)}
    named = [n for n in names if CONTAINER.fullmatch(n)]
    known = made_up(file, tree) if named else {}
    for name in sorted(named):
        if not isinstance(known.get(name), dict | list) or not any(a.ndim == 2 for _, a in found_arrays(known[name])):
            continue
        sizes: dict[int, int] = {}
        for small in ((), *SMALL):
            if small:
                sizes = smaller_numbers(file, {name: known[name]}, (), (), small)
            made = made_up(file, tree, sizes) if sizes else known
            if sum(a.size for _, a in found_arrays(made.get(name))) <= MOST:
                own = {n: made[n] for n in file.own if type(made.get(n)) is int}
                yield made[name], {n: v for n, v in own.items() if v != file.namespace.get(n)}
                break


def _fillings(names: list[str], lists: list[list[Given]]) -> Iterator[dict[str, Given]]:
    """Ways of filling arguments, the likely ones first."""
    if not all(lists):
        return
    places = itertools.product(*(range(len(given)) for given in lists))
    for chosen in sorted(itertools.islice(places, 20_000), key=sum)[:WAYS]:
        yield {n: given[i] for n, given, i in zip(names, lists, chosen, strict=True)}


def _listed(name: str, names: list[str], widths: tuple[int, ...], base: Staged) -> list[Given]:
    """What may be given for an argument beside the others; whole numbers first where the code takes elements of it as an index."""
    f = [base._method(n) for n in (base.cost, base.gradient)]
    if any(p.name == name and too_wide(p.default) for g in f for p in parameters_of(g)):
        return [Given("fixed", value=w) for w in widths]  # a vocabulary that is as large as a matrix of parameters
    if _STATE.fullmatch(name) and any(is_x(n) for n in names if n != name):
        return [Given("real", shape) for w in widths for shape in ((w, 1), (w,), (1, w))]
    data = is_x(name) or is_y(name) or _WORDS.fullmatch(name)
    if not base.owner and data and _DEEP.search("".join(map(source_of, _functions(base)))):
        return [*_deep(is_y(name), widths, not is_x(name)), *_choices(name, widths)]
    if any(re.search(rf"\[\s*{re.escape(name)}\[\w+\]\s*[],]", source_of(g)) for g in f):
        return [Given("fixed", value=_tokens(is_y(name)))]
    return _choices(name, widths)


def _functions(base: Staged) -> list[Any]:
    return [base._method(n) for n in (base.forward, base.cost, base.gradient) if n]


def _deep(target: bool, widths: tuple[int, ...], words_first: bool) -> list[Given]:
    """Batches of sequences of columns or of words, and targets of the whole, or of each step."""
    each = (2 * np.arange(M * STEPS) + 3 * target).reshape(M, STEPS) % K
    words = Given("fixed", value=each)
    if target:
        real = [Given("real", shape) for n in widths for shape in ((M, STEPS, n), (M, n))]
        labels = [Given("labels", (M,)), Given("labels", (M,), classes=2)]
        return [labels[0], words, labels[1], *(Given("one-hot", (M, n), classes=n) for n in widths), *real]
    batches = [Given("real", (M, STEPS, n)) for n in widths]
    return [
        *([words, *batches] if words_first else [*batches, words]),
        *(Given("real", shape) for n in widths for shape in ((STEPS, n), (STEPS, M, n))),
    ]


def too_wide(default: Any) -> bool:
    """Whether a size that is given by default is larger than what can be compared element by element."""
    return type(default) is int and default > WIDE


def _tokens(later: bool) -> list[int]:
    """A short sequence of whole numbers, and what follows each of them."""
    return [(2 * t + 3 * later) % K for t in range(STEPS)]


def _choices(name: str, widths: tuple[int, ...]) -> list[Given]:
    if re.fullmatch(r"(acts?|actions?|acs?|ac|chosen\w*|a_?s?)(_?batch|_?n|_?list)?", name, re.IGNORECASE):
        return [Given("labels", (M,)), Given("labels", (M, 1)), Given("one-hot", (M, K))]
    if re.fullmatch(
        r"(adv\w*|returns?|rewards?|r|R|G|disc\w*|q\w*|v_?targets?|td\w*|weights?_?sample|baseline\w*|eps\w*|noise)",
        name,
    ):
        return [Given("real", (M,)), Given("real", (M, 1)), Given("real", (M, K))]
    if is_y(name):
        wide = [Given("real", (M, n)) for n in widths]
        # A word that comes twice tells `+=` from `=`.
        plain = [g for g in choices(name) if g.kind != "fixed"]
        return [*plain, *wide, Given("fixed", value=_tokens(True))]
    if is_x(name) or re.fullmatch(r"(states?|obs\w*|observations?|xs|batch|inputs?)", name, re.IGNORECASE):
        wide = [Given("real", shape) for n in widths for shape in ((M, n), (n, M)) if n != N]
        return [Given("real", (M, N)), *wide, Given("real", (N, M)), Given("fixed", value=_tokens(False))]
    return choices(name, widths) or [
        Given("real", (M,)),
        Given("labels", (M,)),
        Given("real", (M, N)),
        Given("real", (M, 1)),
    ]
