"""Files on torch tensors, beside torch modules, and for two Pythons: found, compared, and their mistakes named."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from comparisons.check import report, tensors
from comparisons.check.judging import CheckResult, check
from reports.schema import FAILING

torch = pytest.importorskip("torch")

SAMPLES = Path(__file__).parent / "samples"


def failing(result: CheckResult) -> dict[str, set[str]]:
    """Tensors that are wrong, by unit."""
    found: dict[str, set[str]] = {}
    for c in result.checked:
        for row in c.rows:
            if row["verdict"] in FAILING:
                name = "error" if row["tensor"] == "*" else report.spoken(c.unit, row["tensor"])
                found.setdefault(c.unit.name, set()).add(name)
    return found


def mistaken(sample: str, folder: Path, *edits: tuple[str, str]) -> Path:
    text = (SAMPLES / sample).read_text()
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / sample
    path.write_text(text)
    return path


def test_layers_on_tensors_agree() -> None:
    result = check(SAMPLES / "tensors_framework.py", ("torch",))
    units = {"FullyConnected", "Sigmoid", "LeakyReLU", "SoftmaxLayer", "BatchNorm", "Net", "SGD", "sigma"}
    assert units <= {c.unit.name for c in result.checked}
    assert failing(result) == {}


def test_mistakes_in_layers_on_tensors_are_found(tmp_path: Path) -> None:
    path = mistaken(
        "tensors_framework.py",
        tmp_path,
        ("dl_ds.sum(dim=0)", "dl_ds.mean(dim=0)"),
        ("dl_dx.mul(self.s).mul(1 - self.s)", "dl_dx.mul(self.s)"),
        ("(g - (g * self.p).sum(1).view(-1, 1))", "g"),
        (" - self.xhat * (d * self.xhat).sum(0)) / (n", ") / (n"),
        ("(self.p - self.t) / self.p.shape[0]", "(self.t - self.p) / self.p.shape[0]"),
        ("1 - x.tanh().pow(2)", "1 - x.tanh()"),
    )
    wrong = failing(check(path, ("torch",)))
    assert wrong["FullyConnected"] == {"gradient of b"}
    assert {"Sigmoid", "SoftmaxLayer", "BatchNorm", "sigma"} <= wrong.keys()
    assert wrong.keys() & {"LeakyReLU", "SGD"} == set()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("from torch import empty\nclass L:\n def backward(self, g):\n  return empty(3).mul_(g)", True),
        ("import torch\nclass L:\n def backward(self, g):\n  return g.mm(self.w)", True),
        (
            "import torch\nfrom torch import nn\nclass L(nn.Module):\n def backward(self, g):\n  return g.mm(self.w)",
            False,
        ),
        ("import torch\nimport numpy as np\nclass L:\n def backward(self, g):\n  return np.dot(self.w.T, g)", False),
        ("class L:\n def backward(self, g):\n  return g.fill_(0)", False),
        ("class V:\n def backward(self): ...\ndef test_all():\n import torch\n torch.ones(2).mm(1)", False),
    ],
)
def test_files_on_tensors_are_told_from_others(text: str, wanted: bool) -> None:
    assert tensors.on_tensors(ast.parse(text)) is wanted


def test_a_tensor_shares_its_numbers_with_the_array() -> None:
    a = np.arange(6.0).reshape(2, 3)
    tensor = tensors.given({"a": [a]})["a"][0]
    tensor.mul_(2)
    assert a[1, 2] == 10
    assert tensors.taken((tensor, "x"))[0].base is not None
    assert tensors.put_into(tensor, np.ones((2, 3)))
    assert not tensors.put_into(tensor, np.ones((3, 2)))
    assert (a == 1).all()


def test_a_class_made_from_a_module_agrees_with_it(tmp_path: Path) -> None:
    result = check(SAMPLES / "module_twin.py", ("torch",))
    assert {c.unit.name for c in result.checked} == {"ByHand", "TwiceByHand"}
    assert failing(result) == {}
    path = mistaken(
        "module_twin.py",
        tmp_path,
        ("(1 - self.h ** 2)", "(1 - self.h)"),
        ("self.grads = {'second.weight': d.T @ self.h, 'second.bias': d.sum(0)}", "self.grads = {'second.weight': d.T @ self.h, 'second.bias': d.mean(0)}"),
    )  # fmt: skip
    wrong = failing(check(path, ("torch",)))
    assert wrong["ByHand"] == {"gradient of first weight", "gradient of first bias", "gradient of the input"}
    assert wrong["TwiceByHand"] == {"gradient of second bias"}


def test_helpers_for_two_pythons_stand_in_and_a_slip_of_indentation_is_told(tmp_path: Path) -> None:
    result = check(SAMPLES / "python_2_and_3.py", ("torch",))
    assert {c.unit.name for c in result.checked} == {"affine_forward", "svm_loss_naive"}
    assert failing(result) == {}
    edit = ("                dW[:, y[i]] -= X[i]\n", "            dW[:, y[i]] -= X[i]\n")
    result = check(mistaken("python_2_and_3.py", tmp_path, edit), ("torch",))
    ((_, row),) = [(c, r) for c in result.checked for r in c.rows if r["verdict"] in FAILING][:1]
    assert "if margin > 0: dW[:, y[i]] -= X[i]" in row["diagnosis"]


def test_static_passes_of_a_class_are_compared_like_functions(tmp_path: Path) -> None:
    path = tmp_path / "norm.py"
    path.write_text(
        "class LayerNorm:\n"
        "    @staticmethod\n"
        "    def forward(x, w, b):\n"
        "        mean = x.mean(-1, keepdims=True)\n"
        "        rstd = (x.var(-1, keepdims=True) + 1e-5) ** -0.5\n"
        "        return (x - mean) * rstd * w + b, (x, w, mean, rstd)\n"
        "    @staticmethod\n"
        "    def backward(dout, cache):\n"
        "        x, w, mean, rstd = cache\n"
        "        norm = (x - mean) * rstd\n"
        "        dnorm = dout * w\n"
        "        dx = dnorm - norm * (dnorm * norm).mean(-1, keepdims=True)\n"
        "        return dx * rstd, (dout * norm).sum(0), dout.sum(0)\n"
    )
    wrong = failing(check(path, ("torch",)))
    assert wrong == {"LayerNorm.forward": {"gradient of the input"}}


def test_gradients_that_are_added_to_given_tensors_are_compared(tmp_path: Path) -> None:
    result = check(SAMPLES / "tensors_functions.py", ("torch",))
    assert {"forward_pass", "loss", "linear_forward", "sigma"} <= {c.unit.name for c in result.checked}
    assert failing(result) == {}
    edit = ("w2.t().mv(dl_ds2)", "w2.t().mv(dl_dx2)")
    wrong = failing(check(mistaken("tensors_functions.py", tmp_path, edit), ("torch",)))
    assert wrong == {"forward_pass": {"gradient of w1", "gradient of b1"}}
