"""Whole files with a model in one framework and its port to the other: right as they are, and with one mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from comparisons.check import source
from comparisons.check.judging import judge_all
from comparisons.check.matching import InProcess
from reference import missing
from reports.schema import FAILING

pytestmark = [
    pytest.mark.skipif(missing(name) is not None, reason=missing(name) or "") for name in ("torch", "tensorflow")
]
SAMPLES = Path(__file__).parent / "samples"


def rows_of(path: Path) -> list[dict[str, Any]]:
    result = judge_all(InProcess(source.run(path)), ("torch",), 0)
    rows = [row for c in result.checked for row in c.rows if c.unit.style == "ports"]
    assert rows
    return rows


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("port_*.py")), ids=lambda p: p.stem)
def test_right_ports_agree(path: Path) -> None:
    rows = rows_of(path)
    assert [(row["tensor"], row["diagnosis"]) for row in rows if row["verdict"] in FAILING] == []
    assert sum(row["verdict"] == "match" for row in rows) > 10


MISTAKES = [
    ("decoder", "h = layers.Cropping2D(1)(h)", "h = layers.Cropping2D(((2, 0), (2, 0)))(h)", "forward/bn", ""),
    ("lenet", "Conv2D(6, (5, 5), activation='relu'", "Conv2D(6, (5, 5), activation='tanh'", "forward/conv2", "tanh and max pooling follows it, in the reference relu and max pooling"),
    ("lenet", "Dense(84, activation='relu')", "Dense(84)", "forward/fc3", "nothing follows it, in the reference relu"),
    ("lenet", "return self.fc3(x)", "return F.softmax(self.fc3(x), dim=1)", "loss", "ends in softmax, where nn.CrossEntropyLoss() wants no activation"),
    ("vgg", "nn.BatchNorm2d(filters, eps=1e-3, momentum=0.01)", "nn.BatchNorm2d(filters, eps=1e-3, momentum=0.99)", "", "has momentum 0.01, the reference 0.99"),
    ("vgg", "out = out.view(out.size(0), -1)", "out = out.permute(0, 3, 2, 1).reshape(out.size(0), -1)", "", ""),
    ("vgg", "nn.Dropout(0.5)", "nn.Dropout(0.25)", "setting/classifier_3.rate", "has rate 0.25, the reference's dropout_2 0.5"),
    ("vgg", "'small': [(8, 0.3)", "'small': [(8, 0.7)", "setting/features_3.rate", "probability to keep"),
    ("text_cnn", "F.dropout(x, self.dropout_p, training=self.training)", "F.dropout(x, self.dropout_p)", "setting/dropout.rate in evaluation", "called without training=self.training"),
    ("text_cnn", "(k, embed_dim), activation='relu')", "(k, embed_dim))", "", ""),
    ("lstm", "self.fc(hidden[-1])", "self.fc(output[:, 0])", "forward/dense", ""),
    ("lstm", "criterion = nn.BCELoss()", "criterion = nn.BCEWithLogitsLoss()", "loss", "ends in sigmoid"),
    ("dcgan", "layers.LeakyReLU(0.2))\n    model.add(layers.Conv2D(ndf", "layers.LeakyReLU())\n    model.add(layers.Conv2D(ndf", "", "slope 0.3, the reference 0.2"),
    ("dcgan", "BatchNormalization(momentum=0.9, epsilon=1e-5)", "BatchNormalization(momentum=0.1, epsilon=1e-5)", "", "momentum 0.1, the reference 0.9"),
    ("resnet", "filters, 3, strides=strides, padding='valid'", "filters, 3, strides=strides, padding='same'", "", "'same'"),
    ("resnet", "out = layers.ReLU()(bn(out, name + '_bn1'))", "out = bn(out, name + '_bn1')", "", "nothing follows it, in the reference relu"),
    ("autoencoder", "nn.Linear(128, 28 * 28),\n            nn.Sigmoid())", "nn.Linear(128, 28 * 28))", "loss", ""),
    ("upscaling", 'padding="same", name="last"', 'padding="same", activation="relu", name="last"', "forward/output", ""),
    ("mlp", "tf.nn.gelu(", "tf.nn.gelu(approximate=True, features=", "", "gelu by its approximation with tanh"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "right", "mistake", "tensor", "cause"), MISTAKES)
def test_mistakes_are_found(name: str, right: str, mistake: str, tensor: str, cause: str, tmp_path: Path) -> None:
    text = (SAMPLES / f"port_{name}.py").read_text()
    assert right in text
    if name == "resnet" and "padding" in mistake:
        text = text.replace("    x = layers.ZeroPadding2D(1)(x)\n", "")
    file = tmp_path / f"port_{name}.py"
    file.write_text(text.replace(right, mistake))
    wrong = [row for row in rows_of(file) if row["verdict"] in FAILING]
    assert wrong
    assert tensor in {row["tensor"] for row in wrong} | {""}
    assert any(cause in row["diagnosis"] for row in wrong)
