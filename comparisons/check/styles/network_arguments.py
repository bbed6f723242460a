"""What an argument of a user's function or constructor is for, by its name, and what may be given for it."""

from __future__ import annotations

import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

SIZES = (4, 5, 3)
"""Unequal, so that shapes tell what is what."""
RATE = 0.5
"""A power of two: dividing by it rounds nothing."""

_ROLES: tuple[tuple[str, str], ...] = (
    ("rate", r"lr|alpha|eta|l?_?rate|(learn(ing)?_?rate)|learning|step_?size|epsilon_?lr|gamma_lr|lrate|learningrate"),
    ("momentum", r"momentum|mu|dropout|dropout_?(rate|prob)|p_?drop|weight_?decay|decay|(l1|l2)(_?(reg|lambda))?|reg\w*|lambd\w*|lmb?da?|lam|lambda_?"),
    ("keep", r"keep_?prob\w*"),
    ("flag", r"verbose|print_?\w*|plot\w*|show\w*|debug|log\w*|display|shuffle|disp\w*"),
    ("seed", r"(random_?)?(seed|state)|rng"),
    ("epochs", r"(num_?|n_?|max_?|no_?of_?)?(epochs?|iter(ation)?s?|steps?|passes|itr|niter|training_iterations|number_of_training_iterations)|ep"),
    ("batch_size", r"(mini_?)?batch_?size|bs|b_?size|minibatch_?size"),
    ("pairs", r"(mini_?batch|training_data|train_data|batch|data_?set|training_set|trainingset|dataset|samples|patterns|data)"),
    ("sizes", r"(layers?_?)?(sizes?|dims?|dimensions?|structure|shapes?|units|spec|config|num|nodes|neurons)|layers?|layers_?dims?|(network_?|nn_?)?(topology|architecture|structure|shape)|layer_?(list|nodes)|nodes|units|neurons|arch|num_?nodes|net_?(size|dim)s?|n_?units|nn_?dims?"),
    ("input_size", r"(n|num|no|nb)?_?(of_?)?(in|inp|inputs?|input_?layer|x|features?|visible|i)_?(put)?s?_?(layer_?)?(size|dims?|dimension|nodes|layer|neurons?|units|features|num|count|n|shape|len(gth)?)?|nx|n_?x|n_?i|ni|d|d_?in|dim_?in|nin|n0|in_?features|inodes|innodes|input_?n"),
    ("hidden_size", r"(n|num|no|nb)?_?(of_?)?(h|hid|hiddens?|hidden_?layers?)_?(layer_?)?(size|dims?|dimension|nodes|layer|neurons?|units|sizes|num|count|n|dim|len(gth)?)?\d?s?|nh|n_?h\d?|hnodes|dim_?hidden|n1|hdim|nn_?hdim|h\d|middle\w*|size_?hidden"),
    ("output_size", r"(n|num|no|nb)?_?(of_?)?(o|out|outputs?|output_?layer|y|class(es)?|targets?|c|k)_?(put)?s?_?(layer_?)?(size|dims?|dimension|nodes|layer|neurons?|units|num|count|n|shape|len(gth)?)?|ny|n_?y|n_?o|no|d_?out|dim_?out|nout|n2|out_?features|onodes|labels_?num|n_?classes|num_?labels"),
)  # fmt: skip
_X = re.compile(
    r"x\w{0,6}|x_?(train|batch|data|in|i|sample)?|inputs?\w*|(train(ing)?_?)?(set_?)?inputs?(_?list|_?data|_?vector|_?array)?|data|features?|inp|a_?0|l0|img|images?|samples?|training_set_inputs|train_x|feature\w*|activation",
    re.IGNORECASE,
)
_Y = re.compile(
    r"y\w{0,6}|y_?(train|true|batch|data|i|label|onehot|one_hot|real)?|(train(ing)?_?)?(set_?)?(outputs?|targets?|labels?)(_?list|_?data|_?vector|_?array)?|t|truth|all_y\w*|expected\w*|d|desired\w*|one_?hot\w*|train_y|target\w*|label\w*|actual|correct\w*|ground_?truth|training_set_outputs",
    re.IGNORECASE,
)
_OUT = re.compile(
    r"o|out|outputs?|output_?layer|y_?hat|yhat|y_?pred\w*|pred\w*|a\d|al|probs?|result|y_?out|final_?\w*", re.IGNORECASE
)


_LIMIT = re.compile(
    r"_?((g|grads?|gradients?)_?)?clip(ping)?_?(norm|value|val|at|threshold|grads?|gradients?)?|_?max_?((grads?|gradients?)_?)?norm|_?(grads?|gradients?)_?(norm|max|limit|threshold)",
    re.IGNORECASE,
)
UNLIMITED = 1e6
"""What stands in for the size at which gradients are clipped: beyond it they are no derivatives."""


def limits(name: str, value: Any) -> bool:
    """Whether a number is the size at which gradients are clipped."""
    number = isinstance(value, float | int) and not isinstance(value, bool)
    return number and value >= 0.01 and bool(_LIMIT.fullmatch(name))


@functools.cache
def role(name: str) -> str:
    """What an argument with this name is for; `other` if the name does not tell."""
    lower = name.lower().strip("_")
    for meaning, pattern in _ROLES:
        if re.fullmatch(pattern, lower):
            return meaning
    return "other"


def is_x(name: str) -> bool:
    """Whether a name is one for inputs."""
    return bool(_X.fullmatch(name.strip("_")))


def is_y(name: str) -> bool:
    """Whether a name is one for targets."""
    return bool(_Y.fullmatch(name.strip("_")))


def is_output(name: str) -> bool:
    """Whether a name is one for the network's output."""
    return bool(_OUT.fullmatch(name.strip("_")))


def parameters_of(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """Arguments by position or name, without `self`."""
    try:
        found = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        return []
    return [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def training_flags(f: Callable[..., Any]) -> dict[str, bool]:
    """The flag of a forward pass that would otherwise be that of evaluation, set."""
    names = (p.name for p in parameters_of(f))
    return {n: True for n in names if re.fullmatch(r"(is_?)?train(ing)?(_?(mode|flg|flag))?", n, re.IGNORECASE)}


def required(f: Callable[..., Any]) -> list[inspect.Parameter]:
    """Arguments without a default."""
    return [p for p in parameters_of(f) if p.default is p.empty]


SMALL: dict[str, list[Any]] = {
    "rate": [RATE],
    "momentum": [0.0],
    "keep": [1.0],
    "flag": [False],
    "seed": [0],
    "epochs": [1],
    "batch_size": [6],
}
"""What is given for arguments that have nothing to do with sizes."""


def constructor_arguments(cls: type, y_columns: int = 1) -> Iterator[dict[str, Any]]:
    """Ways of constructing a network, the likely ones first."""
    wanted = [
        p for p in parameters_of(cls) if p.default is p.empty or role(p.name) in ("rate", "flag", "momentum", "seed")
    ]
    wanted = [p for p in wanted if p.default is p.empty or not isinstance(p.default, np.ndarray | list)]
    required_names = [p.name for p in wanted if p.default is p.empty]
    choices = []
    position = 0
    for p in wanted:
        meaning = role(p.name)
        if p.default is not p.empty:
            choices.append([p.default] if meaning in ("seed",) else [SMALL[meaning][0], p.default])
            continue
        choices.append(list(_constructor_values(p.name, meaning, position, len(required_names), y_columns)))
        position += 1
    names = [p.name for p in wanted]
    for values in itertools.islice(itertools.product(*choices), 60):
        yield dict(zip(names, values, strict=True))


def _constructor_values(name: str, meaning: str, position: int, count: int, k: int) -> Iterator[Any]:
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((6, SIZES[0])), np.eye(max(k, 2))[np.arange(6) % max(k, 2)][:, :k]
    if is_x(name) and meaning in ("other", "input_size", "pairs"):
        yield x
    if is_y(name) and meaning in ("other", "output_size"):
        yield y
    if meaning in SMALL:
        yield from SMALL[meaning]
    if meaning == "sizes":
        yield list(SIZES)
        yield [4, 5, 6, 3]
        yield [*SIZES[:2], 1]
        yield [4, 5, 6, 7, 3]
        yield len(SIZES)
    if meaning == "input_size":
        yield SIZES[0]
    if meaning == "hidden_size":
        yield SIZES[1]
        yield [SIZES[1]]
        yield [SIZES[1], 6]
    if meaning == "output_size":
        yield SIZES[2]
    if meaning == "other":
        if "activ" in name.lower():
            yield from ("sigmoid", "tanh", "relu", ["sigmoid", "sigmoid"])
        elif "loss" in name.lower() or "cost" in name.lower():
            yield from ("mse", "cross_entropy", "binary_crossentropy")
        else:
            yield SIZES[min(position, 2)]
            yield list(SIZES)
