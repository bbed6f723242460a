"""`backproof conventions` and `explain`: every convention can be seen, measured, and belongs to something."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from comparisons.cases import all_cases, select
from comparisons.cli import main
from comparisons.errors import UnknownName
from comparisons.explain import EXAMPLES, find, formula, kinds, measure
from reference import CONVENTIONS, FRAMEWORKS, missing

INSTALLED = [name for name in FRAMEWORKS if not missing(name)]


def test_every_convention_that_changes_numbers_has_an_example() -> None:
    assert {c.id for c in CONVENTIONS.values() if c.kind == "value"} == set(EXAMPLES)
    for example in EXAMPLES.values():
        assert [case.id for case in select(all_cases(), (example,))] == [example]


def test_every_convention_concerns_something_that_exists() -> None:
    for convention in CONVENTIONS.values():
        assert convention.about, convention.id
        assert set(convention.about) <= kinds().keys(), convention.id


def test_every_kind_can_be_explained() -> None:
    for name, kind in kinds().items():
        assert find(name)[0] is kind
        assert len(formula(kind)) > 10


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
