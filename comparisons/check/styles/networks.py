"""Whole networks: objects, functions with parameters, and scripts whose training loop is one step.

The ways of finding them differ (`network_objects`, `network_functions`, `network_scripts`); what is done with what was
found is the same: `network_reading` finds out which network it is, here it becomes a unit and a model.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from comparisons.case import Case
from comparisons.check.differences import Derived, ratio
from comparisons.check.locating import Spot
from comparisons.check.models import Base
from comparisons.check.styles.cost_beside import Beside, contradicting
from comparisons.check.styles.dropping import KEEP, Dropping, draws
from comparisons.check.styles.network_access import LABELS, SINGLE, Access, Array, as_rows, put, put_target
from comparisons.check.styles.network_built import find_built
from comparisons.check.styles.network_costs import cost_beside, cost_value
from comparisons.check.styles.network_differences import (
    Drawn,
    NumericReading,
    derived,
    drawn,
    drawn_case,
    numeric_reading,
    right,
    shapes_of,
)
from comparisons.check.styles.network_functions import FunctionAccess, find_functions
from comparisons.check.styles.network_mending import mended
from comparisons.check.styles.network_objects import find_objects
from comparisons.check.styles.network_reading import (
    IDENTITY,
    LOSS_TITLES,
    Chain,
    Reading,
    best_reading,
    doubt,
    drawn_batch,
    drawn_weights,
    gradients,
    rank,
    unseen_reading,
)
from comparisons.check.styles.network_scripts import ScriptAccess, find_scripts
from comparisons.check.styles.network_sums import EXAMPLES, derived_sums, summed
from comparisons.check.styles.opened_training import learns_squares
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.plan import plan
from comparisons.trace import Model
from scratch import BinaryCrossEntropy, Loss, MeanSquaredError, Sigmoid, architecture
from scratch.network import Pass

COLUMNS = "examples are columns"
FORM_TITLES = {
    "rows": "examples are rows",
    "columns": "examples are columns",
    "one row": "one example at a time, as a row",
    "one column": "one example at a time, as a column",
    "vector": "one example at a time, as a vector",
    "list": "one example at a time, as a list",
    "column pairs": "a batch is a list of (x, y), each a column",
    "vector pairs": "a batch is a list of (x, y), each a vector",
}


@dataclass
class Known:
    """A network that was recognised."""

    access: Access
    reading: Reading
    cost: Beside | None = None


Finder = Callable[[UserFile, frozenset[str]], Iterator[Iterable[Access]]]
"""Gives, for each network in a file, the ways in which it may be run."""
TRIED = 4
"""Ways of running a network in which its dropout is looked for."""
MOST = 24
"""Ways of running one network that are tried."""
SECONDS = 6.0
"""Time, of the processor, for which ways of running a network of any inside are looked for."""
FLOOR = 1e-6
"""Relative tolerance where an epsilon in the code's loss keeps its gradients from agreeing to rounding."""


class Networks:
    """Networks as objects, functions or scripts."""

    name = "networks"

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}
        self._numeric: dict[str, tuple[Access, NumericReading]] = {}
        self._summed: dict[str, tuple[Access, Reading]] = {}
        self._drawn: dict[str, Drawn] = {}
        self._mended: dict[str, tuple[str, Spot] | None] = {}
        self._left = 0.0

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Every network whose forward pass is that of a chain of dense layers."""
        units: list[Unit] = []
        self._left = 2 * SECONDS
        used: set[str] = set(taken)
        finders: tuple[Finder, ...] = (find_objects, find_functions, find_built, find_scripts)
        for finder in finders:
            for group in finder(file, frozenset(used)):
                accesses = list(itertools.islice(group, MOST))
                known = _best(accesses, best_reading)
                if not known and finder is find_scripts:
                    known = _best(accesses, unseen_reading)
                found = [self._chain(file, k) for k in known] or [self._differences(accesses)]
                if known:
                    found.append(self._with_dropout(accesses, known))
                    found += [self._sums(k) for k in known]
                for unit in found:
                    if unit is not None:
                        units.append(unit)
                        used |= {*unit.members, *(member.partition(".")[0] for member in unit.members)}
        file.mutated.clear()
        return units

    def _chain(self, file: UserFile, known: Known) -> Unit | None:
        """A network that was recognised, unless its gradients say nothing."""
        unsure = doubt(known.access, known.reading)
        if unsure:
            file.notes.append(f"{known.access.name} is not compared: {unsure}")
            return None
        known.cost = cost_beside(known.access, known.reading)
        if (loss := contradicting(known.reading.arch, known.cost)) is not None and known.cost is not None:
            known.reading = replace(known.reading, arch=replace(known.reading.arch, loss=loss))
            told = f"{known.cost.told}; for that one the derivative of the last activation cancels, and a - y is left"
            known.cost = replace(known.cost, wrong=True, told=told)
        told = _printed_instead(known)
        if told:
            known.reading = replace(known.reading, arch=replace(known.reading.arch, loss=BinaryCrossEntropy()))
        self._known[known.access.name] = known
        unit = _with_cost(_unit(known.access, known.reading), known.cost, known.access.file)
        return replace(unit, options=unit.options | {"cause": told}) if told else unit

    def _with_dropout(self, accesses: list[Access], known: list[Known]) -> Unit | None:
        """The same network with its dropout, if it has some that can be switched on."""
        first = [k.access for k in known]
        for access in itertools.islice((*first, *(a for a in accesses if not any(a is f for f in first))), TRIED):
            dropping: Access = Dropping(access)
            if random_output(dropping):
                unit = self._differences([dropping])
                if unit is not None:
                    return unit
        return None

    def _sums(self, known: Known) -> Unit | None:
        """A step of several examples, where it is not the sum that it should be."""
        access, reading = known.access, known.reading
        if not reading.single or reading.agreeing < reading.total or summed(access, reading) is None:
            return None
        name = f"{access.name} of several examples"
        self._summed[name] = access, reading
        case = Case(f"check/{name}", architecture(), (EXAMPLES,), (reading.chain.sizes[0],))
        names = {f"network.{n}": n for n in access.parameters}
        told = (FORM_TITLES[reading.form],)
        options = {"names": names, "differences": True}
        return Unit(
            name,
            "networks",
            f"{_title(reading)}, several examples",
            access.line,
            access.members,
            (case,),
            options,
            told,
        )

    def _differences(self, accesses: list[Access]) -> Unit | None:
        """A network that is no chain of known layers, if its gradients are those of some loss of its own output."""
        best: tuple[Access, NumericReading] | None = None
        started = time.process_time()
        for access in accesses:
            if best is not None and isinstance(access, ScriptAccess) and 2 * best[1].agreeing >= best[1].total:
                break  # the loops inside say no more
            reading = numeric_reading(access, started + min(SECONDS, self._left))
            if reading is not None and (best is None or reading.agreeing > best[1].agreeing):
                best = access, reading
                if reading.agreeing == reading.total:
                    break
        self._left -= time.process_time() - started
        if best is None:
            return None
        self._numeric[best[0].name] = best
        return _numeric_unit(*best)

    def model(self, file: UserFile, unit: Unit, case: Case) -> Model:
        """The network behind the common door."""
        known = self._known[unit.name]
        return NetworkModel(case, known.access, known.reading, known.cost)

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """The gradients beside derivatives of the user's own output, or beside the sum over its examples."""
        if unit.name in self._summed:
            return derived_sums(*self._summed[unit.name], case.seed + 31)
        access, reading = self._numeric[unit.name]
        key = f"{case.id} {case.seed}"
        if key not in self._drawn:
            # The forward pass stays what it is, also while edits of the backward pass are tried.
            self._drawn[key] = drawn_case(access, reading, case)
        found = derived(access, reading, case, self._drawn[key])
        wrong = [d for d in found if not right(d)]
        inner = access.access if isinstance(access, Dropping) else access
        if wrong and isinstance(inner, ScriptAccess):
            return self._explained(key, access, inner, reading, case, found)
        return found

    def _explained(
        self, key: str, access: Access, inner: ScriptAccess, reading: NumericReading, case: Case, found: list[Derived]
    ) -> list[Derived]:
        """What a change of the loop that makes all agree tells of the first gradient that is wrong."""

        def agrees(edited: ScriptAccess) -> bool:
            other: Access = Dropping(edited) if isinstance(access, Dropping) else edited
            again = derived(other, reading, case, self._drawn[key])
            return len(again) == len(found) and all(map(right, again))

        # Multiples are named by their ratio.
        wrong = [d for d in found if not right(d)]
        if key not in self._mended:
            self._mended[key] = None if all(ratio(d) is not None for d in wrong) else mended(inner, agrees)
        told = self._mended[key]
        if told is None:
            return found
        return [replace(d, cause=told[0], spot=told[1]) if d is wrong[0] else d for d in found]


def _best(accesses: Iterable[Access], read: Callable[[Access], Reading | None]) -> list[Known]:
    """Of several ways to run one network, the one that shows gradients best, and the one that shows an update best."""
    best: dict[str, Known] = {}
    for access in accesses:
        reading = read(access)
        if reading is None or not reading.total or random_step(access, reading):
            continue
        held = best.get(reading.shows)
        if held is None or rank(reading) > rank(held.reading):
            best[reading.shows] = Known(access, reading)
    update, shown = best.get("update"), best.get("gradients")
    if update and shown and update.reading.pattern == shown.reading.pattern and update.reading.factor > 0:
        # The update does what the gradients say: told once.
        del best["update"]
        members = tuple(dict.fromkeys((*shown.access.members, *update.access.members)))
        shown.access.members = members
    return list(best.values())


def random_step(access: Access, reading: Reading) -> bool:
    """Whether the step drops units, or adds noise, that the output which was recognised knows nothing of."""
    rng = np.random.default_rng(23)
    chain, m = reading.chain, 1 if reading.single else 6
    x, y = drawn_batch(chain.sizes, m, rng)
    weights = drawn_weights(chain, rng)

    def run() -> dict[str, Array]:
        params = chain.to_user(weights, access.parameters)
        own = {n: a.copy() for n, a in params.items()}
        seen = access.step(own, put(x, reading.form), put_target(y, reading.form, reading.labels), m)
        return gradients(access, params, seen)

    try:
        return draws(run)
    except (UserError, ValueError):
        return False


def random_output(access: Access) -> bool:
    """Whether what a network gives depends on random numbers."""
    rng = np.random.default_rng(29)
    for chain in itertools.islice(shapes_of(access), 2):
        for form in access.forms:
            m = 1 if form in SINGLE else 6
            x, y = drawn_batch(chain.sizes, m, rng)
            try:
                params = drawn(access, chain, rng)
            except ValueError:
                continue
            for labels in LABELS[:2]:

                def run(x=x, y=y, params=params, form=form, labels=labels, m=m):
                    own = {n: a.copy() for n, a in params.items()}
                    return access.forward(own, put(x, form), put_target(y, form, labels), m).arrays

                try:
                    if draws(run):
                        return True
                    break
                except (UserError, ValueError):
                    continue
    return False


def _unit(access: Access, reading: Reading) -> Unit:
    n = reading.chain.sizes[0]
    classes = reading.chain.sizes[-1]
    counted = reading.labels != LABELS[0] and classes > 1
    # One example of the last class, and a few more than that.
    sizes = (max(6, 3 * classes),) if counted else (6, 1)
    if reading.single:
        cases = [Case(f"check/{access.name}/example{i}", reading.regularised(1), (1,), (n,)) for i in (1, 2)]
    else:
        cases = [Case(f"check/{access.name}/batch{m}", reading.regularised(m), (m,), (n,)) for m in sizes]
    if counted and not reading.single:
        cases = [_with_last_class(replace(case, regime="one-hot")) for case in cases]
    names = {f"dense{i}.W": w for i, w in enumerate(reading.chain.weights, start=1)}
    names |= {f"dense{i}.b": b for i, b in enumerate(reading.chain.biases, start=1) if b is not None}
    if reading.chain.augmented:
        names |= {
            f"dense{i}.b": f"the bias in {_shown(access, w)}"
            for i, w in enumerate(reading.chain.weights, start=1)
            if reading.chain.in_row(i - 1)
        }
    names = {tensor: _shown(access, name) for tensor, name in names.items()}
    short = {name: re.sub(r"^.*\['(\w+)'\]$", r"\1", name) for name in names.values()}
    if len(set(short.values())) == len(short):
        names = {tensor: short[name] for tensor, name in names.items()}
    return Unit(
        access.name,
        "networks",
        _title(reading),
        access.line,
        access.members,
        tuple(cases),
        {"names": names, "floor": FLOOR if reading.deviation > 1e-11 else 0.0},
        tuple(_assumptions(access, reading)),
        tuple(_alternatives(reading)),
    )


def _shown(access: Access, name: str) -> str:
    """What a person calls a parameter."""
    return access.source.shown(name) if isinstance(access, FunctionAccess) else name


def _printed_instead(known: Known) -> str:
    """What is to be said of a squared error's gradients, where the training function itself calculates a cross-entropy; else nothing."""
    arch = known.reading.arch
    if known.cost is not None or not isinstance(arch.loss, MeanSquaredError):
        return ""
    if not isinstance(arch.layers[-1][1], Sigmoid) or known.reading.agreeing < known.reading.total:
        return ""
    return learns_squares(known.access.file, known.access.members)


def _with_cost(unit: Unit, cost: Beside | None, file: UserFile) -> Unit:
    """The unit of a network with a cost among its methods, or beside it."""
    if cost is None:
        return unit
    owner, dot, _ = unit.members[0].partition(".")
    own = dot and hasattr(file.namespace.get(owner), cost.name)
    members = tuple(dict.fromkeys((*unit.members, f"{owner}.{cost.name}" if own else cost.name)))
    if cost.wrong:
        return replace(unit, members=members, options=unit.options | {"cause": cost.told})
    return replace(unit, members=members, assumptions=(*unit.assumptions, *([cost.told] if cost.told else [])))


SEEDS = 8
"""Seeds of a run for which a case is sure to hold the last class."""


def _numeric_unit(access: Access, reading: NumericReading) -> Unit:
    n, single = reading.chain.sizes[0], reading.form in SINGLE
    cases = [Case(f"check/{access.name}/{m}", architecture(), (m,), (n,)) for m in ((1,) if single else (5,))]
    names = {f"network.{name}": _shown(access, name) for name in access.parameters}
    assumptions: tuple[str, ...] = (
        FORM_TITLES[reading.form] + _targets(reading.labels, reading.chain.sizes[-1]),
        f"the loss is the {reading.loss}",
        "the forward pass is that of no network known here: it was taken as it is, and compared with nothing",
    )
    sizes = "-".join(str(size) for size in reading.chain.sizes)
    title = f"network {sizes}" if isinstance(reading.chain, Chain) else "network of single numbers"
    if isinstance(access, Dropping):
        title += " with dropout"
        told = f"dropout is on, with a share of {KEEP:g} kept where it is an argument or an attribute; all runs draw the same masks"
        assumptions = (*assumptions, told)
    return Unit(
        access.name,
        "networks",
        title,
        access.line,
        access.members,
        tuple(cases),
        {"names": names, "differences": True},
        assumptions,
    )


def _with_last_class(case: Case) -> Case:
    """The case with an id under which the last class occurs, whatever the seed: code that counts the classes it sees needs it."""
    for variant in itertools.count(1):
        tried = replace(case, id=f"{case.id}-{variant}")
        targets = [b.target for seed in range(SEEDS) for b in plan(replace(tried, seed=seed)).batches]
        if all(t is not None and (t.shape[1] == 1 or t[:, -1].any()) for t in targets):
            return tried
    raise AssertionError


def _title(reading: Reading) -> str:
    sizes = "-".join(str(n) for n in reading.chain.sizes)
    kinds = ", ".join(name if name != IDENTITY else "linear" for name in reading.activations)
    return f"network {sizes} ({kinds})"


def _targets(labels: str, k: int) -> str:
    if labels == LABELS[0]:
        return ""
    return "; targets are class numbers" if k > 1 else "; targets are one number for each example"


def _assumptions(access: Access, reading: Reading) -> list[str]:
    assert reading.arch.loss is not None
    loss = LOSS_TITLES[type(reading.arch.loss)]
    told = [FORM_TITLES[reading.form] + _targets(reading.labels, reading.chain.sizes[-1])]
    told.append(f"the loss is the {loss}{_scale(reading)}")
    if reading.decay:
        per = {0: "lambda/(2m)", 1: "lambda/2", -1: "lambda/(2m^2)"}[reading.decay_power]
        told.append(f"weights decay: {per} times the sum of their squares, lambda = {reading.decay:.4g}")
    if not reading.output:
        told.append("the output is not kept under a name of its own: it was not compared")
    if reading.deviation > 1e-11:
        told.append(
            f"gradients agree to {reading.deviation:.0e} only: an epsilon or a clipped probability stands in the loss"
        )
    return told


def _scale(reading: Reading) -> str:
    """The scale of the user's loss in words; scratch's squared error has a half and, as all losses, a mean over the examples."""
    factor = abs(reading.factor) if reading.shows == "update" else reading.factor
    how = {1: "summed over the examples", 0: "averaged over the examples", -1: "averaged over the examples twice"}
    text = "" if reading.single else f", {how[reading.power]}"
    if isinstance(reading.arch.loss, MeanSquaredError):
        if factor == 1:
            return text + " and halved"
        factor = factor / 2
    return text if factor == 1 else f"{text}, times {factor:.4g}"


def _alternatives(reading: Reading) -> list[str]:
    return []


class NetworkModel(Base):
    """The user's network on weights and batches of a case.

    Parameters
    ----------
    case : Case
    access : Access
    reading : Reading
    cost : Beside, optional
        A method that gives the loss, or should.
    """

    def __init__(self, case: Case, access: Access, reading: Reading, cost: Beside | None = None) -> None:
        super().__init__(case)
        self._access, self._reading, self._cost = access, reading, cost

    def differentiate(self, x, target=None, upstream=None, training=True, masks=None):
        """The user's step."""
        r, m = self._reading, len(x)
        params = self._params(x.dtype)
        given = put_target(target, r.form, r.labels)
        seen = self._access.step(params, put(x, r.form), given, m)
        grads = r.chain.from_user(gradients(self._access, params, seen))
        scaled = {
            layer: {p: _divided(g, r.scale(m), x.dtype) for p, g in reversed(named.items())}
            for layer, named in grads.items()
        }
        return Pass({}, self._loss(x, target), scaled, {}, upstream)

    def _loss(self, x: Array, target: Array) -> Array | None:
        """What the network's own cost gives, if it is the loss or should be."""
        cost = self._cost
        if cost is None or (cost.told and not cost.wrong):
            return None
        found = cost_value(self._access, self._reading, cost.name, cost.swapped, self.weights(), x, target)
        return np.asarray(found / cost.scale(len(x)), x.dtype)

    def _params(self, dtype: np.dtype) -> dict[str, Array]:
        own = self.weights()
        return {n: a.astype(dtype) for n, a in self._reading.chain.to_user(own, self._access.parameters).items()}

    def evaluate(self, x: Array) -> dict[str, Array]:
        """The user's output."""
        r = self._reading
        if not r.output:
            return {}
        outputs = []
        size = 1 if r.single else len(x)
        for i in range(0, len(x), size):
            part = x[i : i + size]
            target = np.eye(r.chain.sizes[-1], dtype=x.dtype)[[-1] * len(part)]
            seen = self._access.forward(
                self._params(x.dtype), put(part, r.form), put_target(target, r.form, r.labels), len(part)
            )
            if r.output not in seen.arrays:
                raise UserError(f"{self._access.name}: no output ({r.output})")
            a = as_rows(seen.arrays[r.output], len(part), r.chain.sizes[-1], r.form)
            outputs.append(seen.arrays[r.output] if a is None else a)
        result = np.concatenate(outputs) if len(outputs) > 1 else outputs[0]
        logits = r.arch.loss is not None and type(r.arch.loss).probabilities is not Loss.probabilities
        # A network that leaves softmax to its loss gives logits, which are the last layer's output.
        return {"predictions" if r.probabilities or not logits else r.arch.layers[-1][0]: result}


def _divided(g: Array, by: float, dtype: np.dtype) -> Array:
    return (g / by).astype(g.dtype) if g.dtype.kind == "f" else g / by
