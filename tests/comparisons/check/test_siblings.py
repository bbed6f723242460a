"""A file of a package finds what it imports, by relative and by full names, and nothing of it is run but definitions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.unit import UserFile


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    modules, finders = set(sys.modules), list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def load(folder: Path, files: dict[str, str], name: str) -> UserFile:
    for inner, text in files.items():
        (folder / inner).parent.mkdir(parents=True, exist_ok=True)
        (folder / inner).write_text(text)
    return source.run(folder / name)


def test_a_file_of_a_package_finds_its_base_class_and_helpers(tmp_path: Path) -> None:
    files = {
        "library/__init__.py": "from .layers.dense import Dense\n",
        "library/tools.py": "def twice(x): return 2 * x\n",
        "library/layers/__init__.py": "from .dense import Dense\n",
        "library/layers/base.py": "from library.tools import twice\nclass Layer:\n    size = twice(2)\n",
        "library/layers/dense.py": "from .base import Layer\nfrom ..tools import twice\nclass Dense(Layer):\n    more = twice(3)\n",
    }
    file = load(tmp_path, files, "library/layers/dense.py")
    assert file.namespace["Dense"].size == 4
    assert file.namespace["Dense"].more == 6
    assert list(file.classes()) == ["Dense"]
    assert not file.notes


def test_relative_imports_need_no_init_file(tmp_path: Path) -> None:
    files = {"some/where/tools.py": "N = 3\n", "some/where/deep/mine.py": "from ..tools import N\n"}
    assert load(tmp_path, files, "some/where/deep/mine.py").namespace["N"] == 3


def test_folders_above_are_searched_as_scripts_of_a_book_expect(tmp_path: Path) -> None:
    files = {
        "shared_by_chapters/ops.py": "def f(x): return x\n",
        "ch05/net.py": "from shared_by_chapters.ops import *\n",
    }
    file = load(tmp_path, files, "ch05/net.py")
    assert file.namespace["f"](5) == 5
    assert not file.functions()


def test_a_module_beside_the_file_is_not_trained_when_imported(tmp_path: Path) -> None:
    files = {
        "beside.py": "def train(): raise SystemExit\ndef g(x): return x + 1\nwhile True: train()\n",
        "mine.py": "from beside import g\n",
    }
    assert load(tmp_path, files, "mine.py").namespace["g"](1) == 2


def test_nor_is_a_module_of_its_package(tmp_path: Path) -> None:
    files = {
        "pack/__init__.py": "from .other import g\n",
        "pack/other.py": "def g(x): return x\nwhile True: g(1)\n",
        "pack/mine.py": "from pack.other import g\nfrom .other import g as h\n",
    }
    file = load(tmp_path, files, "pack/mine.py")
    assert file.namespace["g"](1) == file.namespace["h"](1) == 1


def test_python_2_beside_the_file_is_understood(tmp_path: Path) -> None:
    files = {"old.py": "def g(x):\n    print 'x', x\n    return x\n", "mine.py": "import old\n"}
    assert load(tmp_path, files, "mine.py").namespace["old"].g(1) == 1


def test_what_lacks_only_an_optional_library_is_still_found(tmp_path: Path) -> None:
    files = {"beside.py": "from no_such_plots import figure\ndef g(x): return x\n", "mine.py": "from beside import g\n"}
    assert load(tmp_path, files, "mine.py").namespace["g"](1) == 1


def test_installed_modules_come_first(tmp_path: Path) -> None:
    files = {"json.py": "broken = True\n", "mine.py": "import json\n"}
    assert not hasattr(load(tmp_path, files, "mine.py").namespace["json"], "broken")


def test_a_package_may_have_the_name_of_an_installed_one(tmp_path: Path) -> None:
    files = {
        "numpy/__init__.py": "",
        "numpy/base.py": "class Layer: pass\n",
        "numpy/dense.py": "from .base import Layer\nimport numpy as np\nclass Dense(Layer): w = np.ones(2)\n",
    }
    file = load(tmp_path, files, "numpy/dense.py")
    assert file.namespace["Dense"].w.sum() == 2
    assert not file.notes


def test_what_is_not_there_is_told_and_stood_in_for(tmp_path: Path) -> None:
    file = load(tmp_path, {"mine.py": "from .base import Layer\nclass Dense(Layer): pass\n"}, "mine.py")
    assert list(file.classes()) == ["Dense"]
    assert file.notes == ["base is not here; what needs it cannot be run"]


def test_a_base_class_that_is_not_there_has_the_usual_dictionaries(tmp_path: Path) -> None:
    text = "from nowhere import Layer\nclass Dense(Layer):\n    def __init__(self):\n        super().__init__()\n        self.params['W'] = 1\n"
    dense = load(tmp_path, {"mine.py": text}, "mine.py").namespace["Dense"]()
    assert dense.params == {"W": 1}
    assert not hasattr(dense, "units")
