"""The self-test: mutants can be planted and taken out, a sample reaches its aims, and the figures are told rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from comparisons.cases import all_cases
from comparisons.cli import main
from comparisons.selftest.bench import Bench
from comparisons.selftest.catalogue import MUTANTS
from comparisons.selftest.correct import DEEPEST, correct, other_seeds, random_work
from comparisons.selftest.hunt import hunt
from comparisons.selftest.mutant import Mutant, planted
from reference import missing
from scratch import AdamW, Dense, LayerState, SoftmaxCrossEntropy

HALVED = Mutant(
    "dense/halved",
    "a stray half",
    "dense:Dense.backward",
    "x.T @ dz}",
    "0.5 * x.T @ dz}",
    "layer/dense/batch5",
    "grad/dense1.W",
    "half of the reference",
)


@pytest.fixture(scope="module")
def bench() -> Bench:
    if reason := missing("torch"):
        pytest.skip(reason)
    return Bench(("torch",))


def gradient() -> np.ndarray:
    rng = np.random.default_rng(0)
    x, w, dz = rng.standard_normal((4, 3)), rng.standard_normal((3, 2)), rng.standard_normal((4, 2))
    state = LayerState({"W": w, "b": np.zeros(2)})
    _, cache = Dense(3, 2).forward(x, state)
    return Dense(3, 2).backward(dz, state, cache)[1]["W"]


def test_a_mutant_runs_while_it_is_planted_and_never_after() -> None:
    right = gradient()
    with planted(HALVED):
        np.testing.assert_array_equal(gradient(), right / 2)
    np.testing.assert_array_equal(gradient(), right)
    with pytest.raises(ZeroDivisionError), planted(HALVED):
        raise ZeroDivisionError
    np.testing.assert_array_equal(gradient(), right)


def test_a_mutant_reaches_those_who_imported_the_function_by_name() -> None:
    loss, z, y = SoftmaxCrossEntropy(), np.array([[1.0, 2.0]]), np.array([[0.0, 1.0]])
    right = loss.backward(y, z)
    by_batch = Mutant(
        "a/b", "", "activations:softmax", "e / e.sum(axis=-1, keepdims=True)", "e / e.sum(axis=0)", "", "", ""
    )
    with planted(by_batch):
        np.testing.assert_array_equal(loss.backward(y, z), [[1.0, 0.0]])
    np.testing.assert_array_equal(loss.backward(y, z), right)


def test_a_mutant_of_a_method_that_calls_super_still_does() -> None:
    optimizer, w, g = AdamW(0.1, weight_decay=0.5), np.array([2.0]), np.array([1.0])
    no_decay = Mutant(
        "a/b", "", "optimizers_more:AdamW.update", "w - self.learning_rate * self.weight_decay * w", "w", "", "", ""
    )
    right = optimizer.update(w, g, optimizer.initial_state(w), 1)
    with planted(no_decay):
        np.testing.assert_allclose(optimizer.update(w, g, optimizer.initial_state(w), 1) - right, 0.1)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"line": "no such line"}, "0 times; it must be once"),
        ({"line": "dz"}, "times; it must be once"),
        ({"at": "dense:Dense.sideways"}, "no function dense:Dense.sideways"),
    ],
)
def test_a_mutant_that_no_longer_fits_scratch_says_so(changed: dict[str, str], told: str) -> None:
    with pytest.raises(LookupError, match=told), planted(replace(HALVED, **changed)):
        pass


def test_every_mutant_can_be_planted_and_names_a_case() -> None:
    cases = {case.id for case in all_cases()}
    assert len(MUTANTS) >= 120
    assert len({mutant.id for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        mutant.code()
        assert mutant.instead != mutant.line
        assert mutant.what
        assert mutant.cause
        assert mutant.tensor
        assert mutant.case in cases, f"{mutant.id}: {mutant.case}"


def test_a_sample_of_the_catalogue_is_killed_located_and_named(bench: Bench) -> None:
    sample = [mutant for i, mutant in enumerate(MUTANTS) if i % 6 == 0 and mutant.subject != "unseen"]
    rows = hunt(sample, bench)
    assert len(rows) >= 50
    assert [row["mutant"] for row in rows if not row["killed"]] == []
    assert [row["mutant"] for row in rows if not row["located"]] == []
    assert sum(row["named"] for row in rows) >= 0.9 * len(rows)


def test_a_mutant_that_changes_nothing_survives_and_one_that_raises_is_killed_without_a_place(bench: Bench) -> None:
    same = replace(HALVED, id="a/same", instead="1.0 * x.T @ dz}")
    raises = replace(HALVED, id="a/raises", instead="x @ dz}")
    survived, killed = sorted(hunt([same, raises], bench), key=lambda row: row["killed"])
    assert (survived["mutant"], survived["killed"], survived["located"], survived["named"]) == (
        "a/same",
        False,
        False,
        False,
    )
    assert (killed["mutant"], killed["killed"], killed["located"]) == ("a/raises", True, False)


def test_a_mutant_of_an_unknown_case_is_refused(bench: Bench) -> None:
    with pytest.raises(LookupError, match="there is no case layer/none"):
        hunt([replace(HALVED, case="layer/none")], bench)


def test_random_work_is_reproducible_and_covers_depths_and_scales() -> None:
    work = list(random_work(80))
    assert work == list(random_work(80))
    assert work != list(random_work(80, seed=1))
    depths = [sum(isinstance(layer, Dense) for _, layer in drawn.case.architecture.layers) for drawn in work]
    assert max(depths) >= DEEPEST - 1
    scales = [drawn.inputs for drawn in work]
    assert min(scales) < 1e-2
    assert max(scales) > 1e2
    assert {"saturated", "offset", "zeros"} <= {drawn.case.regime for drawn in work}
    assert len({drawn.case.id for drawn in work}) == len(work)


def test_scaled_work_scales_inputs_and_weights_and_nothing_else() -> None:
    drawn = replace(next(random_work(1)), inputs=10.0, weights=0.5)
    plain, scaled = replace(drawn, inputs=1.0, weights=1.0).plan(), drawn.plan()
    np.testing.assert_allclose(scaled.batches[0].x, 10 * plain.batches[0].x)
    for layer, named in plain.weights.params.items():
        for p, a in named.items():
            np.testing.assert_array_equal(scaled.weights.params[layer][p], a / 2 if a.ndim > 1 else a)


def test_correct_work_raises_no_alarm_and_a_mistake_in_it_does(bench: Bench) -> None:
    work = list(random_work(4))
    (*tallies,), alarms = correct(work, bench)
    assert alarms == []
    assert sum(tally["comparisons"] for tally in tallies) > 300
    with planted(HALVED):
        _, alarms = correct(work[:1], bench)
    assert alarms
    assert all(alarm["alarm"].startswith("network/random-dense-0/seed0") for alarm in alarms)


def test_other_seeds_draw_the_same_cases_anew() -> None:
    work = list(other_seeds(range(3, 4), short=True))
    assert {drawn.case.seed for drawn in work} == {3}
    assert not any(drawn.case.slow or drawn.case.data for drawn in work)


@pytest.mark.parametrize(
    ("names", "told"), [("jax9", "no framework is named 'jax9'"), (",", "--frameworks names none")]
)
def test_command_refuses_what_it_cannot_use(names: str, told: str) -> None:
    result = CliRunner().invoke(main, ["selftest", "--frameworks", names])
    assert result.exit_code == 2
    assert told in result.stderr
