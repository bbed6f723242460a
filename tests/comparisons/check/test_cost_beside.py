"""A cost among the methods of a network: the loss whose gradients are calculated, another measure, or a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import Checked, CheckResult, check
from comparisons.check.report import block, verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"


def checked(tmp_path: Path, sample: str, old: str, new: str) -> tuple[CheckResult, Checked]:
    """A sample with a change, and its network."""
    text = (SAMPLES / f"{sample}.py").read_text()
    assert old in text
    path = tmp_path / "changed.py"
    path.write_text(text.replace(old, new))
    result = check(path)
    (network,) = [c for c in result.checked if c.unit.style == "networks"]
    return result, network


def told(result: CheckResult) -> str:
    """The report, for failures that read well."""
    return "\n".join([*(line for c in result.checked for line in block(c)), *result.found.notes])


@pytest.mark.parametrize(
    ("sample", "old", "new"),
    [
        ("network_softmax_labels", "np.log(y_hat[range(m), y])", "np.log(1 - y_hat[range(m), y])"),
        ("network_gradients_from_cost_prime", "0.5*sum((y-self.yHat)**2)", "0.5*sum((y-self.yHat)**2 - y*self.yHat)"),
    ],
)
def test_a_cost_that_is_no_measure_is_a_mistake(tmp_path: Path, sample: str, old: str, new: str) -> None:
    result, network = checked(tmp_path, sample, old, new)
    failing = {row["tensor"]: row["diagnosis"] for row in network.rows if row["verdict"] in FAILING}
    assert set(failing) == {"loss"}, told(result)
    assert "whose gradients are calculated" in failing["loss"]


def test_a_cost_that_is_the_loss_is_compared(tmp_path: Path) -> None:
    result, network = checked(tmp_path, "network_gradients_from_cost_prime", "J = 0.5*", "J = 3*")
    assert "loss" in {row["tensor"] for row in network.rows if row["verdict"] == "match"}, told(result)
    assert verdict(network) == "match"


def test_another_measure_is_told(tmp_path: Path) -> None:
    old, new = "-np.sum(np.log(y_hat[range(m), y])) / m", "1 - np.mean(y_hat.argmax(axis=1) == y)"
    result, network = checked(tmp_path, "network_softmax_labels", old, new)
    assert verdict(network) == "match", told(result)
    assert any("compute_loss is the share of mistakes" in text for text in network.unit.assumptions), told(result)


def test_a_cross_entropy_beside_gradients_of_a_squared_error_is_a_mistake(tmp_path: Path) -> None:
    right = "d2 = (self.p - target) / len(X)"
    _, network = checked(tmp_path, "network_entropy_beside", right, right)
    assert verdict(network) == "match"
    result, network = checked(tmp_path, "network_entropy_beside", right, f"{right} * self.p * (1 - self.p)")
    failing = {row["tensor"]: row["diagnosis"] for row in network.rows if row["verdict"] in FAILING}
    assert {t.rpartition(".")[2] for t in failing} == {"W", "b"}, told(result)
    assert any("logloss is the binary cross-entropy, while the gradients are" in d for d in failing.values())


def test_costs_that_fit_calculates_itself_agree() -> None:
    result = check(SAMPLES / "fit_with_cost_inside.py")
    assert {"SpamFilter.fit", "Churn.fit"} <= {m for c in result.checked for m in c.unit.members}, told(result)
    assert {verdict(c) for c in result.checked} == {"match"}, told(result)
    assert not any("a mistake of backproof's" in note for note in result.found.notes)


@pytest.mark.parametrize(
    ("old", "new", "member"),
    [
        ("miss = y - p", "miss = (y - p) * p * (1 - p)", "SpamFilter.fit"),
        ("errors = y - output", "errors = (y - output) * output * (1 - output)", "Churn.fit"),
    ],
)
def test_a_cross_entropy_that_fit_calculates_itself_beside_a_squared_error_is_a_mistake(
    tmp_path: Path, old: str, new: str, member: str
) -> None:
    text = (SAMPLES / "fit_with_cost_inside.py").read_text()
    assert old in text
    path = tmp_path / "changed.py"
    path.write_text(text.replace(old, new))
    result = check(path)
    (wrong,) = [c for c in result.checked if verdict(c) != "match"]
    assert wrong.unit.members[0] == member, told(result)
    diagnoses = [row["diagnosis"] for row in wrong.rows if row["verdict"] in FAILING]
    assert any("cross-entropy, while the update is by the gradient of the squared error" in d for d in diagnoses)


def test_squares_that_fit_calculates_itself_are_what_their_gradients_belong_to(tmp_path: Path) -> None:
    text = (SAMPLES / "fit_with_cost_inside.py").read_text()
    text = text.replace("errors = y - output", "errors = (y - output) * output * (1 - output)")
    old = "loss = (-y.dot(np.log(output)) - (1 - y).dot(np.log(1 - output))) / X.shape[0]"
    assert old in text
    path = tmp_path / "squares.py"
    path.write_text(text.replace(old, "loss = np.mean((y - output) ** 2)"))
    result = check(path)
    assert {verdict(c) for c in result.checked} == {"match"}, told(result)


def test_a_bias_among_the_weights_that_is_averaged_is_not_hidden_by_a_single_example(tmp_path: Path) -> None:
    text = (SAMPLES / "fit_with_cost_inside.py").read_text()
    path = tmp_path / "changed.py"
    path.write_text(text.replace("self.eta * miss.sum()", "self.eta * miss.mean()"))
    result = check(path)
    (wrong,) = [c for c in result.checked if verdict(c) != "match"]
    assert wrong.unit.members[0] == "SpamFilter.fit", told(result)


@pytest.mark.parametrize(
    ("slope", "cause"),
    [
        ("", ""),
        (" * out * (1 - out)", "the derivative of sigmoid, p (1 - p), though the output p is linear"),
        (" * self.squash(out) * (1 - self.squash(out))", "the derivative of sigmoid, though the output is linear"),
        (" * (1 - out ** 2)", "the derivative of tanh, 1 - p^2, though the output p is linear"),
    ],
)
def test_the_derivative_of_an_activation_that_the_output_does_not_have(tmp_path: Path, slope: str, cause: str) -> None:
    old = "output_term = error"
    result, network = checked(tmp_path, "network_rentals", old, old + slope)
    assert verdict(network) == "match" if not slope else verdict(network) != "match", told(result)
    diagnoses = [row["diagnosis"] for row in network.rows if row["verdict"] in FAILING]
    assert any(d.startswith(cause) for d in diagnoses) or not slope, diagnoses
