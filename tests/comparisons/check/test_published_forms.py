"""Update rules and batch norms in every form that a framework or a paper has: told, never wrong; wrong where none fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import Checked, judge_all
from comparisons.check.matching import InProcess
from comparisons.check.report import verdict
from reports.schema import FAILING

pytest.importorskip("torch")

SAMPLES = Path(__file__).parent / "samples"
UPDATES = "updates_published.py"
MODES = "layers_two_modes.py"
TOLD = {
    "update_parameters_with_adam": ("match", "inside the root"),
    "update_parameters_with_momentum": ("vacuous", "corrected for its bias"),
    "update_parameters_with_rmsprop": ("match", "as in Keras's RMSprop"),
    "rmsprop": ("vacuous", "starts from 1, as in TensorFlow 1"),
    "adagrad": ("match", "starts from 0.1; epsilon stands inside the root"),
    "adam": ("match", "before the bias correction, as in Keras"),
    "RMSProp": ("vacuous", "starts from 1"),
    "AdaGrad": ("match", "starts from 0.1"),
    "AdamW": ("vacuous", "Hugging Face"),
    "Nesterov": ("match", "averages gradients"),
    "BatchNorm": ("match", "unbiased batch variance, with 1/(m - 1)"),
    "BatchNormLayer": ("match", ""),
    "Dropout": ("match", "the code scales at test time"),
    "InvertedDropout": ("match", ""),
    "batchnorm_forward": ("match", ""),
    "dropout_forward": ("match", ""),
}
MISTAKES = [
    # Optimizers: with an epsilon of their own, but wrong otherwise.
    (UPDATES, "(1 - beta2) * grads[k] ** 2", "(1 - beta2) * grads[k]", "update_parameters_with_adam", "step1/param", "not squared"),
    (UPDATES, "v[k] / (1 - beta1 ** t)", "v[k]", "update_parameters_with_adam", "step1/param", "bias correction of the first moment"),
    (UPDATES, "(1 - beta) * np.square(grads", "np.square(grads", "update_parameters_with_rmsprop", "step1/param", "1 - beta is missing"),
    (UPDATES, "np.sqrt(config['cache'] + 1e-7)", "(config['cache'] + 1e-7)", "adagrad", "step1/param", ""),
    (UPDATES, "config['t'] += 1\n", "config['t'] = 1\n", "adam", "step2/param", "step counter is not used"),
    (UPDATES, "params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)", "params[k] += self.lr * grads[k] / (np.sqrt(self.h[k]) + 1e-7)",
     "AdaGrad", "step1/param", ""),
    # Batch norm and dropout in two modes.
    (MODES, "self.running_mean = self.momentum * self.running_mean + (1 - self.momentum) * mean",
     "self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean",
     "BatchNormLayer", "step1/buffer/batchnorm1.running_mean", "momentum and 1 - momentum are swapped"),
    (MODES, "            self.running_var = self.momentum * self.running_var + (1 - self.momentum) * var\n", "",
     "BatchNormLayer", "step1/buffer/batchnorm1.running_var", "the running average is not updated"),
    (MODES, "        self.std = np.sqrt(var + self.eps)\n", "        mean, var = x.mean(0), x.var(0)\n        self.std = np.sqrt(var + self.eps)\n",
     "BatchNormLayer", "forward/batchnorm1", "the batch's statistics are used in evaluation"),
    (MODES, "return x * (1.0 - self.dropout_ratio)", "return x", "Dropout", "forward/dropout1", "not multiplied by keep_prob in evaluation"),
    (MODES, '        if self.mode == "eval":\n            return x\n', '        print(self.mode == "eval")\n',
     "InvertedDropout", "forward/dropout1", "dropout acts in evaluation"),
]  # fmt: skip


def checked(path: Path) -> dict[str, Checked]:
    return {c.unit.name: c for c in judge_all(InProcess(source.run(path))).checked}


def test_every_published_form_is_told_and_none_is_wrong() -> None:
    found = checked(SAMPLES / UPDATES) | checked(SAMPLES / MODES)
    assert found.keys() == TOLD.keys()
    for name, (wanted, told) in TOLD.items():
        why = [*found[name].unit.assumptions, *(row["diagnosis"] for row in found[name].rows)]
        assert verdict(found[name]) == wanted, (name, why)
        assert told in " ".join(why), (name, why)


@pytest.mark.parametrize(("file", "old", "new", "unit", "tensor", "cause"), MISTAKES)
def test_what_no_form_explains_is_wrong(
    tmp_path: Path, file: str, old: str, new: str, unit: str, tensor: str, cause: str
) -> None:
    text = (SAMPLES / file).read_text()
    assert old in text
    path = tmp_path / file
    path.write_text(text.replace(old, new))
    found = checked(path)[unit]
    assert verdict(found) == "wrong"
    failing = [row for row in found.rows if row["verdict"] in FAILING]
    assert failing[0]["tensor"].startswith(tensor)
    assert cause in failing[0]["diagnosis"]


def test_evaluation_is_compared_where_the_code_knows_it() -> None:
    found = checked(SAMPLES / MODES)
    both = {name for name, c in found.items() if any(not case.training for case in c.unit.cases)}
    assert both == {"BatchNorm", "BatchNormLayer", "Dropout", "InvertedDropout"}
