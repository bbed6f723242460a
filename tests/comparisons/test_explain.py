"""`backproof conventions` and `explain`: every convention can be seen, measured, and belongs to something."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from comparisons.cases import all_cases, select
from comparisons.cli import main
from comparisons.errors import UnknownName
from comparisons.explain import EXAMPLES, agreements, example, find, formula, kinds, measure, spell
from reference import CONVENTIONS, FRAMEWORKS, missing

INSTALLED = [name for name in FRAMEWORKS if not missing(name)]


def test_every_convention_that_changes_numbers_has_an_example() -> None:
    assert {c.id for c in CONVENTIONS.values() if c.kind == "value"} == set(EXAMPLES)
    for name in EXAMPLES.values():
        assert [case.id for case in select(all_cases(), (name,))] == [name]


def test_every_convention_concerns_something_that_exists() -> None:
    for convention in CONVENTIONS.values():
        assert convention.about, convention.id
        assert set(convention.about) <= kinds().keys(), convention.id


def test_every_kind_can_be_explained() -> None:
    for name, kind in kinds().items():
        assert find(name)[0] is kind
        assert len(formula(kind)) > 10


def test_every_kind_is_compared_in_some_case() -> None:
    for name, kind in kinds().items():
        case = example(kind)
        assert case is not None, name
        assert not case.slow


def test_the_derivation_is_told_with_the_kind() -> None:
    assert "dx_n,(s r + i),(s q + j),c += dy_nrqc  where (i, j) attains the maximum" in formula(kinds()["MaxPool2D"])


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("Dense", {"torch": "torch.nn.Linear", "tensorflow": "keras.layers.Dense"}),
        ("Embedding", {"torch": "torch.nn.Embedding", "tensorflow": "keras.layers.Embedding"}),
        ("Adam", {"torch": "torch.optim.Adam", "tensorflow": "keras.optimizers.Adam"}),
        ("ReLU", {"torch": "torch.nn.ReLU", "tensorflow": "keras.layers.ReLU"}),
        ("SoftmaxCrossEntropy", {"torch": "", "tensorflow": ""}),
        ("InverseDecay", {"torch": "", "tensorflow": ""}),
    ],
)
@pytest.mark.parametrize("framework", INSTALLED)
def test_an_agreement_names_the_frameworks_class_and_the_largest_difference(
    framework: str, name: str, parts: dict[str, str]
) -> None:
    (found,) = agreements(kinds()[name], (framework,))
    assert (found.framework, found.part) == (framework, parts[framework])
    assert 0 <= found.needed < 1e-12
    label, text = spell(found)
    assert label == framework
    assert found.case in text


@pytest.mark.skipif(len(INSTALLED) < len(FRAMEWORKS), reason="a framework is missing: not everything can be measured")
def test_every_example_shows_its_convention_and_the_mapping_removes_it() -> None:
    measured = measure(CONVENTIONS.values(), INSTALLED)
    assert measured.keys() == EXAMPLES.keys()
    for name, found in measured.items():
        for one in found:
            assert one.difference > 1e-6, name
            assert one.mapped < 1e-12, name


@pytest.mark.parametrize("name", ["BatchNorm", "batch-norm", "batchnorm", "batch_norm"])
def test_names_are_found_however_they_are_spelt(name: str) -> None:
    kind, concerned = find(name)
    assert kind is kinds()["BatchNorm"]
    assert {"batchnorm-momentum", "batchnorm-running-variance"} <= {c.id for c in concerned}


def test_an_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'bachnorm'; did you mean BatchNorm"):
        find("bachnorm")


def test_the_commands_print_within_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    listed = CliRunner().invoke(main, ["conventions", "--no-measure"])
    assert listed.exit_code == 0
    assert max(map(len, listed.output.splitlines())) <= 80
    for name in CONVENTIONS:
        assert name in listed.output
    one = CliRunner().invoke(main, ["explain", "momentum-scale"])
    assert one.exit_code == 0
    assert one.output.count("instead of") == len(INSTALLED)
