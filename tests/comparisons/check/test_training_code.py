"""Training code whose data or helpers are not there: dropout in its midst, optimizers written out, examples one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import block
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "training_dropout_class": {"NeuralNetwork.backward", "NeuralNetwork.backward with dropout"},
    "training_dropout_loop": {"MLP.train"},
    "training_dropout_batches": {"loop at line 30"},
    "training_adam": {"train", "update in train"},
    "training_adam_lists": {"MLP.train_step", "update in MLP.train_step"},
    "training_momentum": {"train_with_momentum", "update in train_with_momentum"},
    "training_momentum_class": {"Net.fit", "update in Net.fit"},
    "training_examples_summed": {"fit"},
}
_MASKED = "            d_hidden = d_out.dot(self.w2.T)\n            d_hidden *= mask\n"
_MOVED = "            self.w2 -= self.lr * hidden.T.dot(d_out)\n"
_DERIVED = "            d_hidden = d_hidden * (1 - h_act ** 2)\n"
MISTAKES = {
    "mask left out": (
        "training_dropout_class",
        "delta1 = delta2.dot(self.W2.T) * self.mask1",
        "delta1 = delta2.dot(self.W2.T)",
        "gradient of b1",
        "* self.mask1 for delta1",
    ),
    "another mask drawn on the way back": (
        "training_dropout_class",
        "delta2.dot(self.W2.T) * self.mask1",
        "delta2.dot(self.W2.T) * (np.random.rand(*self.a1.shape) > self.dropout_rate) / (1 - self.dropout_rate)",
        "gradient of b1",
        "write delta1 = delta2.dot(self.W2.T) * self.mask1 for delta1",
    ),
    "mask left out of a loop": (
        "training_dropout_loop",
        "            d_hidden *= mask\n",
        "",
        "gradient of self.bias1",
        "the mask mask is not applied on the way back",
    ),
    "weights moved first": (
        "training_dropout_loop",
        _MASKED + _DERIVED + _MOVED,
        _MOVED + _MASKED + _DERIVED,
        "gradient of self.bias1",
        "self.w2 is updated (line 19) before its old value was used on the way back (line 20)",
    ),
    "mask not scaled on the way back": (
        "training_dropout_batches",
        "layer_1_delta *= dropout_mask * 2",
        "layer_1_delta *= dropout_mask",
        "gradient of weights_0_1",
        "half of the reference",
    ),
    "gradient under Adam": (
        "training_adam",
        "* (1 - a1 ** 2)",
        "* (1 - z1 ** 2)",
        "gradient of W1",
        "taken at z",
    ),
    "step counter": ("training_adam", "        t += 1\n", "", "W1 after step 1", "the step counter t never grows"),
    "share of the wrong moment": (
        "training_adam",
        "m_b2 = beta1 * m_b2 + (1 - beta1) * db2",
        "m_b2 = beta1 * m_b2 + (1 - beta2) * db2",
        "b2 after step 1",
        "the first moment of b2 is beta1 v + (1 - beta2) g",
    ),
    "moment of another parameter": (
        "training_adam",
        "b2 -= lr * m_b2_hat /",
        "b2 -= lr * m_b1_hat[:, :1] /",
        "b2 after step 1",
        "b2 moves by m_b1, which belongs to another parameter",
    ),
    "gradient of another parameter": (
        "training_adam_lists",
        "(1 - self.beta2) * (db[i] ** 2)",
        "(1 - self.beta2) * (dw[i].sum() ** 2)",
        "self.biases[i] after step 1",
        "self.v_b[i] takes dw[i], the gradient of self.weights[i]",
    ),
    "correction of the first step": (
        "training_adam_lists",
        "mb = self.m_b[i] / (1 - self.beta1 ** self.iterations)",
        "mb = self.m_b[i] / (1 - self.beta1)",
        "self.biases[i] after step 2",
        "the step counter is not used for the first moment",
    ),
    "moments reset in every epoch": (
        "training_momentum",
        "        perm = ",
        "        vdw1, vdw2 = np.zeros(w1.shape), np.zeros(w2.shape)\n        perm = ",
        "w1 after step",
        "set to 0 again in every turn of the outer loop",
    ),
    "velocity of another gradient": (
        "training_momentum_class",
        "self.vb1 - self.lr * db1",
        "self.vb1 - self.lr * db2",
        "self.b1 after step 1",
        "self.vb1 takes db2, the gradient of self.b2",
    ),
    "parameter forgotten": (
        "training_momentum_class",
        "            self.b1 += self.vb1\n",
        "",
        "self.b1 after step 1",
        "the parameter is not updated",
    ),
    "velocity reset in every step": (
        "training_momentum_class",
        "            A1 = self.sigmoid(self.W1",
        "            self.vW1 = np.zeros_like(self.W1)\n            A1 = self.sigmoid(self.W1",
        "self.W1 after step 2",
        "self.vW1 is set to 0 again in every step",
    ),
    "gradient of the last example": (
        "training_examples_summed",
        "dW1 += np.outer(d1, x)",
        "dW1 = np.outer(d1, x)",
        "gradient of W1",
        "only the last example counts",
    ),
}


def _wrong(result: CheckResult) -> list[str]:
    return [c.unit.name for c in result.checked if any(row["verdict"] in FAILING for row in c.rows)]


@pytest.mark.parametrize("sample", RIGHT)
def test_right_training_code_is_found_and_raises_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py")
    assert RIGHT[sample] <= {c.unit.name for c in result.checked}
    assert not _wrong(result)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_and_named(name: str, tmp_path: Path) -> None:
    sample, old, new, tensor, cause = MISTAKES[name]
    text = (SAMPLES / f"{sample}.py").read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path = tmp_path / f"{sample}.py"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    result = check(path)
    told = " ".join(" ".join(line for c in result.checked for line in block(c)).split())
    assert _wrong(result)
    assert tensor in told
    assert cause in told


def test_an_update_is_taken_out_where_helpers_are_missing() -> None:
    result = check(SAMPLES / "training_helpers_missing.py")
    units = {c.unit.name: c for c in result.checked}
    assert _wrong(result) == ["update in update_from_zero"]
    assert "update in update" in units
    rows = [row for row in units["update in update_from_zero"].rows if row["verdict"] in FAILING]
    assert "v1, s1, bv1, bs1 are set to 0 again in every step" in " ".join(row["diagnosis"] for row in rows)
