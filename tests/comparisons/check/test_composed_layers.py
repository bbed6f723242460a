"""Blocks that are made of layers but are no chain of them: attention, residual blocks, gates, branches."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import block, verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "composed_blocks": {"ResidualBlock", "GLU", "SqueezeExcite", "Branches"},
    "composed_transformer": {"CausalSelfAttention", "Block"},
}
MISTAKES = {
    "residual forgotten": ("composed_blocks", "return dout + dh", "return dh", "ResidualBlock", ["input"]),
    "value for gate": ("composed_blocks", "(dout * self.g)", "(dout * self.v)", "GLU", ["input", "value.W", "value.b"]),
    "mean not divided": ("composed_blocks", " / (H * W)", "", "SqueezeExcite", ["input"]),
    "product's other factor": (
        "composed_blocks",
        "return dout * self.w[:, :, None, None] + ds",
        "return ds",
        "SqueezeExcite",
        ["input"],
    ),
    "branches one after the other": (
        "composed_blocks",
        "dx = dx + e.backward(dout)",
        "dx = e.backward(dout)",
        "Branches",
        ["input"],
    ),
    "scores not scaled": (
        "composed_transformer",
        "keepdims=True)) / np.sqrt(self.d_head)",
        "keepdims=True))",
        "CausalSelfAttention",
        ["input", "query.w.data", "key.w.data"],
    ),
    "keys not turned": (
        "composed_transformer",
        "ds.transpose(0, 1, 3, 2) @ self.q",
        "ds @ self.q",
        "CausalSelfAttention",
        ["input", "key.w.data"],
    ),
    "block's residual forgotten": (
        "composed_transformer",
        "dy = dy + self.ffn.backward(dy)",
        "dy = self.ffn.backward(dy)",
        "Block",
        ["input", "attn.proj.w.data"],
    ),
}


def told(result: CheckResult) -> str:
    """The report, for failures that read well."""
    return "\n".join([*(line for c in result.checked for line in block(c)), *result.found.notes])


@pytest.mark.parametrize("sample", RIGHT)
def test_blocks_are_compared_and_raise_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py")
    assert all(verdict(c) == "match" for c in result.checked), told(result)
    assert RIGHT[sample] <= {c.unit.name for c in result.checked}, told(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_of_a_block_is_its_own(mistake: str, tmp_path: Path) -> None:
    sample, old, new, owner, tensors = MISTAKES[mistake]
    text = (SAMPLES / f"{sample}.py").read_text()
    assert text.count(old) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    result = check(path)
    assert [c.unit.name for c in result.checked if verdict(c) == "wrong"] == [owner], told(result)
    failing = {row["tensor"] for c in result.checked for row in c.rows if row["verdict"] in FAILING}
    assert {f"grad/{owner}.{t}" for t in tensors} <= failing, told(result)


def test_a_wrong_layer_is_not_held_against_the_block(tmp_path: Path) -> None:
    text = (SAMPLES / "composed_blocks.py").read_text()
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace("np.sum(dout, axis=0)", "np.mean(dout, axis=0)"))
    result = check(path)
    assert [c.unit.name for c in result.checked if verdict(c) == "wrong"] == ["Linear"], told(result)


def test_layers_held_in_another_order_are_no_mistake(tmp_path: Path) -> None:
    text = (SAMPLES / "composed_blocks.py").read_text().partition("class ResidualBlock")[0]
    path = tmp_path / "order.py"
    path.write_text(
        text
        + """
class Scorer:
    def __init__(self, dim):
        self.out = Linear(dim, dim)
        self.hidden = Linear(dim, dim)
        self.act = Sigmoid()

    def forward(self, x):
        return self.out.forward(self.act.forward(self.hidden.forward(x)))

    def backward(self, dout):
        return self.hidden.backward(self.act.backward(self.out.backward(dout)))
"""
    )
    result = check(path)
    assert all(verdict(c) == "match" for c in result.checked), told(result)
    assert "Scorer" in {c.unit.name for c in result.checked}, told(result)
