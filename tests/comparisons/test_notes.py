"""The audit of the course notes: every claim shows numbers, and they say what the verdict says."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from click.testing import CliRunner

from comparisons.cli import main
from comparisons.notes import Claim, claims, spell
from comparisons.notes_commands import PICTURES

BY_NAME = {f"{c.document}-{c.show.__name__}": c for c in claims()}
KNOWN_WRONG = {
    "000-db_divided_by_m_twice": {"as written / truth": 1 / 5, "corrected / truth": 1.0},
    "000-derivative_at_a": {"corrected off by": 0.0},
    "000-divided_by_the_variance": {"divided by sigma": 1.0},
    "000-bengio": {"the code, 100 to 50 units": 1.0, "Glorot and Bengio 2010": math.sqrt(2 / 150)},
    "000-exploding_with_the_weights": {"dy/dw[1] of 50 linear layers, w = 1.5": "4.25e+08"},
    "000-divided_by_the_root": {
        "gradient 0.01: g/sqrt(S)": 1.0,
        "gradient 10: g/sqrt(S)": 1.0,
        "gradient 10: g/S": 0.1,
    },
    "001-missing_minus": {"as written at yhat = 0.9": math.log(0.1), "correct": -math.log(0.1)},
    "001-computation_graph": {"dJ/da": 3, "dJ/db": 6, "dJ/dc": 12},
    "001-wrong_square": {"corrected off by": 0.0},
    "001-rand_for_randn": {"of randn": 0.0},
    "002-names_one_too_high": {"shape of A1": "(5, 6)", "shape of what the notes call dA1": "(4, 6)"},
    "002-dropout_inverted": {"kept as written, keep_prob 0.8": 0.2, "correct": 0.8},
    "002-per_hundreds": {"points of 2,500 iterations": 25},
    "002-small_weights_are_smooth": {"steepest slope of a tanh network": 0.229, "with weights ten times larger": 2.26},
    "002-two_j_plus": {"as written": 0.0, "with J_minus": 12.0},
    "003-negative_shape": {"as written raises": "negative dimensions are not allowed"},
    "003-lenet": {"parameters with 84": 61706, "with 85": 61837},
    "003-missing_parentheses": {"correct: mean": 0.0, "correct: deviation": 1.0},
    "003-scaled_activation": {"correct: deviation = gamma": 2.0},
    "003-cosine": {"sim(u, u) as written, with norms": 25.0, "correct": 1.0},
}


@pytest.mark.parametrize("name", BY_NAME)
def test_every_claim_shows_its_numbers(name: str) -> None:
    claim = BY_NAME[name]
    shown = claim.show()
    assert shown
    assert all(isinstance(value, str) or math.isfinite(value) for value in shown.values()), shown
    if claim.verdict in ("wrong", "unclear", "convention"):
        assert claim.correct, "what is not right as it stands has a correct form"


@pytest.mark.parametrize("name", KNOWN_WRONG)
def test_known_mistakes_come_out_as_they_should(name: str) -> None:
    assert BY_NAME[name].verdict == "wrong"
    shown = BY_NAME[name].show()
    for label, value in KNOWN_WRONG[name].items():
        assert shown[label] == (value if isinstance(value, str) else pytest.approx(value, rel=0.03, abs=1e-2))


def test_verified_gradients_agree_with_the_quotients() -> None:
    for claim in BY_NAME.values():
        if claim.verdict == "verified":
            for label, value in claim.show().items():
                if "off" in label or "deviation from" in label:
                    assert float(value) < 1e-7, (claim.text, label)


def test_verified_numbers_are_those_of_the_claims() -> None:
    assert BY_NAME["001-units_stay_alike"].show()["after 500 steps the units differ by"] == 0
    assert BY_NAME["000-coefficient_of_the_past"].show()["beta = 0.9, 10 days ago"] == pytest.approx(
        0.1 / math.e, rel=0.06
    )
    seeds = BY_NAME["002-which_seed"].show()
    assert seeds["first weight, unscaled"] == pytest.approx(seeds["first of seed 3"], rel=1e-12)
    tanh = BY_NAME["001-small_weights_keep_the_slope"].show()
    assert tanh["mean of tanh', weights of scale 0.01"] > 0.95 > 0.2 > tanh["of scale 1"]
    assert BY_NAME["003-variance_with_epsilon"].show()["of variance 8.7e-4, epsilon 1e-3"] == pytest.approx(
        8.667 / 18.667, rel=1e-3
    )


def test_pictures_of_the_page_exist() -> None:
    for picture in PICTURES.values():
        assert (Path(__file__).parents[2] / "docs" / picture.rpartition("(")[2].rstrip(")")).is_file()


def test_every_document_is_audited_and_no_claim_stands_twice() -> None:
    assert {claim.document for claim in claims()} == {"000", "001", "002", "003", "004"}
    assert len({(c.document, c.heading, c.text) for c in claims()}) == len(claims())
    assert len(claims("003", "wrong")) >= 6


def test_the_page_is_what_the_command_prints() -> None:
    page = CliRunner().invoke(main, ["notes", "--markdown"])
    assert page.exit_code == 0
    assert page.output == (Path(__file__).parents[2] / "docs" / "notes.md").read_text(encoding="utf-8")


def test_the_command_selects_and_keeps_to_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = CliRunner().invoke(main, ["notes", "001", "--verdict", "wrong"])
    assert done.exit_code == 0
    assert "(1 - A1)^2" in done.output
    assert max(map(len, done.output.splitlines())) <= 80
    assert "claims: " in done.output


def test_rounding_is_not_spelt_out() -> None:
    assert spell(3.1e-11) == "0 (to rounding)"
    assert spell(0.0) == "0"
    assert spell(0.2) == "0.2"
    assert isinstance(claims()[0], Claim)
