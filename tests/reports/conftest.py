"""A realistic run, green or red, of any size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from reports.tables import RunTables, frame

CASES = [
    ("layer", "layer/dense/batch5"),
    ("layer", "layer/conv2d/stride2-pad1-odd"),
    ("layer", "layer/batchnorm1d/momentum0.9"),
    ("loss", "loss/softmax-cross-entropy/confident"),
    ("optimizer", "optimizer/adam/weight-decay"),
    ("network", "network/dense-batchnorm-relu-dropout/depth6/input-scale-1e3/batch32"),
    ("training", "training/mnist-mlp/adam"),
]
TENSORS = [
    ("forward", 0, "dense1", "forward/dense1", (32, 10)),
    ("forward", 0, "batchnorm2", "forward/batchnorm2", (32, 10)),
    ("loss", 0, "", "loss", ()),
    ("gradient", 0, "batchnorm2", "grad/batchnorm2.gamma", (10,)),
    ("gradient", 0, "dense1", "grad/dense1.W", (7, 10)),
    ("gradient", 0, "dense1", "grad/dense1.b", (10,)),
    ("step", 1, "dense1", "step1/param/dense1.W", (7, 10)),
    ("buffer", 1, "batchnorm2", "step1/buffer/batchnorm2.running_var", (10,)),
    ("trajectory", 3, "dense1", "step3/param/dense1.W", (7, 10)),
]
VERSIONS = {"torch": "2.13.0", "tensorflow": "2.21.0"}


def discrepancy(rng: np.random.Generator, **values: Any) -> dict[str, Any]:
    """One matching row whose numbers hang together; `values` replace what a test is about."""
    epsilon = 2.0**-52 if values.get("dtype", "float64") == "float64" else 2.0**-23
    scale = float(10 ** rng.uniform(-3, 3))
    noise = epsilon * float(10 ** rng.uniform(-0.3, 2))
    needed = 0.0 if rng.random() < 0.1 else noise * float(10 ** rng.normal(-0.5, 0.5))
    reference_value = float(rng.normal()) * scale
    row = {
        "run": "r1",
        "suite": "layer",
        "case": "layer/dense/batch5",
        "phase": "forward",
        "step": 0,
        "layer": "dense1",
        "tensor": "forward/dense1",
        "subject": "scratch",
        "reference": "torch",
        "versions": "numpy 2.4.6, torch 2.13.0",
        "dtype": "float64",
        "shape": "(32, 10)",
        "size": 320,
        "scale": scale,
        "max_abs": needed * scale,
        "max_rel": needed * 3,
        "max_ulp": needed / epsilon,
        "rms_rel": needed / 4,
        "mismatched": 0,
        "worst_index": "(3, 1)",
        "subject_value": reference_value + needed * scale,
        "reference_value": reference_value,
        "noise": noise,
        "tolerance": 1000 * noise,
        "needed": needed,
        "scope": "propagated",
        "kinks": 0,
        "verdict": "match",
        "seconds": 1e-4,
    }
    return {**row, **values}


def _matching_rows(rng: np.random.Generator, copies: int) -> list[dict[str, Any]]:
    return [
        discrepancy(
            rng,
            suite=suite,
            case=case if copies == 1 else f"{case}/seed{copy}",
            phase=phase,
            step=step,
            layer=layer,
            tensor=tensor,
            shape=str(shape),
            size=math.prod(shape),
            reference=reference,
            dtype=dtype,
            scope=scope,
        )
        for copy in range(copies)
        for suite, case in CASES
        for reference in VERSIONS
        for dtype in ("float64", "float32")
        for scope in ("propagated", "local")
        for phase, step, layer, tensor, shape in TENSORS
    ]


def _break_batchnorm(rows: list[dict[str, Any]]) -> None:
    """Gamma's gradient is divided by m twice: wrong locally, inherited by the parameters of every later step."""
    for row in rows:
        if not row["case"].startswith("network/"):
            continue
        inherits = row["phase"] in ("step", "trajectory") and row["scope"] == "propagated"
        if row["tensor"] == "grad/batchnorm2.gamma" or inherits:
            scale, reference_value = row["scale"], row["reference_value"]
            row |= {"verdict": "mismatch", "needed": 0.96875, "max_abs": 0.96875 * scale, "mismatched": 10}
            row |= {"subject_value": reference_value / 32, "scope": row["scope"]}
            row["diagnosis"] = "" if inherits else "grad is exactly 1/32 of the reference: divided by m twice"


def _extra_failures(rng: np.random.Generator) -> list[dict[str, Any]]:
    nan, case = (
        float("nan"),
        "layer/lstm/very-long-case-name-with-every-option-spelled-out/batch1/length17/hidden23/seed5",
    )
    return [
        discrepancy(rng, case=case, tensor="", verdict="error", needed=nan, tolerance=nan, noise=nan, step=None,
                    worst_index="", subject_value=nan, reference_value=nan, phase="",
                    diagnosis="scratch raised ValueError: shapes (1,17,23) and (32,23) not aligned: 17 (dim 1) != 32 (dim 0)"),
        discrepancy(rng, case="layer/embedding/repeated", tensor="grad/embedding1.W|E", verdict="missing", needed=nan,
                    tolerance=nan, noise=nan, phase="gradient", diagnosis="scratch has no such tensor"),
        discrepancy(rng, case="layer/dense/<zeros>", tensor="grad/dense1.input", verdict="mismatch", needed=nan,
                    phase="gradient", diagnosis="scratch has NaN at 3 elements, torch none", subject_value=nan),
    ]  # fmt: skip


def _vacuous(rng: np.random.Generator, number: int) -> list[dict[str, Any]]:
    reasons = ["the reference is zero everywhere: nothing was tested",
               "ill-conditioned: 1000 x noise exceeds 1e-3 of the largest element"]  # fmt: skip
    return [
        discrepancy(rng, case="layer/relu/all-negative", tensor=f"grad/relu1.input{i}", phase="gradient",
                    verdict="vacuous", diagnosis=reasons[i % 3 == 0], needed=0.0, tolerance=0.0, noise=0.0)
        for i in range(number)
    ]  # fmt: skip


def _conventions() -> list[dict[str, Any]]:
    return [
        {"convention": "running-variance-unbiased", "title": "the running variance is updated with the unbiased batch variance",
         "implementation": "torch", "mapping": "multiply the batch variance by m / (m - 1)", "kind": "value", "cases": 3,
         "case": CASES[2][1], "tensor": "step1/buffer/batchnorm2.running_var", "difference": 3.2e-3},
        {"convention": "adam-epsilon-hat", "title": "epsilon is added before the bias correction",
         "implementation": "tensorflow", "mapping": "epsilon * sqrt(1 - beta2 ** t)", "kind": "value", "cases": 2,
         "case": CASES[4][1], "tensor": "step1/param/dense1.W", "difference": 4.4e-2},
        {"convention": "kernel-layout", "title": "kernels are HWIO, not OIHW", "implementation": "torch",
         "mapping": "transpose(3, 2, 0, 1)", "kind": "layout", "cases": 1, "difference": float("nan")},
    ]  # fmt: skip


def _curves(rng: np.random.Generator, steps: int) -> list[dict[str, Any]]:
    t = np.arange(1, steps + 1)
    loss = 2.3 * np.exp(-t / 40) + 0.05 + 0.05 * rng.normal(size=steps) * np.exp(-t / 60)
    accuracy = np.round(1 - 0.9 * np.exp(-t / 30), 2)
    values = {"loss": loss, "train_accuracy": accuracy}
    return [
        {"case": CASES[-1][1], "implementation": name, "quantity": quantity, "step": int(step),
         "value": float(value * (1 + (quantity == "loss") * drift * step))}
        for name, drift in (("scratch", 0.0), ("torch", 1e-15), ("tensorflow", 3e-15))
        for quantity, series in values.items()
        for step, value in zip(t, series, strict=True)
    ]  # fmt: skip


def build(green: bool = True, copies: int = 1, steps: int = 120, seed: int = 0) -> RunTables:
    """A run of 504 rows per copy; a red one has a broken batch norm and three odd failures."""
    rng = np.random.default_rng(seed)
    rows = _matching_rows(rng, copies) + _vacuous(rng, 7)
    if not green:
        _break_batchnorm(rows)
        rows += _extra_failures(rng)
    timings = [
        {"case": case, "implementation": name, "runs": runs, "seconds": seconds}
        for _, case in CASES
        for name, runs, seconds in (
            ("torch", 6, 0.9),
            ("scratch", 4, 0.5),
            ("comparison", 1, 0.1),
            ("tensorflow", 6, 2.5),
        )
    ]
    skipped = [{"case": "*", "implementation": "jax", "reason": "jax is not installed: pip install jax"},
               {"case": CASES[1][1], "implementation": "tensorflow", "reason": "no CPU kernel for dilation with stride"}]  # fmt: skip
    info = {"run": "r1", "started": "2026-01-02T03:04:05+00:00", "command": "backproof run --suite layer", "seed": seed,
            "dtypes": ["float64", "float32"], "frameworks": {"numpy": "2.4.6", **VERSIONS}, "python": "3.11.7",
            "platform": "Linux x86_64", "wall_seconds": 127.4, "peak_memory_mb": 812.0, "complete": True,
            "cases": len({row["case"] for row in rows}), "harness_ratio": 0.03}  # fmt: skip
    return RunTables(
        frame("discrepancies", rows),
        frame("conventions", _conventions()),
        frame("timings", timings),
        frame("skipped", skipped),
        frame("curves", _curves(rng, steps)),
        info,
    )


@pytest.fixture(scope="session")
def build_run() -> Callable[..., RunTables]:
    return build


@pytest.fixture(scope="session")
def green() -> RunTables:
    return build()


@pytest.fixture(scope="session")
def red() -> RunTables:
    return build(green=False)


@pytest.fixture
def empty() -> RunTables:
    return RunTables(frame("discrepancies", []))


@pytest.fixture
def make_row() -> Callable[..., dict[str, Any]]:
    rng = np.random.default_rng(0)
    return lambda **values: discrepancy(rng, **values)
