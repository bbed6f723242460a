"""Models of several inputs and their ports: images beside numbers, two sides of one network, words beside words."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from comparisons.port_copies import compare_copied
from comparisons.ports import Incomparable, compare_models
from reference import missing
from reports.schema import FAILING

pytestmark = [
    pytest.mark.skipif(missing(name) is not None, reason=missing(name) or "") for name in ("torch", "tensorflow")
]


def keras_of(build: Any) -> Any:
    from reference import twin_class

    twin_class("tensorflow")  # sets the backend
    import keras

    return build(keras, keras.layers)


def pictures(keras: Any, layers: Any) -> Any:
    """An image and a row of numbers."""
    image, more = keras.Input((8, 6, 3), name="image"), keras.Input((5,), name="more")
    x = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    x = layers.Flatten()(x)
    z = layers.Concatenate()([x, layers.LayerNormalization(name="norm")(layers.Dense(7, name="side")(more))])
    return keras.Model([image, more], layers.Dense(2, name="head")(z))


def torch_pictures(swapped: bool = False, concatenated: str = "xs", eps: float = 1e-3) -> Any:
    import torch
    from torch import nn

    class Pictures(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.side = nn.Conv2d(3, 4, 3), nn.Linear(5, 7)
            self.norm, self.head = nn.LayerNorm(7, eps=eps), nn.Linear(4 * 3 * 2 + 7, 2)

        def _run(self, image: Any, more: Any) -> Any:
            x = torch.max_pool2d(torch.relu(self.conv(image)), 2).permute(0, 2, 3, 1).flatten(1)
            parts = {"x": x, "s": self.norm(self.side(more))}
            return self.head(torch.cat([parts[c] for c in concatenated], dim=1))

        def forward(self, image: Any, more: Any) -> Any:
            return self._run(image, more)

    class Swapped(Pictures):
        def forward(self, more: Any, image: Any) -> Any:
            return self._run(image, more)

    return Swapped() if swapped else Pictures()


def sides(keras: Any, layers: Any) -> Any:
    """The distance of two rows that one network has coded."""
    left, right = keras.Input((6,), name="left"), keras.Input((6,), name="right")
    code = layers.Dense(4, activation="tanh", name="code")
    return keras.Model([left, right], layers.Dense(1, name="head")(layers.Subtract()([code(left), code(right)])))


def torch_sides(sign: float = 1.0) -> Any:
    import torch
    from torch import nn

    class Sides(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.code, self.head = nn.Linear(6, 4), nn.Linear(4, 1)

        def forward(self, one: Any, two: Any) -> Any:
            return self.head(sign * (torch.tanh(self.code(one)) - torch.tanh(self.code(two))))

    return Sides()


def words(keras: Any, layers: Any) -> Any:
    """Two sequences of words, of different vocabularies."""
    question, answer = keras.Input((None,), name="question"), keras.Input((None,), name="answer")
    asked = layers.LSTM(5, name="asked")(layers.Embedding(11, 4, name="one")(question))
    said = layers.LSTM(5, name="said")(layers.Embedding(6, 4, name="two")(answer))
    return keras.Model([question, answer], layers.Dense(3, name="head")(layers.Concatenate()([asked, said])))


def torch_words(last: int = -1) -> Any:
    import torch
    from torch import nn

    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Embedding(11, 4), nn.Embedding(6, 4)
            self.asked, self.said = nn.LSTM(4, 5, batch_first=True), nn.LSTM(4, 5, batch_first=True)
            self.head = nn.Linear(10, 3)

        def forward(self, question: Any, answer: Any) -> Any:
            asked, said = self.asked(self.one(question))[0], self.said(self.two(answer))[0]
            return self.head(torch.cat([asked[:, -1], said[:, last]], dim=1))

    return Words()


RIGHT = {
    "an image and numbers": (pictures, torch_pictures),
    "arguments in another order": (pictures, lambda: torch_pictures(swapped=True)),
    "two sides of one network": (sides, torch_sides),
    "words and words": (words, torch_words),
}
WRONG = {
    "epsilon of another default": (pictures, lambda: torch_pictures(eps=1e-5), "has epsilon 1e-05"),
    "joined the other way round": (pictures, lambda: torch_pictures(concatenated="sx"), ""),
    "the other sign": (sides, lambda: torch_sides(-1.0), ""),
    "the first step": (words, lambda: torch_words(0), ""),
}


def told(subject: Any, reference: Any) -> dict[str, str]:
    return {r["tensor"]: r["diagnosis"] for r in compare_models(subject, reference).rows if r["verdict"] in FAILING}


@pytest.mark.parametrize("which", RIGHT)
def test_right_ports_agree_both_ways(which: str) -> None:
    build, module = RIGHT[which]
    for subject, reference in ((module(), keras_of(build)), (keras_of(build), module())):
        assert not told(subject, reference)
    rows = compare_models(module(), keras_of(build)).rows
    assert "match" in {r["verdict"] for r in rows if r["tensor"] == "forward/output"}


@pytest.mark.parametrize("which", WRONG)
def test_mistakes_are_found(which: str) -> None:
    build, module, cause = WRONG[which]
    found = told(module(), keras_of(build))
    assert found
    assert any(cause in text for text in found.values()), found


def test_weights_carried_over_between_models_of_two_inputs() -> None:
    import torch

    def copy(module: Any, model: Any) -> None:
        with torch.no_grad():
            for name in ("code", "head"):
                w, b = model.get_layer(name).get_weights()
                getattr(module, name).weight.copy_(torch.from_numpy(np.array(w.T)))
                if name == "code":
                    getattr(module, name).bias.copy_(torch.from_numpy(b))

    rows = compare_copied(copy, torch_sides(), keras_of(sides)).rows
    wrong = {r["tensor"]: r["diagnosis"] for r in rows if r["verdict"] in FAILING}
    assert wrong == {"step0/param/head.b": "it is not copied at all"}


def test_a_module_that_takes_something_else_is_not_decided() -> None:
    from torch import nn

    class Three(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.code, self.head = nn.Linear(6, 4), nn.Linear(4, 1)

        def forward(self, one: Any, two: Any, three: Any) -> Any:
            return self.head(self.code(one) + self.code(two) + self.code(three))

    with pytest.raises(Incomparable, match="the shape of an input is not known"):
        compare_models(Three(), keras_of(sides))


def test_one_input_beside_two_is_not_decided() -> None:
    def one(keras: Any, layers: Any) -> Any:
        return keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(1)])

    with pytest.raises(Incomparable, match="the shape of an input is not known"):
        compare_models(torch_sides(), keras_of(one))
