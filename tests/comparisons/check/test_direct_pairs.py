"""Backward functions that take the forward function's arguments again: matched to them, and beside finite differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.direct_pairs import find_direct_pairs

SAMPLE = Path(__file__).parent / "samples" / "direct_pairs.py"
MISTAKES = {
    "overlap": ("dout[c, i * s + a, j * s + b] += dpool", "dout[c, i * s + a, j * s + b] = dpool", "maxpoolBackward.image"),
    "bias of one pixel": ("np.sum(dconv_prev[k])", "dconv_prev[k, 0, 0]", "convolutionBackward.bias"),
    "filter turned": ("dconv_prev[k, i, j] * filt[k]", "dconv_prev[k, i, j] * filt[k, :, ::-1, ::-1]", "convolutionBackward.image"),
    "window of the output": ("dconv_prev[k, i, j] * window", "dconv_prev[k, j, i] * window", "convolutionBackward.filt"),
}  # fmt: skip


def judged(path: Path) -> dict[str, dict[str, Any]]:
    file = source.run(path)
    found = find_direct_pairs(file, file.functions())
    return {
        d.tensor.removeprefix("grad/"): row(d, {}) for pair in found for d in pair.derived(np.random.default_rng(3))
    }


def test_right_functions_agree() -> None:
    rows = judged(SAMPLE)
    wanted = {
        "convolutionBackward.image",
        "convolutionBackward.filt",
        "convolutionBackward.bias",
        "maxpoolBackward.image",
    }
    assert set(rows) == wanted
    assert {r["verdict"] for r in rows.values()} == {"match"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found(mistake: str, tmp_path: Path) -> None:
    old, new, tensor = MISTAKES[mistake]
    text = SAMPLE.read_text()
    assert text.count(old) == 1
    path = tmp_path / "mistaken.py"
    path.write_text(text.replace(old, new))
    assert {name for name, r in judged(path).items() if r["verdict"] == "mismatch"} == {tensor}
