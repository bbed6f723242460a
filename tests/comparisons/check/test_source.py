"""Files are read and only their definitions run, whatever else they do."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.calling import source_of
from comparisons.check.data_imports import for_data_alone
from comparisons.check.unit import UserError, UserFile, refuses
from comparisons.errors import BackproofError


def load(tmp_path: Path, text: str, name: str = "mine.py") -> UserFile:
    path = tmp_path / name
    path.write_text(text)
    return source.run(path)


def test_functions_classes_and_constants_are_defined_in_order(tmp_path: Path) -> None:
    file = load(tmp_path, "import numpy as np\nN = 3\ndef f(x): return N * x\nclass C: pass\ng = lambda x: x\n")
    assert file.own == {"N": 2, "f": 3, "C": 4, "g": 5}
    assert list(file.functions()) == ["f", "g"]
    assert list(file.classes()) == ["C"]
    assert file.call("f", 2) == 6


def test_training_at_the_end_of_the_file_does_not_run(tmp_path: Path) -> None:
    text = """
def train(): raise SystemExit
for i in range(10 ** 12): train()
while True: pass
w = train()
train()
if __name__ == "__main__":
    train()
data = open("no such file").read()
"""
    file = load(tmp_path, text)
    assert file.own == {"train": 2}
    assert not file.notes


def test_a_constant_that_a_function_needs_is_missed_aloud(tmp_path: Path) -> None:
    file = load(tmp_path, "def load_data(): return 3\ndata = load_data()\ndef f(): return data\n")
    assert file.notes == ["not run, as it reads data or calls more than definitions: data (line 2)"]


def test_modules_beside_the_course_notebooks_are_stood_in_for(tmp_path: Path) -> None:
    file = load(
        tmp_path, "from dnn_utils_v2 import sigmoid, weird\nfrom dnn_app_utils import *\nimport nowhere.at.all\n"
    )
    assert file.namespace["sigmoid"].__module__ == "scratch.course"
    assert "relu_backward" in file.namespace
    assert len(file.notes) == 3
    assert "relu" not in load(tmp_path, "from testCases import *\n").namespace
    with pytest.raises(ImportError, match=r"dnn_utils_v2\.weird is not here"):
        file.namespace["weird"](1)
    assert not file.functions()


def test_a_missing_decorator_leaves_the_function(tmp_path: Path) -> None:
    file = load(tmp_path, "from no_such_numba import njit\n@njit\ndef f(x): return x + 1\n")
    assert file.call("f", 1) == 2


def test_python_2_is_understood(tmp_path: Path) -> None:
    file = load(tmp_path, "def f(x):\n    print 'value', x\n    return sum(xrange(x))\n")
    assert file.call("f", 4) == 6
    assert "Python 2" in file.notes[0]
    named = load(tmp_path, "class A:\n    def f(self):\n        print 'value'\n")
    assert "print('value')" in source_of(named.namespace["A"])


def test_magics_are_told_from_what_only_begins_like_them(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "source": ["def f(x):\n", "    return ('%d'\n", "        % x)"]},
        {"cell_type": "code", "source": ["%%bash\n", "for i in *; do echo $i; done"]},
        {"cell_type": "code", "source": ["%%time\n", "def g(x):\n", "    %timeit f(x)\n", "    return x\n", "g?"]},
    ]
    file = load(tmp_path, json.dumps({"cells": cells}), "mine.ipynb")
    assert file.call("f", 3) == "3"
    assert file.own == {"f": 1, "g": 7}
    assert file.notes == ["lines are counted through the code cells, which begin at 1, 4, 6"]


def test_a_notebook_is_its_code_cells(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# not python"]},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "import numpy as np\n"]},
        {"cell_type": "code", "source": ["!ls\n", "def f(x):\n", "    return np.sum(x)\n"]},
    ]
    file = load(tmp_path, json.dumps({"cells": cells}), "mine.ipynb")
    assert list(file.functions()) == ["f"]
    assert file.call("f", [1, 2]) == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.py", "def f(:\n", r"a\.py, line 1: .*; is it Python 3\?"),
        ("b.ipynb", "{}", "not a notebook"),
        ("c.ipynb", "no json", "not a notebook"),
        ("d.py", "\0\1", "not a Python file"),
    ],
)
def test_what_is_no_python_gets_one_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(BackproofError, match=message):
        load(tmp_path, text, name)


def test_no_file_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(BackproofError, match="cannot be read"):
        source.run(tmp_path / "absent.py")


def test_errors_name_the_function_and_the_line(tmp_path: Path) -> None:
    file = load(tmp_path, "import sys\ndef f(x):\n    return x / 0\ndef g():\n    sys.exit(3)\n")
    with pytest.raises(UserError, match=r"f, line 3: ZeroDivisionError"):
        file.call("f", 1)
    with pytest.raises(UserError, match=r"g, line 5: ends the program"):
        file.call("g")


def test_changes_in_place_are_noticed_and_only_they(tmp_path: Path) -> None:
    import numpy as np

    text = "def f(a, b, cache):\n    a = a + 1\n    b[0] = 5\n    cache['w'][:] = cache['w']\n    return a\n"
    file = load(tmp_path, text)
    file.call("f", np.ones(2), np.array([1.0, np.nan]), {"w": np.ones(3)})
    assert file.mutated == {"f changes its argument b in place"}


def test_python_2_statements_over_several_lines(tmp_path: Path) -> None:
    text = """
import sys
class Net:
    def show(self, x):
        if x: print "Epoch {0}: {1}".format(
            1, "a;)")  # said
        else: print 'none',
        print >>sys.stderr, "err", x
        print
        try:
            raise ValueError, "no" + str(x)
        except ValueError, e:
            return e.args[0]
"""
    file = load(tmp_path, text)
    assert file.call(file.namespace["Net"]().show, 3) == "no3"


@pytest.mark.parametrize(("home", "cached"), [("dnn_utils", True), ("planar_utils", False)])
def test_an_activation_stands_in_with_a_cache_where_the_course_has_one(tmp_path: Path, home: str, cached: bool) -> None:
    file = load(tmp_path, f"from {home} import sigmoid\ndef f(x): return sigmoid(x)\n")
    assert isinstance(file.call("f", 0.5), tuple) == cached


def test_the_windows_that_stand_in_are_the_transposes_of_each_other(tmp_path: Path) -> None:
    import numpy as np

    file = load(tmp_path, "from common.util import im2col, col2im\n")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 3, 7, 6))
    columns = file.namespace["im2col"](x, 3, 2, 2, 1)
    assert columns.shape == (2 * 4 * 4, 18)
    other = rng.standard_normal(columns.shape)
    back = file.namespace["col2im"](other, x.shape, 3, 2, 2, 1)
    np.testing.assert_allclose((columns * other).sum(), (x * back).sum(), rtol=1e-12)


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ("if x.ndim != 3:\n        raise ValueError('sequences alone')", True),
        ("batch, steps, n = x.shape", True),
        ("return x.shape[2]", True),
        ("return x @ x", False),
        ("return np.stack([x, x[0]])", False),
        ("assert x.shape == (3, 2)", True),
        ("a, b, c = x", False),
        ("cache = (x, 1)\n    return cache['W']", True),
    ],
)
def test_what_code_says_it_does_not_take_is_told_from_its_mistakes(tmp_path: Path, body: str, refused: bool) -> None:
    import numpy as np

    file = load(tmp_path, f"import numpy as np\ndef f(x):\n    {body}\n")
    with pytest.raises(UserError) as caught:
        file.call("f", np.ones((2, 3)))
    assert refuses(caught.value) is refused


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        (("f", None), True),
        (("backward", np.ones((2, 3))), False),
        (("A.read",), True),
        (("A.slip",), False),
    ],
)
def test_what_has_not_been_handed_over_yet_is_no_mistake(
    tmp_path: Path, call: tuple[object, ...], refused: bool
) -> None:
    text = """
    def f(x):
        return x.shape
    def backward(dW):
        assert dW.shape == (3, 2)
    class A:
        def forward(self):
            self.out = 1
        def read(self):
            return self.out
        def slip(self):
            return self.uot
    """
    file = load(tmp_path, textwrap.dedent(text))
    owner, _, name = str(call[0]).rpartition(".")
    what = getattr(file.namespace[owner](), name) if owner else name
    with pytest.raises(UserError) as caught:
        file.call(what, *call[1:])
    assert refuses(caught.value) is refused


def test_of_definitions_under_a_condition_those_that_hold_are_run(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "SIMPLE = False\nif SIMPLE:\n    def f(): return 1\nelse:\n    def f(): return 2\nif input():\n    N = 3\n"
    )
    file = source.run(path)
    assert file.namespace["f"]() == 2
    assert file.namespace["N"] == 3


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("from keras.datasets import mnist\n(x, y), _ = mnist.load_data()", True),
        ("from tensorflow.keras.utils import to_categorical\ndef f(y):\n    return to_categorical(y)", True),
        ("import tensorflow as tf\n(x, y), _ = tf.keras.datasets.mnist.load_data()", True),
        ("import tensorflow as tf\nimport numpy as np", True),
        ("import tensorflow as tf\nmnist = tf.keras.datasets.mnist\nmodel = tf.keras.Sequential()", False),
        ("import tensorflow as tf\ndef f(x):\n    return tf.nn.relu(x)", False),
        ("import tensorflow as tf\ndef f():\n    return tf", False),
        ("from tensorflow import keras\nclass Net(keras.Model): pass", False),
        ("from torchvision import datasets, transforms", True),
        ("import numpy as np", False),
    ],
)
def test_a_framework_is_not_imported_for_its_data_sets(text: str, alone: bool) -> None:
    tree = ast.parse(text)
    assert for_data_alone(tree.body[0], tree) is alone


def test_class_numbers_become_rows_without_keras(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from keras.utils import to_categorical\nimport keras\ndef f(y):\n    return keras.utils.to_categorical(y)"
    )
    f = source.run(file).namespace["f"]
    keras = pytest.importorskip("keras")
    for y in ([0, 2, 1], [[1], [0]], np.array([3, 3])):
        np.testing.assert_array_equal(f(y), keras.utils.to_categorical(y))


@pytest.mark.parametrize("made", ["opt", "opt, rest", "(opt, rest)"])
def test_a_command_line_has_its_defaults(made: str, tmp_path: Path) -> None:
    parsed = "parse_args" if made == "opt" else "parse_known_args"
    text = f"import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int, default=7)\n{made} = p.{parsed}([])\n"
    assert load(tmp_path, text).namespace["opt"].n == 7
