"""The loss that each model of a port is trained with, behind what stands at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import judge_all
from comparisons.check.matching import InProcess
from reference import missing
from reports.schema import FAILING

pytestmark = [
    pytest.mark.skipif(missing(name) is not None, reason=missing(name) or "") for name in ("torch", "tensorflow")
]

FILE = """
import keras
from keras import layers
import torch
from torch import nn
import torch.nn.functional as F

def keras_model():
    model = keras.Sequential([keras.Input((4,)), layers.Dense(5, activation="relu"), layers.Dense(3{end})])
    model.compile(optimizer="adam", loss={loss})
    return model

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(4, 5), nn.Linear(5, 3)

    def forward(self, x):
        return {returned}

def train(model, loader):
    optimizer = torch.optim.Adam(model.parameters())
    {criterion}
    for x, y in loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
"""
LOGITS = "self.out(torch.relu(self.hidden(x)))"
SOFTMAX = ', activation="softmax"'
FROM_LOGITS = "keras.losses.SparseCategoricalCrossentropy(from_logits=True)"


@pytest.mark.parametrize(
    ("end", "loss", "returned", "criterion", "cause"),
    [
        (SOFTMAX, '"categorical_crossentropy"', LOGITS, "criterion = nn.CrossEntropyLoss()", ""),
        (SOFTMAX, '"sparse_categorical_crossentropy"', f"F.log_softmax({LOGITS}, dim=1)", "criterion = F.nll_loss", ""),
        ("", FROM_LOGITS, LOGITS, "criterion = nn.CrossEntropyLoss()", ""),
        (', activation="sigmoid"', '"binary_crossentropy"', LOGITS, "criterion = nn.BCEWithLogitsLoss()", ""),
        (SOFTMAX, '"categorical_crossentropy"', f"F.softmax({LOGITS}, dim=1)", "criterion = nn.CrossEntropyLoss()",
         "ends in softmax, where nn.CrossEntropyLoss() wants no activation"),
        (SOFTMAX, FROM_LOGITS, LOGITS, "criterion = nn.CrossEntropyLoss()",
         "ends in softmax, where SparseCategoricalCrossentropy from logits wants no activation"),
        (SOFTMAX, '"categorical_crossentropy"', f"F.softmax({LOGITS}, dim=1)", "criterion = nn.NLLLoss()",
         "ends in softmax, where nn.NLLLoss() wants log_softmax"),
        ("", '"sparse_categorical_crossentropy"', LOGITS, "criterion = nn.CrossEntropyLoss()",
         "ends in no activation, where sparse_categorical_crossentropy wants softmax"),
    ],
)  # fmt: skip
def test_losses_of_a_port(end: str, loss: str, returned: str, criterion: str, cause: str, tmp_path: Path) -> None:
    file = tmp_path / "port.py"
    file.write_text(FILE.format(end=end, loss=loss, returned=returned, criterion=criterion))
    result = judge_all(InProcess(source.run(file)), ("torch",), 0)
    rows = [row for c in result.checked for row in c.rows if c.unit.style == "ports"]
    assert rows
    wrong = [row for row in rows if row["verdict"] in FAILING]
    assert [row["tensor"] for row in wrong] == (["loss"] if cause else [])
    if cause:
        assert cause in wrong[0]["diagnosis"]
