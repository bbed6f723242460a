"""A torch module and a Keras model in one file: one is the port of the other, whichever stands first is taken as the original."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from comparisons import ports
from comparisons.case import Case
from comparisons.check.homes import source_text
from comparisons.check.port_losses import losses
from comparisons.check.repro_port import PortLines, Unportable, port_lines
from comparisons.check.styles import port_models
from comparisons.check.unit import Twinless, Unit, UserError, UserFile
from comparisons.errors import BackproofError
from comparisons.port_copies import compare_copied
from comparisons.ports import Incomparable, PortResult
from reference.model import UnknownLayer
from scratch import Dense, architecture

_FRAMEWORK_WORDS = re.compile(r"torch|keras|tensorflow|tf|pt|pytorch|ported|port|original|_", re.IGNORECASE)


class Ports(Twinless):
    """Models of both frameworks, paired."""

    name = "ports"

    def find(self, file: UserFile, taken: frozenset[str]) -> list[Unit]:
        """Pairs of models, if the file imports both frameworks."""
        if not port_models.imports_both(file):
            return []
        found = dict(port_models.models(file, taken))
        pairs = paired(found)
        copies = [
            c
            for name in _copying(file)
            if len(pairs) == 1 and name not in taken and name not in found and (c := _copy(file, name, *pairs[0]))
        ]
        return [*(_unit(file, a, b) for a, b in pairs), *copies]

    def port(self, file: UserFile, unit: Unit, case: Case) -> PortResult:
        """The comparison of one pair."""
        subject, reference = (port_models.made(file, unit.options[role]) for role in ("subject", "reference"))
        makers = partial(_again, file, unit.options["subject"]), partial(_again, file, unit.options["reference"])
        try:
            if "copy" in unit.options:
                first = unit.options["first"]

                def copy(mine: Any, theirs: Any) -> None:
                    file.call(unit.options["copy"], *((mine, theirs) if first == "subject" else (theirs, mine)))

                return compare_copied(copy, subject, reference, unit.name, makers=makers)
            trained = losses(file, subject, reference)
            hints = port_models.shapes(file)
            return ports.compare_models(
                subject, reference, unit.name, seed=case.seed, losses=trained, hints=hints, makers=makers
            )
        except Incomparable as error:
            return _nothing(case, str(error))
        except BackproofError as error:
            if unit.options.get("guessed"):
                return _nothing(case, f"{error}; arguments were filled in that the file does not give")
            raise UserError(str(error)) from None

    def lines(self, file: UserFile, unit: Unit, tensor: str, training: bool) -> PortLines:
        """A failing comparison of the pair as lines of a test; `Unportable` if there are none."""
        models = {}
        for role in ("subject", "reference"):
            name = unit.options[role]
            call = port_models.calls_to_make(file, name)
            if call is None:
                raise Unportable(f"{name} is built by the script")
            models[role] = port_models.made(file, name), call
        return replace(port_lines(unit, models, tensor, training), there=frozenset(file.namespace))


def _again(file: UserFile, name: str) -> Any:
    """The model of that name, made once more."""
    try:
        return port_models.made(file, name)
    except UserError as error:
        raise UnknownLayer(str(error)) from None


def _nothing(case: Case, why: str) -> PortResult:
    """A pair that cannot be compared."""
    row = {
        "case": case.id, "suite": case.suite, "phase": "forward", "step": 0, "layer": "", "tensor": "*", "subject": "file",
        "reference": "port", "dtype": "float64", "scope": "propagated", "verdict": "vacuous", "diagnosis": why,
    }  # fmt: skip
    return PortResult([row], ())


def _unit(file: UserFile, torch: str, keras: str) -> Unit:
    lines = port_models.places(file)
    reference, subject = sorted((torch, keras), key=lines.__getitem__)
    kind = "Keras" if subject == keras else "torch"
    case = Case(f"check/{subject}/port", architecture(Dense(1, 1)), (1,), (1,))
    filled = [
        f"{name}({', '.join(args)})" for name in (reference, subject) if (args := port_models.guessed(file, name))
    ]
    assumed = [f"{reference}, which stands first, is the original"]
    if filled:
        assumed.append(f"arguments that the file does not give: {', '.join(filled)}")
    if re.search("drop_?out", source_text(file), re.IGNORECASE):
        assumed.append("compared without dropout (rate 0 on both sides), in training too")
    options = {"port": True, "subject": subject, "reference": reference, "guessed": bool(filled)}
    title = f"port of {reference} to {kind}"
    return Unit(subject, "ports", title, lines[subject], (subject, reference), (case,), options, tuple(assumed))


_COPIES = re.compile(r"set_weights|load_state_dict|\.copy_\(|\.assign\(|from_numpy|\.data\s*=|nn\.Parameter|weight")


def _copying(file: UserFile) -> list[str]:
    """Functions of two arguments that seem to carry weights from one model to another."""
    found = []
    for name, f in file.functions().items():
        asked = [p for p in port_models.parameters(f) if p.default is p.empty]
        text = port_models.source(file, name)
        if (
            len(asked) == 2
            and len(_COPIES.findall(text)) > 1
            and re.search("set_weights|get_weights|state_dict|get_layer|\\.layers", text)
        ):
            found.append(name)
    return found


def _copy(file: UserFile, name: str, torch: str, keras: str) -> Unit | None:
    """The unit of a copying function, with its arguments in the order in which it runs."""
    reference, subject = sorted((torch, keras), key=port_models.places(file).__getitem__)
    for first in ("subject", "reference"):
        models = [
            port_models.made(file, n) for n in ((subject, reference) if first == "subject" else (reference, subject))
        ]
        try:
            file.call(name, *models)
        except UserError:
            continue
        case = Case(f"check/{name}/port", architecture(Dense(1, 1)), (1,), (1,))
        options = {"port": True, "subject": subject, "reference": reference, "copy": name, "first": first}
        return Unit(name, "ports", "weights carried over", file.own[name], (name,), (case,), options)
    return None


def paired(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Torch's models with Keras's: by what is left of their names without words like torch and Keras, else by their weights.

    Parameters
    ----------
    found : dict of str to torch.nn.Module or keras.Model
        In the order of the file.
    """
    torches = [n for n, m in found.items() if ports.framework(type(m)) == "torch"]
    kerases = [n for n, m in found.items() if ports.framework(type(m)) == "tensorflow"]
    plain = {_FRAMEWORK_WORDS.sub("", n).lower(): n for n in kerases}
    words = [_FRAMEWORK_WORDS.sub("", n).lower() for n in torches]
    pairs = [(n, plain[word]) for n, word in zip(torches, words, strict=True) if word in plain]
    left = _left(torches, pairs, 0), _left(kerases, pairs, 1)
    as_many = not pairs and len(torches) == len(kerases)
    alike = sorted(((_likeness(found[a], found[b]), a, b) for a in left[0] for b in left[1]), key=lambda t: -t[0])
    for likeness, a, b in alike:
        if likeness > 0.5 and not any(a in pair or b in pair for pair in pairs):
            pairs.append((a, b))
    if as_many:  # what is not alike may be mistaken
        pairs += zip(_left(torches, pairs, 0), _left(kerases, pairs, 1), strict=True)
    return pairs


def _left(names: list[str], pairs: list[tuple[str, str]], side: int) -> list[str]:
    return [n for n in names if n not in {pair[side] for pair in pairs}]


def _likeness(a: Any, b: Any) -> float:
    """Share of weights that have as many elements as one of the other model's."""
    sizes = [Counter(_sizes(m)) for m in (a, b)]
    return (sizes[0] & sizes[1]).total() / max((sizes[0] | sizes[1]).total(), 1)


def _sizes(model: Any) -> list[int]:
    if ports.framework(type(model)) == "torch":
        return [p.numel() for p in model.parameters()]
    return [int(np.prod(w.shape)) for w in model.trainable_weights]
