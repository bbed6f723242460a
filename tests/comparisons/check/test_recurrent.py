"""Recurrent steps and layers whose parameters belong to single gates, GRUs, attention: right files, and each mistake by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import CheckResult, judge_all
from comparisons.check.matching import InProcess
from comparisons.check.report import verdict
from reference import missing
from reports.schema import FAILING

# A GRU that resets before the product with U is one that torch has not: it is compared with Keras's.
pytestmark = [
    pytest.mark.skipif(missing(name) is not None, reason=missing(name) or "") for name in ("torch", "tensorflow")
]

SAMPLES = Path(__file__).parent / "samples"
Mistake = tuple[str, str, str, str, str]
"""What is replaced, by what; the unit in which it shows, the tensor, and words of the cause."""

UNITS = {
    "gated_gru_columns.py": {"sigmoid", "gru_cell_forward"},
    "gated_gru_rows.py": {"sigmoid", "gru_step_forward", "gru_forward"},
    "gated_time_gru.py": {"sigmoid", "lstm_forward_step", "GRU", "TimeGRU"},
    "gated_lstm_over_time.py": {"sigmoid", "LSTM", "GRUCell", "rnn_forward_pass"},
    "gated_keeps_state.py": {"Tanh.fn", "RNNCell"},
    "gated_bias_row.py": {"sigmoid", "BatchLSTM.forward", "lstm_layer_forward"},
    "attention_heads.py": {"softmax", "attention_forward", "MultiHeadSelfAttention"},
}
"""Correct files, and what is recognised in them."""

MISTAKES: dict[str, list[Mistake]] = {
    "gated_gru_columns.py": [
        ("dh_prev = dh * (1 - z)", "dh_prev = dh * z", "gru_cell_forward", "grad/grucell1.input", "swapped on the direct path"),
        ("dah = dh_hat * (1 - h_hat ** 2)", "dah = dh_hat * (1 - h_hat) ** 2", "gru_cell_forward", "grad/grucell1.W", "(1 - n)^2 is used"),
        ("dz = dh * (h_hat - h_prev)", "dz = dh * (h_prev - h_hat)", "gru_cell_forward", "grad/grucell1.b", "wrong sign"),
        ("dh_prev += drh * r", "dh_prev += drh", "gru_cell_forward", "grad/grucell1.input", "the reset gate is left out"),
        ('"dUh": np.dot(dah, (r * h_prev).T)', '"dUh": np.dot(dah, h_prev.T)', "gru_cell_forward", "grad/grucell1.U", "h is used for r h"),
        ("np.sum(daz, axis=1, keepdims=True)", "daz", "gru_cell_forward", "grad/grucell1.b", "shape"),
        ("h = (1 - z) * h_prev + z * h_hat", "h = (1 - z) * h_prev + h_hat", "gru_cell_forward", "forward/grucell1", "1 - z is missing"),
        ("    dh_prev += np.dot(Uz.T, daz) + np.dot(Ur.T, dar)\n", "", "gru_cell_forward", "grad/grucell1.input", "through the two gates"),
    ],
    "gated_gru_rows.py": [
        ("        dWx += a\n", "        dWx = a\n", "gru_forward", "grad/gru1.W", "only the first step"),
        ("dh[:, t] + dprev, cache[t]", "dh[:, t], cache[t]", "gru_forward", "grad/gru1.W", "nothing is handed back"),
    ],
    "gated_time_gru.py": [
        ("dz = dh_next * h_hat - dh_next * h_prev", "dz = dh_next * h_hat", "GRU", "grad/grucell1.W", "the state before is left out"),
        ("dc_next + dh * o * (1 - np.tanh(c)**2)", "dc_next + dh * o * (1 - c**2)", "lstm_forward_step", "grad/lstmcell1.W", "1 - c^2"),
    ],
    "gated_lstm_over_time.py": [
        ("            dc_next = f * dc\n", "            dc_next = dc\n", "LSTM", "grad/lstm1.W", "without the forget gate"),
        ("dh = dh_list[t] + dh_next", "dh = dh_list[t]", "LSTM", "grad/lstm1.W", "nothing is handed back from state to state"),
        ("dc_tilde = dc * i * (1 - c_tilde ** 2)", "dc_tilde = dc * i * (1 - np.tanh(c_tilde) ** 2)", "LSTM", "grad/lstm1.W", "tanh is applied twice"),
        ("self.db_i += di", "self.db_i = di", "LSTM", "grad/lstm1.b", ""),
        ("'b_hh': dgh.sum(axis=0)", "'b_hh': dgi.sum(axis=0)", "GRUCell", "grad/grucell1.b_recurrent", "reset gate"),
        ("draw = (1 - hs[t] ** 2) * dh", "draw = dh", "rnn_forward_pass", "grad/simplernn1.W", "tanh's derivative is left out"),
    ],
    "gated_bias_row.py": [
        ("dc_next = dc * f\n        return dinputs", "dc_next = dc\n        return dinputs", "BatchLSTM.forward", "grad/lstm1.W", "without the forget gate"),
        ("dW += xs[t].T @ da", "dW[1:] += xs[t][:, 1:].T @ da", "BatchLSTM.forward", "grad/lstm1.b", ""),
        ("dh = dhs[:, t] + dh_next", "dh = dhs[:, t]", "lstm_layer_forward", "grad/lstm1.W", "nothing is handed back from state to state"),
        ("dW_lstm += z.T.dot(da)", "dW_lstm = z.T.dot(da)", "lstm_layer_forward", "grad/lstm1.b", ""),
    ],
    "gated_keeps_state.py": [
        ('self.gradients["Waa"] += As[t].T @ dZ', 'self.gradients["Waa"] += As[t + 1].T @ dZ', "RNNCell", "grad/simplernn1.U", "the state after the step"),
        ("dZ @ Waa.T", "dZ @ Waa", "RNNCell", "grad/simplernn1.W", "U is not transposed"),
    ],
    "attention_heads.py": [
        ("dscores = A * (dA - np.sum(dA * A, axis=-1, keepdims=True))", "dscores = A * (1 - A) * dA", "attention_forward",
         "grad/attention_forward.Q", "dscores = A * (dA - np.sum(dA * A, axis=-1, keepdims=True))"),
        ("    dscores = dscores / np.sqrt(d_k)\n", "", "attention_forward", "grad/attention_forward.Q", "/ np.sqrt(d_k)"),
        ("dK = dscores.transpose(0, 2, 1) @ Q", "dK = dscores @ Q", "attention_forward", "grad/attention_forward.K", "swapaxes(dscores, -1, -2)"),
        ("dS = self.A * (dA - (dA * self.A).sum(axis=-1, keepdims=True))", "dS = self.A * (1 - self.A) * dA", "MultiHeadSelfAttention",
         "grad/MultiHeadSelfAttention.x", "dS = self.A * (dA - np.sum(dA * self.A, axis=-1, keepdims=True))"),
    ],
}  # fmt: skip


def checked(path: Path) -> CheckResult:
    """A file compared in this process."""
    return judge_all(InProcess(source.run(path)), (), 0)


@pytest.mark.parametrize("name", UNITS)
def test_everything_in_a_correct_file_is_recognised_and_agrees(name: str) -> None:
    result = checked(SAMPLES / name)
    assert {c.unit.name for c in result.checked} == UNITS[name]
    assert {c.unit.name: verdict(c) for c in result.checked if verdict(c) != "match"} == {}


@pytest.mark.parametrize(
    ("name", "mistake"), [pytest.param(n, m, id=f"{n}-{i}") for n, all_ in MISTAKES.items() for i, m in enumerate(all_)]
)
def test_a_mistake_is_located_and_named(name: str, mistake: Mistake, tmp_path: Path) -> None:
    old, new, unit, tensor, cause = mistake
    text = (SAMPLES / name).read_text()
    assert old in text, f"{old!r} is not in the sample"
    path = tmp_path / name
    path.write_text(text.replace(old, new))
    wrong = {c.unit.name: c for c in checked(path).checked if verdict(c) == "wrong"}
    assert unit in wrong
    rows = [row for row in wrong[unit].rows if row["verdict"] in FAILING and row["tensor"] == tensor]
    assert rows
    assert cause in rows[0]["diagnosis"]


def test_a_step_of_a_character_model_is_named_with_its_line(tmp_path: Path) -> None:
    text = (SAMPLES / "differences_characters.py").read_text()
    right = "dC_next = f_s[t] * dC"
    assert right in text
    path = tmp_path / "characters.py"
    path.write_text(text.replace(right, "dC_next = i_s[t] * dC"))
    (wrong,) = [c for c in checked(path).checked if verdict(c) == "wrong"]
    assert f"`{right}`" in " ".join(row["diagnosis"] for row in wrong.rows)
