"""A class with hand-derived gradients that is made from a torch module of the same file, `NumpyMLP(model)`: beside the module's autograd."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import parameters, plain
from comparisons.check.differences import Derived, generator, ratio
from comparisons.check.members import Place, changed, is_gradient, is_memory, places, snapshot, speaks_of
from comparisons.check.objects import BACKWARD, FORWARD, method
from comparisons.check.styles.network_arguments import constructor_arguments, is_y
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from scratch import architecture

Array = np.ndarray
M = 5
NEAR = 1e-9
_TAKES = re.compile(r"\w*(model|net|network|module|torch|ref|mlp|pt)\w*|m|other", re.IGNORECASE)
_LOSS = re.compile(r"\w*(loss|cost|criterion|cross_?entropy|nll)\w*", re.IGNORECASE)


@dataclass
class ModuleTwin:
    """The two, and how the class is driven.

    Attributes
    ----------
    file : UserFile
    name, module : str
        The class, and the module's class.
    sizes : dict
        What the module is made with.
    shape : tuple of int
        Of an input.
    """

    file: UserFile
    name: str
    module: str
    sizes: dict[str, Any]
    shape: tuple[int, ...]
    scale: float = 1.0
    """Gradients are so many times those of the loss, all of them."""
    by_loss: bool = False
    """Whether the backward pass begins at a loss, not at a gradient that it is given."""

    def _made(self, rng: np.random.Generator) -> tuple[Any, Any]:
        """A module with random parameters, and the object that was made from it."""
        import torch

        module = self.file.call(self.module, **self.sizes).double().eval()
        with torch.no_grad():
            for p in module.parameters():
                p.copy_(torch.from_numpy(0.5 * rng.standard_normal(tuple(p.shape))))
        return module, self.file.call(self.name, module)

    def derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        """Output, loss and gradients, beside the module's; a factor that all gradients have in common is taken out."""
        for d in self._derived(rng):
            yield replace(d, subject=d.subject / self.scale) if d.tensor.startswith("grad/") else d

    def settle(self) -> None:
        """Find out whether all gradients have a factor in common."""
        grads = [d for d in self._derived(np.random.default_rng(23)) if d.tensor.startswith("grad/")]
        if self.by_loss and all(d.subject.shape == d.reference.shape for d in grads):
            found = [ratio(d) for d in grads]
            if (
                found
                and found[0]
                and found[0] > 0
                and all(r is not None and abs(r - found[0]) < NEAR * found[0] for r in found)
            ):
                self.scale = found[0]

    def _derived(self, rng: np.random.Generator) -> Iterator[Derived]:
        import torch

        module, mine = self._made(rng)
        cls = type(mine)
        kept = _kept(mine, module)
        x = rng.standard_normal(self.shape)
        theirs_x = torch.from_numpy(x.copy()).requires_grad_(True)
        with torch.enable_grad():
            theirs = module(theirs_x)
        output = self.file.call(getattr(mine, method(cls, FORWARD)), x.copy())
        output = output[0] if isinstance(output, tuple) else output
        yield self._beside("forward/output", output, theirs.detach().numpy())
        before = snapshot(mine)
        upstream = rng.standard_normal(tuple(theirs.shape))
        with torch.enable_grad():
            loss, returned, row = self._back(mine, output, theirs, upstream, rng)
        if row is not None:
            yield row
        names = list(kept)
        of = [dict(module.named_parameters())[n] for n in names]
        grads = torch.autograd.grad(loss, [*of, theirs_x], allow_unused=True)
        new = {p: a for p, a in changed(mine, before).items() if is_gradient(p) and not is_memory(p)}
        if isinstance(returned, dict):
            new |= {(("item", "grads"), *p): a for p, a in places(returned).items()}
        for name, g in zip(names, grads, strict=False):
            if g is None:
                continue
            place, turned = kept[name]
            claimed = _gradient(new, place, (tuple(g.shape)[::-1] if turned else tuple(g.shape)))
            if claimed is not None:
                yield self._beside(f"grad/{name}", claimed, g.numpy().T if turned else g.numpy())
        parts = list(returned) if isinstance(returned, tuple | list) else [returned]
        dx = [p for p in parts if isinstance(p, np.ndarray) and p.shape == self.shape]
        if dx and grads[-1] is not None:
            yield self._beside("grad/input", dx[0], grads[-1].numpy())

    def _back(
        self, mine: Any, output: Array, theirs: Any, upstream: Array, rng: np.random.Generator
    ) -> tuple[Any, Any, Derived | None]:
        """The module's loss, what the class's backward pass returns, and the loss beside the module's where it has one."""
        import torch

        cls = type(mine)
        f = getattr(mine, method(cls, BACKWARD))
        asked = [p.name for p in parameters(f) if p.default is p.empty]
        if len(asked) == 1 and not is_y(asked[0]):
            return (theirs * torch.from_numpy(upstream)).sum(), self.file.call(f, upstream.copy()), None
        self.by_loss = True
        costs = [
            n
            for n in dir(cls)
            if _LOSS.fullmatch(n) and callable(getattr(cls, n)) and len(parameters(getattr(mine, n))) == 2
        ]
        for y, loss in _losses(theirs, rng):
            given = y.numpy().copy()
            row = None
            try:
                for name in costs[:1]:
                    value = np.asarray(self.file.call(getattr(mine, name), output.copy(), given), dtype=np.float64)
                    if abs(float(value) - float(loss)) > NEAR * max(1.0, abs(float(loss))):
                        raise UserError("another loss")
                    row = self._beside("forward/loss", value.reshape(1), loss.detach().numpy().reshape(1))
                if costs or asked:
                    return loss, self.file.call(f, *([given] if asked else [])), row
            except UserError:
                continue
        raise UserError(f"{self.name}: its loss is not known")

    def _beside(self, tensor: str, subject: Any, reference: Array) -> Derived:
        where, _, leaf = tensor.partition("/")
        a = np.asarray(subject, dtype=np.float64)
        against = f"autograd of {self.module}" if where == "grad" else self.module
        name = f"{where}/{self.name}.{leaf.replace('.', ' ')}"
        return Derived(name, a, reference, 0.0, np.zeros(reference.shape, bool), M, against=against)


def _losses(theirs: Any, rng: np.random.Generator) -> Iterator[tuple[Any, Any]]:
    """Targets with the losses in use, of an output."""
    import torch
    from torch.nn import functional

    k = theirs.shape[-1]
    labels = torch.from_numpy(rng.integers(0, k, len(theirs)))
    real = torch.from_numpy(rng.standard_normal(tuple(theirs.shape)))
    hot = functional.one_hot(labels, k).double()
    half = torch.from_numpy((rng.random(tuple(theirs.shape)) < 0.5).astype(float))
    if theirs.ndim == 2:
        yield labels, functional.cross_entropy(theirs, labels)
        yield hot, functional.cross_entropy(theirs, labels)
        yield labels, functional.cross_entropy(theirs, labels, reduction="sum")
        yield labels, functional.nll_loss(theirs, labels)
    yield real, functional.mse_loss(theirs, real)
    yield real, functional.mse_loss(theirs, real, reduction="sum")
    yield real, 0.5 * functional.mse_loss(theirs, real)
    yield real, 0.5 * functional.mse_loss(theirs, real, reduction="sum")
    yield real, functional.mse_loss(theirs, real, reduction="sum") / len(theirs)
    yield half, functional.binary_cross_entropy_with_logits(theirs, half)


def _kept(mine: Any, module: Any) -> dict[str, tuple[Place, bool]]:
    """Where the object has the module's parameters, and whether they stand turned."""
    held = places(mine)
    found: dict[str, tuple[Place, bool]] = {}
    for name, p in module.named_parameters():
        a = p.detach().numpy()
        for place, b in held.items():
            if b.shape == a.shape and np.array_equal(a, b):
                found[name] = place, False
                break
            if a.ndim == 2 and b.shape == a.T.shape and np.array_equal(a.T, b):
                found[name] = place, True
    return found


def _gradient(new: dict[Place, Array], place: Place, shape: tuple[int, ...]) -> Array | None:
    """The gradient of what is at a place: under the same last name, else under one that speaks of it."""
    own = place[-1][1]
    same = [
        a
        for p, a in new.items()
        if p[-1][1] == own or p[-1][1] in (f"d{own}", f"d_{own}", f"grad_{own}", f"{own}_grad")
    ]
    spoken = [a for p, a in new.items() if isinstance(own, str) and speaks_of(p, (plain(own),))]
    fitting = [a for a in (*same, *spoken) if a.shape == shape]
    return next(iter((*fitting, *same, *spoken)), None)


class ModuleTwins(Twinless):
    """Classes that are made from a module."""

    name = "module twins"

    def __init__(self) -> None:
        self._twins: dict[str, ModuleTwin] = {}

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Those that run with the output of a module of the file."""
        self._twins = {}
        torch = sys.modules.get("torch")
        if torch is None or not hasattr(torch, "nn"):
            return []
        modules = [n for n, c in file.classes().items() if issubclass(c, torch.nn.Module)]
        units = []
        for name, cls in file.classes().items():
            if name in taken or name in modules or not modules or not _made_from(cls):
                continue
            twin = _settled(file, name, modules)
            if twin is not None:
                self._twins[name] = twin
                rows = list(twin.derived(np.random.default_rng(23)))
                names = {
                    d.tensor.partition("/")[2]: d.tensor.partition(".")[2].replace("input", "the input") for d in rows
                }
                case = Case(f"check/{name}/module", architecture(), (M,), (1,))
                members = (name, method(cls, FORWARD), method(cls, BACKWARD))
                parts = tuple(f"{name}.{m}" for m in members[1:])
                told = [f"it is compared with {twin.module}, from which it is made"]
                if abs(twin.scale - 1) > NEAR:
                    told.append(f"gradients are {twin.scale:.4g} times those of the loss, all of them")
                options = {"differences": True, "names": names}
                units.append(
                    Unit(
                        name,
                        self.name,
                        f"class beside the module {twin.module}",
                        file.own[name],
                        parts,
                        (case,),
                        options,
                        tuple(told),
                    )
                )
        file.mutated.clear()
        return units

    def differences(self, file: UserFile, unit: Unit, case: Case) -> list[Derived]:
        """All that both have."""
        rng = generator(case)
        return list(self._twins[unit.name].derived(rng))


def _made_from(cls: type) -> bool:
    """Whether a class has both passes, and is made from one thing that its constructor takes for a module."""
    if not method(cls, FORWARD) or not method(cls, BACKWARD):
        return False
    asked = [p for p in parameters(cls) if p.default is p.empty]
    try:
        text = inspect.getsource(cls.__init__)  # type: ignore[misc]
    except (OSError, TypeError):
        return False
    speaks = re.search(r"state_dict|named_parameters|\.weight|\.parameters\(|\.detach\(", text)
    return len(asked) == 1 and bool(_TAKES.fullmatch(asked[0].name)) and speaks is not None


def _settled(file: UserFile, name: str, modules: list[str]) -> ModuleTwin | None:
    """The module from which the class can be made, such that their outputs have one shape."""
    for module in modules:
        for sizes in _sizes(file.classes()[module]):
            for shape in ((M, 4), (2, 6, 4), (M, 784), (2, 1, 28, 28), (2, 3, 8, 8)):
                twin = ModuleTwin(file, name, module, sizes, shape)
                try:
                    rows = list(twin.derived(np.random.default_rng(23)))
                except (UserError, RuntimeError, ValueError, TypeError, KeyError):
                    continue
                if len(rows) > 1 and rows[0].subject.shape == rows[0].reference.shape:
                    twin.settle()
                    return twin
    return None


def _sizes(module: Callable[..., Any]) -> Iterator[dict[str, Any]]:
    asked = [p for p in parameters(module) if p.default is p.empty]
    if not asked:
        yield {}
        return
    yield from constructor_arguments(module, 3)  # type: ignore[arg-type]
