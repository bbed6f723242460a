"""What layers wait for, by their source."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from comparisons.check.outside import Surroundings, awaited, furnish, lacked, preparers

TEXT = """
class Flatten:
    def __init__(self):
        self.input_shape = None

    def forward(self, x):
        return x.reshape(len(x), self.input_shape[0] * self.input_shape[1])

    def backward(self, g):
        return g.reshape((len(g), *self.input_shape))


class Dense:
    def __init__(self, n):
        self.n, self.W, self.lr = n, None, None

    def set_up(self):
        self.W = [[0.0] * self.n for _ in range(self.n_in)]

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, g):
        self.W = self.W - self.lr * self.x * g
        return self.net.training and g


class Slip:
    def forward(self, x):
        self.mask = x > 0
        return x

    def backward(self, g):
        return g * self.msak
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    path = tmp_path / "layers_that_wait.py"
    path.write_text(TEXT)
    spec = importlib.util.spec_from_file_location("layers_that_wait", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["layers_that_wait"] = module
    spec.loader.exec_module(module)
    return module


PASSES = ("forward", "backward")


def raised(f: Any, *args: Any) -> BaseException:
    with pytest.raises((TypeError, AttributeError)) as caught:
        f(*args)
    return caught.value


def test_what_is_awaited(module: ModuleType) -> None:
    assert awaited(module.Flatten, PASSES) == {"input_shape"}
    assert awaited(module.Dense, PASSES) == {"W", "lr", "n_in", "net"}
    assert preparers(module.Dense(3), PASSES) == ["set_up"]


def test_what_a_name_asks_for_is_given(module: ModuleType) -> None:
    flatten, dense = module.Flatten(), module.Dense(3)
    furnish(flatten, PASSES, ((2, 3), (6,)), 5, None)
    furnish(dense, PASSES, ((4,), (3,)), 5, None)
    assert flatten.input_shape == (2, 3)
    assert (dense.n_in, dense.lr, dense.W) == (4, 1.0, None)
    assert isinstance(dense.net, Surroundings)


def test_what_is_raised_for_want_of_it_is_no_mistake(module: ModuleType) -> None:
    assert lacked(raised(module.Flatten().backward, [1]))
    assert lacked(raised(module.Dense(3).forward, 2.0))
    assert not lacked(raised(module.Slip().backward, 1.0))
