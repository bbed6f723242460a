"""Models and their ports between torch and Keras: right ports agree, each usual mistake of a port is found and named."""

from __future__ import annotations

from typing import Any

import pytest

from comparisons.errors import BackproofError
from comparisons.ports import PortResult, compare_models
from reference import missing

pytestmark = [
    pytest.mark.skipif(missing(name) is not None, reason=missing(name) or "") for name in ("torch", "tensorflow")
]


def torch_images(**norm: Any) -> Any:
    """Convolution, batch norm, pooling and flattening by functions: none of these is a module that could be watched."""
    import torch
    from torch import nn

    class Images(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4, **norm)
            self.hidden = nn.Linear(4 * 4 * 3, 5)
            self.head = nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            x = torch.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
            return self.head(torch.tanh(self.hidden(torch.flatten(x, 1))))

    return Images()


def keras_images(activation: str = "tanh", pool: str = "max", **norm: Any) -> Any:
    from reference import twin_class

    twin_class("tensorflow")  # sets the backend
    import keras
    from keras import layers

    pooling = layers.MaxPooling2D(2) if pool == "max" else layers.AveragePooling2D(2)
    return keras.Sequential(
        [
            keras.Input((8, 6, 3)),
            layers.Conv2D(4, 3, padding="same"),
            layers.BatchNormalization(**({"epsilon": 1e-5, "momentum": 0.9} | norm)),
            layers.ReLU(),
            pooling,
            layers.Flatten(),
            layers.Dense(5, activation=activation),
            layers.Dense(2),
        ]
    )


def verdicts(result: PortResult) -> set[str]:
    return {row["verdict"] for row in result.rows}


def first_wrong(result: PortResult) -> dict[str, Any]:
    return next(row for row in result.rows if row["verdict"] == "mismatch")


@pytest.mark.parametrize("ported", ["keras", "torch"])
def test_a_right_port_agrees_either_way_round(ported: str) -> None:
    models = keras_images(), torch_images()
    result = compare_models(*(models if ported == "keras" else models[::-1]))
    # Nothing but the bias in front of batch norm, whose gradient is zero but for rounding, is left undecided.
    undecided = [row["tensor"] for row in result.rows if row["verdict"] != "match"]
    assert len(undecided) == 1
    assert undecided[0].startswith("grad/conv")
    assert undecided[0].endswith(".b")
    tensors = {row["tensor"].rpartition("/")[2] for row in result.rows}
    assert any(name.endswith("running_var") for name in tensors)
    assert len(result.rows) == 38


def test_epsilon_left_at_keras_default_is_named() -> None:
    result = compare_models(keras_images(epsilon=1e-3), torch_images())
    wrong = first_wrong(result)
    assert wrong["tensor"] == "forward/norm"
    assert "epsilon 0.001, the reference 1e-05" in wrong["diagnosis"]
    assert not [r for r in result.rows if r["verdict"] == "mismatch" and "epsilon" not in r["diagnosis"]]


def test_momentum_left_at_keras_default_is_seen_in_the_running_averages_alone() -> None:
    result = compare_models(keras_images(momentum=0.99), torch_images())
    wrong = [row for row in result.rows if row["verdict"] == "mismatch"]
    assert [row["tensor"] for row in wrong] == ["step1/buffer/norm.running_mean", "step1/buffer/norm.running_var"]
    assert all("momentum 0.99, the reference 0.9" in row["diagnosis"] for row in wrong)


@pytest.mark.parametrize(
    ("change", "tensor", "before"),
    [({"activation": "relu"}, "forward/head", "hidden"), ({"pool": "average"}, "forward/hidden", "norm")],
)
def test_what_lies_between_two_layers_is_located(change: dict[str, str], tensor: str, before: str) -> None:
    wrong = first_wrong(compare_models(keras_images(**change), torch_images()))
    assert wrong["tensor"] == tensor
    assert f"the output of {before} still agrees" in wrong["diagnosis"]


def test_sequences_with_an_embedding_and_dropout() -> None:
    import torch
    from torch import nn

    class Torch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(11, 4)
            self.lstm, self.gru = nn.LSTM(4, 3, batch_first=True), nn.GRU(3, 5, batch_first=True)
            self.dropout, self.head = nn.Dropout(0.2), nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            states, _ = self.gru(self.lstm(self.tokens(x))[0])
            return self.head(self.dropout(torch.relu(states[:, -1])))

    keras_images()
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((7,), dtype="int32"),
            layers.Embedding(11, 4),
            layers.LSTM(3, return_sequences=True),
            layers.GRU(5),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(2),
        ]
    )
    result = compare_models(model, Torch())
    assert verdicts(result) == {"match"}
    assert len(result.rows) == 19
    assert "evaluation only" in result.remarks[0]


def test_the_models_themselves_are_left_as_they_are() -> None:
    keras_model, torch_model = keras_images(), torch_images()
    before = [p.detach().clone() for p in torch_model.parameters()], [w.numpy() for w in keras_model.weights]
    compare_models(keras_model, torch_model)
    assert all((p == q).all() for p, q in zip(torch_model.parameters(), before[0], strict=True))
    assert all((w.numpy() == v).all() for w, v in zip(keras_model.weights, before[1], strict=True))
    assert keras_model.dtype == "float32"


def test_models_of_other_layers_are_refused_with_the_first_that_differs() -> None:
    from torch import nn

    with pytest.raises(BackproofError, match=r"layer 2 with parameters is batchnorm .* in the port \(Keras\), dense"):
        compare_models(keras_images(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(96, 3)))
    with pytest.raises(BackproofError, match="the shape of an input is not known"):
        compare_models(torch_images(), torch_images())
    with pytest.raises(BackproofError, match="both must be models"):
        compare_models(torch_images(), 3)


def test_torch_against_torch_with_a_given_shape() -> None:
    assert verdicts(compare_models(torch_images(), torch_images(), shape=(8, 6, 3))) <= {"match", "vacuous"}
    wrong = first_wrong(compare_models(torch_images(eps=1e-2), torch_images(), shape=(8, 6, 3)))
    assert "epsilon 0.01, the reference 1e-05" in wrong["diagnosis"]
