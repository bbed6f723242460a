"""A torch module and a Keras model in one file: one is the port of the other, whichever stands first is taken as the original."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from comparisons import ports
from comparisons.case import Case
from comparisons.check.homes import source_tree
from comparisons.check.port_losses import losses
from comparisons.check.repro_port import PortLines, port_lines
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from comparisons.errors import BackproofError
from comparisons.ports import Incomparable, PortResult
from scratch import Dense, architecture

_MAKES = re.compile(r"\b(nn|layers|keras|Sequential|Module|Model)\b")
_FRAMEWORK_WORDS = re.compile(r"torch|keras|tensorflow|tf|pt|pytorch|ported|port|original|_", re.IGNORECASE)


class Ports(Twinless):
    """Models of both frameworks, paired."""

    name = "ports"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Pairs of models, if the file has imported both frameworks."""
        if not {"torch", "keras"} <= sys.modules.keys():
            return []
        models = dict(self._models(file, taken))
        torches = [n for n, framework in models.items() if framework == "torch"]
        kerases = [n for n, framework in models.items() if framework == "tensorflow"]
        pairs = _paired(torches, kerases)
        copies = [
            c
            for name in _copying(file)
            if len(pairs) == 1 and name not in taken and (c := _copy(file, name, *pairs[0]))
        ]
        return [*(_unit(file, a, b) for a, b in pairs), *copies]

    def _models(self, file: UserFile, taken: frozenset[str]) -> Iterator[tuple[str, str]]:
        """Names that give a model, with its framework; parts of another model are left out."""
        parts = _used_by_classes(file)
        for name in file.own:
            if name in taken or name in parts:
                continue
            try:
                model = _made(file, name)
            except UserError:
                continue
            framework = ports.framework(type(model))
            if framework is not None:
                yield name, framework

    def port(self, file: UserFile, unit: Unit, case: Case) -> PortResult:
        """The comparison of one pair."""
        subject, reference = (_made(file, unit.options[role]) for role in ("subject", "reference"))
        try:
            if "copy" in unit.options:
                first = unit.options["first"]

                def copy(mine: Any, theirs: Any) -> None:
                    file.call(unit.options["copy"], *((mine, theirs) if first == "subject" else (theirs, mine)))

                return ports.compare_copied(copy, subject, reference, unit.name)
            trained = losses(file, subject, reference)
            return ports.compare_models(subject, reference, unit.name, seed=case.seed, losses=trained)
        except Incomparable as error:
            row = {
                "case": case.id, "suite": case.suite, "phase": "forward", "step": 0, "layer": "", "tensor": "*", "subject": "file",
                "reference": "port", "dtype": "float64", "scope": "propagated", "verdict": "vacuous", "diagnosis": str(error),
            }  # fmt: skip
            return PortResult([row], ())
        except BackproofError as error:
            raise UserError(str(error)) from None

    def lines(self, file: UserFile, unit: Unit, tensor: str, training: bool) -> PortLines:
        """A failing comparison of the pair as lines of a test; `Unportable` if there are none."""
        models = {}
        for role in ("subject", "reference"):
            name = unit.options[role]
            known = file.namespace.get(name)
            made = callable(known) and ports.framework(type(known)) is None
            models[role] = _made(file, name), f"{name}()" if made else name
        return replace(port_lines(unit, models, tensor, training), there=frozenset(file.namespace))


def _unit(file: UserFile, torch: str, keras: str) -> Unit:
    reference, subject = sorted((torch, keras), key=file.own.__getitem__)
    kind = "Keras" if subject == keras else "torch"
    case = Case(f"check/{subject}/port", architecture(Dense(1, 1)), (1,), (1,))
    return Unit(
        subject,
        "ports",
        f"port of {reference} to {kind}",
        file.own[subject],
        (subject, reference),
        (case,),
        {"port": True, "subject": subject, "reference": reference},
        (f"{reference}, which stands first, is the original",),
    )


_COPIES = re.compile(r"set_weights|load_state_dict|\.copy_\(|\.assign\(|from_numpy|\.data\s*=|nn\.Parameter|weight")


def _copying(file: UserFile) -> list[str]:
    """Functions of two arguments that seem to carry weights from one model to another."""
    found = []
    for name, f in file.functions().items():
        asked = [p for p in _parameters(f) if p.default is p.empty]
        text = _source(file, name)
        if (
            len(asked) == 2
            and len(_COPIES.findall(text)) > 1
            and re.search("set_weights|get_weights|state_dict|get_layer|\\.layers", text)
        ):
            found.append(name)
    return found


def _copy(file: UserFile, name: str, torch: str, keras: str) -> Unit | None:
    """The unit of a copying function, with its arguments in the order in which it runs."""
    reference, subject = sorted((torch, keras), key=file.own.__getitem__)
    for first in ("subject", "reference"):
        models = [_made(file, n) for n in ((subject, reference) if first == "subject" else (reference, subject))]
        try:
            file.call(name, *models)
        except UserError:
            continue
        case = Case(f"check/{name}/port", architecture(Dense(1, 1)), (1,), (1,))
        options = {"port": True, "subject": subject, "reference": reference, "copy": name, "first": first}
        return Unit(name, "ports", "weights carried over", file.own[name], (name,), (case,), options)
    return None


def _paired(torches: list[str], kerases: list[str]) -> list[tuple[str, str]]:
    """By what is left of the names without words like torch and Keras, or in order where there are as many of each."""
    plain = {_FRAMEWORK_WORDS.sub("", n).lower(): n for n in kerases}
    named = [
        (n, plain[_FRAMEWORK_WORDS.sub("", n).lower()]) for n in torches if _FRAMEWORK_WORDS.sub("", n).lower() in plain
    ]
    if len(named) == min(len(torches), len(kerases)):
        return named
    return list(zip(torches, kerases, strict=True)) if len(torches) == len(kerases) else []


def _made(file: UserFile, name: str) -> Any:
    """The model of that name: as it is, of a class, or of a function that needs no argument and seems to make one."""
    found = file.namespace.get(name)
    if not callable(found) or ports.framework(type(found)) is not None:
        return found
    if any(p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in _parameters(found)):
        return None
    if inspect.isfunction(found) and not _MAKES.search(_source(file, name)):
        return None
    if isinstance(found, type) and ports.framework(found) is None:
        return None
    return file.call(found)


def _parameters(f: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(f).parameters.values())
    except (ValueError, TypeError):
        return []


def _statements(file: UserFile) -> list[ast.stmt]:
    tree = source_tree(file)
    return tree.body if tree is not None else []


def _source(file: UserFile, name: str) -> str:
    for node in _statements(file):
        if getattr(node, "name", None) == name:
            return ast.unparse(node)
    return ""


def _used_by_classes(file: UserFile) -> set[str]:
    """Names that another class of the file uses: blocks of a model rather than models."""
    used: set[str] = set()
    for node in _statements(file):
        if isinstance(node, ast.ClassDef):
            used |= {
                n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name) and n.id != node.name
            }
    return used
