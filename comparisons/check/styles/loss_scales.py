"""Of what scale a gradient may be beside its cost.

Sums and means, halves and wholes are all right as long as cost and gradient belong together. What else is a convention, and what
a mistake, is told in docs/verdicts.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from comparisons.check.homes import source_text
from comparisons.check.unit import UserFile

NEAR = 1e-6
_SEVERAL = re.compile(
    r"softmax|one_?hot|to_categorical|np\.eye\(|argmax|categorical|num_?classes|n_classes|output_(size|dim)\s*=\s*([2-9]|\d\d)",
    re.IGNORECASE,
)
_SINGLE = re.compile(
    r"reshape\(-1,\s*1\)|reshape\(\(?\w+,\s*1\)\)?|\[:,\s*(np\.newaxis|None)\]|\[\[0\],\s*\[1\]|[Dd]ense\w*\(\s*\d*\s*,?\s*1\s*[,)]|,\s*1\)\s*#?|output_(size|dim)\s*=\s*1\b|"
    r"randn\([^()]*,\s*1\)|\[\s*\[\s*[01]\s*\]\s*,"
)
_TRAINS = re.compile(
    r"for\s+\w+\s+in\s+t?range\([^\n]*(epoch|iter|step)|def\s+(train|fit)\b|(lr|learning_rate|eta|alpha)\s*\*\s*\w*(d[Ww]|grad|delta)",
    re.IGNORECASE,
)
"""Shows that a file learns by its gradients: then its cost is there to be printed."""


@dataclass(frozen=True)
class Factor:
    """m^a k^b c, for m examples of k outputs; `c` alone where the sizes do not explain it."""

    a: int = 0
    b: int = 0
    c: float = 1.0

    def at(self, m: int, k: int) -> float:
        """Its value."""
        return self.c * float(m) ** self.a * float(k) ** self.b

    @property
    def is_one(self) -> bool:
        """Whether it is 1 for all sizes."""
        return (self.a, self.b) == (0, 0) and abs(self.c - 1) < NEAR


def factor_of(samples: list[tuple[int, int, float]]) -> Factor | None:
    """The factor that explains ratios for several sizes; None if there is none."""
    if not samples:
        return None
    powers = sorted(((a, b) for a in (0, 1, -1) for b in (0, 1, -1)), key=lambda p: abs(p[0]) + abs(p[1]))
    for a, b in powers:
        rest = [r / (float(m) ** a * float(k) ** b) for m, k, r in samples]
        if all(abs(x / rest[0] - 1) < NEAR for x in rest):
            return Factor(a, b, rest[0])
    return None


def is_accepted(file: UserFile, factor: Factor, per_example: bool) -> bool:
    """Whether a gradient may be so many times that of its cost."""
    if factor.is_one:
        return True
    if abs(factor.c + 1) < NEAR and adds(file):
        factor = replace(factor, c=1.0)  # the direction of descent
    if abs(factor.c - 1) > NEAR:
        return False
    if per_example:
        return True  # the cost is not reduced: the gradient does that
    if factor.b and offered_for_several(file):
        return False
    return factor.a == 0 or (factor.a == 1 and divides_elsewhere(file))


def offered_for_several(file: UserFile) -> bool:
    """Whether a file offers its losses to others, who may have several outputs: networks of one output, and training, are not in it."""
    text = source_text(file)
    return bool(_SEVERAL.search(text)) and not _SINGLE.search(text) and not _TRAINS.search(text)


_GRADIENTS = r"d[Ww]\w*\s*[-+]?=|\w*(weight|grad|delta|nabla)\w*(\[.*\])?\s*[-+]?=[^\n]*(\.dot\(|@|matmul)|(weight|param)\w*\s*-="
"""Shows that a file calculates gradients of weights, or uses them."""


def divides_elsewhere(file: UserFile) -> bool:
    """Whether the file divides by the number of examples where it calculates or uses gradients, or leaves both to other files."""
    text = source_text(file)
    if not re.search(_GRADIENTS, text):
        return True
    return bool(re.search(r"d(W|b|w)\w*\s*=[^\n]*(/\s*(float\()?(m|N|n|batch_size|len\(|\w+\.shape\[)|1\.?0?\s*/\s*m)|"
                          r"(lr|learning_rate|eta|alpha)\)?\s*/\s*(m\b|len\(|batch|\w+\.shape|mini)|/\s*(self\.)?(batch_size|mini_batch_size)", text))  # fmt: skip


_AVERAGED = re.compile(
    r"(cost|loss|J)\w*(\([^()]*\))? ?/=? ?(float\()?(m|n|N|len|num\w*|n_\w+|\w+\.shape)\b|total_?(cost|loss)|(cost|loss)_?total|"
    r"\b(total|running|epoch)\w* ?/ ?\w+",
    re.IGNORECASE,
)


def averages_costs(file: UserFile) -> bool:
    """Whether a file adds costs up and divides them by the number of examples in the end: then a sum is meant beside a mean gradient."""
    return bool(_AVERAGED.search(source_text(file)))


def adds(file: UserFile) -> bool:
    """Whether a file moves its weights by adding what it calculates."""
    return any(not _OF_GRADIENT.match(moved["target"]) for moved in _ADDED.finditer(source_text(file)))


_ADDED = re.compile(
    r"^[ \t]*(?:self\.|\w+\.)*(?P<target>\w+)[^\n=]*?(?:\+=(?![ \t]*-)[^\n]*(?:lr|learning_rate|alpha|eta|\.dot\(|delta)|"
    r"=[^\n]*\+[ \t]*(?:self\.)?(?:lr|learning_rate|eta|alpha)[ \t]*\*)",
    re.MULTILINE,
)
_OF_GRADIENT = re.compile(r"d[A-Z]|d_?(w|b|weights?|bias(es)?)|\w*(grad|delta|nabla|loss|cost)", re.IGNORECASE)


def told(factor: Factor, per_example: bool = False) -> str:
    """The factor in words."""
    if factor == Factor(c=factor.c) and abs(factor.c + 1) < NEAR:
        return "the sign is flipped"
    parts = [("m", factor.a, "examples"), ("k", factor.b, "outputs")]
    times = " ".join(f"{n}" if power > 0 else f"1/{n}" for n, power, _ in parts if power)
    if abs(factor.c - 1) > NEAR:
        times = f"{factor.c:.4g}" + (f" {times}" if times else "")
    over = " and ".join(f"{n} {what}" for n, power, what in parts if power)
    where = f", for {over}" if over else ""
    cost = "the costs of all examples together" if per_example else "the cost"
    return f"the gradient is {times} times that of {cost}{where}"
