"""Cases are data: unique, selectable, and drawn alike every time; what is drawn hides nothing."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from comparisons.case import REGIMES, Case
from comparisons.cases import SUITES, all_cases, kinds, quick, select
from comparisons.errors import UnknownName
from comparisons.naming import place
from comparisons.plan import Plan, plan
from scratch import Layer, Loss, Optimizer, Regulariser
from scratch.weights import flatten

CASES = all_cases()
DRAWN = [case for case in CASES if not case.data and not case.slow]


def arrays(drawn: Plan) -> list[np.ndarray]:
    found = [a for _, a in flatten(drawn.weights.params)] + [a for _, a in flatten(drawn.weights.buffers)]
    for batch in [*drawn.batches, *([drawn.held_out] if drawn.held_out else [])]:
        found += [a for a in (batch.x, batch.target, batch.upstream, *batch.masks.values()) if a is not None]
    return found + [a for grads in drawn.gradients for _, a in flatten(grads)]


def test_ids_are_unique_and_regimes_known() -> None:
    assert len({case.id for case in CASES}) == len(CASES)
    assert {case.regime for case in CASES} <= set(REGIMES)


def test_every_suite_is_there() -> None:
    assert {case.suite for case in CASES} == {"layer", "loss", "optimizer", "network", "course", "training"}


@pytest.mark.parametrize("case", DRAWN, ids=lambda case: case.id)
def test_a_case_draws_the_same_numbers_after_pickling(case: Case) -> None:
    again = pickle.loads(pickle.dumps(case))
    assert again == case
    assert hash(again) == hash(case)
    for a, b in zip(arrays(plan(case)), arrays(plan(again)), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", DRAWN, ids=lambda case: case.id)
def test_another_seed_draws_other_numbers(case: Case) -> None:
    pairs = zip(arrays(plan(case)), arrays(plan(replace(case, seed=1))), strict=True)
    assert any(not np.array_equal(a, b) for a, b in pairs)


def test_nothing_that_is_learned_or_averaged_starts_at_its_default() -> None:
    case = next(c for c in CASES if c.id == "network/batchnorm-dropout/batch8")
    weights = plan(case).weights
    for name, a in [*flatten(weights.params), *flatten(weights.buffers)]:
        assert np.unique(a).size == a.size, name


def test_upstream_gradients_are_not_constant() -> None:
    for case in DRAWN:
        for batch in plan(case).batches:
            if batch.upstream is not None and batch.upstream.size > 1:
                assert np.unique(batch.upstream).size > 1


def test_float32_plan_holds_the_same_numbers_rounded() -> None:
    drawn = plan(next(c for c in CASES if c.id == "network/deep-relu/batch8"))
    for a, b in zip(arrays(drawn), arrays(drawn.astype("float32")), strict=True):
        assert b.dtype in (np.float32, bool)
        np.testing.assert_array_equal(a.astype(b.dtype), b)


def test_perturbation_moves_by_at_most_one_ulp_and_keeps_zeros() -> None:
    drawn = plan(next(c for c in CASES if c.id == "network/deep-relu/zeros"))
    x, moved = drawn.batches[0].x, drawn.perturbed(1).batches[0].x
    assert (moved != x).any()
    assert (np.abs(moved - x) <= 2 * np.spacing(np.abs(x))).all()
    assert (moved[x == 0] == 0).all()
    np.testing.assert_array_equal(drawn.perturbed(1).batches[0].target, drawn.batches[0].target)
    assert not np.array_equal(drawn.perturbed(2).batches[0].x, moved)


def test_recorded_gradients_hold_zeros_and_tiny_components() -> None:
    gradients = plan(next(c for c in CASES if c.id == "optimizer/adam/default")).gradients
    w = np.array([g["dense1"]["W"].ravel() for g in gradients])
    assert (w[:, 0] == 0).all()
    assert 1e-5 < np.abs(w[:, 1]).max() < 1e-3
    assert 1e-9 < np.abs(w[:, 2]).max() < 1e-7
    assert (w[10:, 3] == 0).all()
    assert (w[:10, 3] != 0).all()


def test_zeros_regime_has_exact_zeros_and_an_empty_example() -> None:
    x = plan(next(c for c in CASES if c.id == "layer/relu/zeros")).batches[0].x
    assert (x[-1] == 0).all()
    assert (x[:-1] == 0).any()
    assert (x != 0).any()


def test_the_digits_epochs_hold_every_example_once() -> None:
    pytest.importorskip("sklearn")
    case = next(c for c in CASES if c.data == "digits")
    batches = plan(case).batches
    assert [len(b.x) for b in batches] == list(case.batches)
    epoch = np.concatenate([b.x for b in batches[:23]])
    assert len(epoch) == 1437
    assert len(np.unique(epoch, axis=0)) == len(np.unique(np.concatenate([b.x for b in batches[23:46]]), axis=0))


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (("layer/dense/batch5",), {"layer/dense/batch5"}),
        (("layer/dropout",), {"layer/dropout/keep0.5", "layer/dropout/keep0.8", "layer/dropout/evaluation"}),
        (("layer/dropout/",), {"layer/dropout/keep0.5", "layer/dropout/keep0.8", "layer/dropout/evaluation"}),
        (
            ("network/*/batch1",),
            {
                f"network/{n}/batch1"
                for n in (
                    "logistic",
                    "shallow-tanh",
                    "deep-relu",
                    "leaky-regression",
                    "transfer-head",
                    "frozen-between",
                    "frozen-within",
                )
            },
        ),
        (
            ("training", "loss/mean-squared-error/large-batch1"),
            {"training/digits/adam", "loss/mean-squared-error/large-batch1"},
        ),
    ],
)
def test_selection(selection: tuple[str, ...], expected: set[str]) -> None:
    assert {case.id for case in select(CASES, selection)} == expected


def test_no_selection_is_everything_but_what_is_slow() -> None:
    assert select(CASES, ()) == [case for case in CASES if not case.slow]


def test_a_leading_part_ends_at_a_slash() -> None:
    assert not any(c.id.startswith("layer/leaky-relu-0.01") for c in select(CASES, ("layer/leaky-relu",)))


def test_an_unknown_name_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(UnknownName, match=r"layer/batchnrm.*layer/batchnorm"):
        select(CASES, ("layer/dense", "layer/batchnrm"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("forward/dense1", ("forward", 0, "dense1")),
        ("loss", ("loss", 0, "")),
        ("grad/dense1.W", ("gradient", 0, "dense1")),
        ("grad/loss.input", ("gradient", 0, "")),
        ("step2/grad/relu1.input", ("gradient", 2, "relu1")),
        ("step3/param/dense1.b", ("step", 3, "dense1")),
        ("step3/state/dense1.W.v", ("step", 3, "dense1")),
        ("step1/buffer/batchnorm1.running_var", ("buffer", 1, "batchnorm1")),
        ("step4/evaluation/dense2", ("forward", 4, "dense2")),
        ("step4/evaluation/correct", ("trajectory", 4, "")),
        ("trajectory/loss", ("trajectory", 0, "")),
    ],
)
def test_a_tensor_s_name_says_where_it_belongs(name: str, expected: tuple[str, int, str]) -> None:
    assert place(name) == expected


def what(case: Case) -> str:
    return "/".join(case.id.split("/")[:2])


def test_quick_takes_a_case_of_all_that_is_named_and_none_that_is_slow() -> None:
    chosen = quick(CASES)
    assert {what(c) for c in chosen if c.suite != "network"} == {
        what(c) for c in CASES if not c.slow and not c.data and c.suite != "network"
    }
    assert not any(case.slow or case.data for case in chosen)
    assert all(max(case.batches) > 1 or case.recorded_gradients for case in chosen)
    assert chosen == [case for case in CASES if case in chosen]


def test_quick_takes_a_second_case_only_for_another_kind() -> None:
    chosen = [case for case in quick(CASES) if case.suite != "network"]
    first = {what(case): case for case in reversed(chosen)}
    for case in chosen:
        others = set().union(*(kinds(other) for other in chosen if other is not case))
        assert case is first[what(case)] or kinds(case) - others, case.id


@pytest.mark.parametrize("sort", [Layer, Loss, Optimizer, Regulariser])
def test_every_kind_comes_up_in_quick(sort: type[Layer | Loss | Optimizer | Regulariser]) -> None:
    met = set().union(*map(kinds, quick(CASES)))
    made_here = {kind for kind in sort.kinds.values() if kind.__module__.startswith("scratch.")}  # not by another test
    assert made_here - met == set()


def test_networks_of_quick_take_every_sort_of_example_and_frozen_layers() -> None:
    networks = [case for case in CASES if case.suite == "network" and not case.slow]
    chosen = [case for case in quick(CASES) if case.suite == "network"]
    assert len(chosen) < len({case.architecture for case in networks}) / 2
    assert {len(case.input_shape) for case in chosen} == {len(case.input_shape) for case in networks} == {1, 2, 3}
    assert any(case.architecture.frozen for case in chosen)


def test_of_two_networks_quick_takes_the_one_with_more_kinds_of_layers() -> None:
    pair = select(CASES, ("network/vgg-small/batch3", "network/alexnet-small/batch3"))
    for order in (pair, pair[::-1]):
        assert [case.id for case in quick(order)] == ["network/alexnet-small/batch3"]


def test_cases_run_suite_by_suite() -> None:
    suites = [case.suite for case in CASES]
    assert [suite for suite, before in zip(suites, [None, *suites], strict=False) if suite != before] == list(SUITES)
