"""Descriptions of networks, made small: keys and activations stay, sizes follow one another."""

from __future__ import annotations

from comparisons.check.styles.described_layers import made_small


def test_sizes_follow_one_another_and_a_single_output_stays_one() -> None:
    hidden = {"n_in": 9, "n_out": 9, "act": "relu"}
    layers = [{"n_in": 2, "n_out": 9, "act": "relu"}, hidden, hidden | {"act": "tanh"}, {"n_in": 9, "n_out": 1}]
    assert made_small(layers) == [
        {"n_in": 4, "n_out": 5, "act": "relu"},
        {"n_in": 5, "n_out": 6, "act": "tanh"},
        {"n_in": 6, "n_out": 1},
    ]


def test_units_alone() -> None:
    layers = [{"units": 784}, {"units": 100, "activation": "relu"}, {"units": 10, "activation": "softmax"}]
    assert [row["units"] for row in made_small(layers) or []] == [4, 5, 3]


def test_numbers_that_are_no_sizes_of_layers() -> None:
    assert made_small([{"age": 3, "height": 5}, {"age": 8, "height": 2}]) is None
