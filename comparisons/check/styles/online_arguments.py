"""What a step on one example is given for its arguments, by their names."""

from __future__ import annotations

import re

import numpy as np

from comparisons.check.styles.cost_arguments import Given, H, K, N
from comparisons.check.styles.network_arguments import is_x, is_y, role

WORD, CONTEXT, NEGATIVES = 2, [0, 3, 1], [4, 5]
"""Words of a vocabulary of H, none of them twice."""
WORDS = "words"
"""The kind of what is given for numbers of words."""
assert max(*CONTEXT, *NEGATIVES, WORD) < H
_RATE = re.compile(r"(\w*_)?(lr|learning_?rate|eta|alpha|step_?size|rate)(_?\w{0,8})?", re.IGNORECASE)
_VOCABULARY = re.compile(r"(n_?|num_?)?(vocab(ulary)?(_?(size|len|dim))?|n_?words|num_?words|v)", re.IGNORECASE)
_CONTEXT = re.compile(r"\w*(context|ctx|window|outside|surround|neighbou?r)\w*", re.IGNORECASE)
_NEGATIVES = re.compile(r"\w*(neg(?!ative_?log)|noise|sampled)\w*", re.IGNORECASE)
_WORD = re.compile(
    r"(cent(er|re)|target|token|word|current|pos(itive)?|focus|node|input|output)_?(word|id|idx|index|token|ix|node)?(_?(id|idx|index|ix))?|w|wi|wo|c|o|i|j|idx|index|word\d?",
    re.IGNORECASE,
)  # fmt: skip


def is_rate(name: str) -> bool:
    """Whether a name is that of a learning rate, one of several included."""
    return role(name) == "rate" or (bool(_RATE.fullmatch(name)) and "decay" not in name.lower())


def is_vocabulary(name: str) -> bool:
    """Whether a name is that of the size of a vocabulary."""
    return bool(_VOCABULARY.fullmatch(name))


def word_lists(name: str) -> list[Given]:
    """Word numbers for an argument that may be one word or several; nothing where the name tells of none."""
    if _NEGATIVES.fullmatch(name):
        return [Given(WORDS, value=NEGATIVES), Given(WORDS, value=np.array(NEGATIVES))]
    if _CONTEXT.fullmatch(name):
        listed = [Given(WORDS, value=CONTEXT), Given(WORDS, value=np.array(CONTEXT))]
        return [*listed, Given(WORDS, value=CONTEXT[0])]
    return [Given(WORDS, value=WORD)] if _WORD.fullmatch(name) else []


def choices(name: str, widths: tuple[int, ...], first: bool) -> list[Given]:
    """What may be given, the likely ones first.

    Parameters
    ----------
    name : str
    widths : tuple of int
        Sizes of what the object holds.
    first : bool
        Whether it is the first argument, which then is the input where its name does not tell.
    """
    words = word_lists(name)
    if words and not is_x(name) and not is_y(name):
        return words
    if is_y(name) and not first:
        numbers = [Given("real"), *(Given("real", shape) for n in widths for shape in ((n,), (n, 1)))]
        classes = dict.fromkeys((*widths, K))
        hot = [Given("fixed", value=np.eye(n)[1]) for n in classes]
        return [*words[:1], *numbers, Given("fixed", value=1.0), Given("fixed", value=0.0), *hot][:10]
    if is_x(name) or first:
        shapes = [shape for n in dict.fromkeys((*widths, N)) for shape in ((n,), (n, 1), (1, n))]
        less = [(n - 1,) for n in widths if n > 2]
        return [*(Given("real", shape) for shape in ((), *shapes, *less, (1,))), *words][:12]
    return words or [Given("real"), Given("fixed", value=1)]
