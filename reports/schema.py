"""The tables a run produces: their columns, what each column means, and the version of that promise.

`reports` sees tables, never models: everything a report shows is in the frames described here, so a run can be
written to disk, read back on a machine without any framework, and rendered again.
"""

from __future__ import annotations

SCHEMA_VERSION = 1

PHASES = ("forward", "loss", "gradient", "step", "buffer", "trajectory")
VERDICTS = ("match", "mismatch", "missing", "vacuous", "error")
FAILING = ("mismatch", "missing", "error")
"""The verdicts that turn a run red. `vacuous` does not: it says that nothing was tested, and why."""

DISCREPANCIES: dict[str, tuple[str, str]] = {
    "run": ("string", "identifier of the run"),
    "case": ("string", "identifier of the case, e.g. `layer/dense/batch5`"),
    "suite": ("string", "the group the case belongs to: layer, loss, optimizer, network, training"),
    "phase": ("string", "forward | loss | gradient | step | buffer | trajectory"),
    "step": ("Int64", "optimizer step (1-based) the tensor was recorded after; 0 before the first step"),
    "layer": ("string", "name of the layer, e.g. `dense1`; empty for what belongs to no layer"),
    "tensor": ("string", "name of the tensor in the trace, e.g. `grad/dense1.W`"),
    "subject": ("string", "the implementation being judged"),
    "reference": ("string", "the implementation it is judged against"),
    "versions": ("string", "versions of subject and reference, e.g. `numpy 2.4.6, torch 2.13.0`"),
    "dtype": ("string", "float64 or float32: the precision in which the verdict was reached"),
    "shape": ("string", "shape of the tensor, e.g. `(32, 10)`"),
    "size": ("Int64", "number of elements"),
    "scale": ("float64", "largest |reference| element; the unit of noise, tolerance and needed (1 where it is 0)"),
    "max_abs": ("float64", "largest |subject - reference|"),
    "max_rel": ("float64", "largest |subject - reference| / |reference|, elementwise, where reference is not 0"),
    "max_ulp": ("float64", "largest |subject - reference| in units in the last place of the reference element"),
    "rms_rel": ("float64", "root mean square of the difference / root mean square of the reference"),
    "mismatched": ("Int64", "number of elements beyond the tolerance"),
    "worst_index": ("string", "index of the element with the largest difference, e.g. `(3, 1)`"),
    "subject_value": ("float64", "the subject's value there"),
    "reference_value": ("float64", "the reference's value there"),
    "noise": ("float64", "measured rounding noise of this tensor, relative to scale"),
    "tolerance": ("float64", "1000 x noise, relative to scale, or the floor's if that is larger"),
    "floor": ("string", "the convention whose float32 constant inside the framework sets the tolerance; mostly empty"),
    "needed": ("float64", "the tolerance that would have passed: max_abs / scale"),
    "scope": ("string", "propagated: with the subject's own upstream values; local: with the reference's"),
    "kinks": ("Int64", "elements left out because they sit at a kink within their own noise"),
    "verdict": ("string", "match | mismatch | missing | vacuous | error"),
    "convention": ("string", "conventions mapped for this tensor's case, separated by spaces"),
    "diagnosis": ("string", "the named cause of a verdict other than match, or the reason it is vacuous"),
    "seconds": ("float64", "time spent comparing this tensor"),
}

CONVENTIONS: dict[str, tuple[str, str]] = {
    "convention": ("string", "identifier in the registry, e.g. `adam-epsilon-hat`"),
    "title": ("string", "what differs, in one line"),
    "implementation": ("string", "the implementation whose stock part differs"),
    "mapping": ("string", "how the twin makes the two equal"),
    "kind": ("string", "value | layout | unsupported | mode"),
    "cases": ("Int64", "number of cases of this run in which the mapping was applied"),
    "case": ("string", "the case in which ignoring it would cost most"),
    "tensor": ("string", "the tensor in which it would cost most"),
    "difference": (
        "float64",
        "that cost in this run: max |difference| / scale without the mapping (NaN: not measurable)",
    ),
}

TIMINGS: dict[str, tuple[str, str]] = {
    "case": ("string", "identifier of the case"),
    "implementation": ("string", "scratch, torch, tensorflow, or `comparison` for the harness's own time"),
    "runs": ("Int64", "how many times the case was run (precisions, perturbations, unmapped)"),
    "seconds": ("float64", "wall time of those runs together"),
}

SKIPPED: dict[str, tuple[str, str]] = {
    "case": ("string", "identifier of the case, or * for all"),
    "implementation": ("string", "the implementation left out"),
    "reason": ("string", "why, and the way out"),
}

CURVES: dict[str, tuple[str, str]] = {
    "case": ("string", "identifier of the training case"),
    "implementation": ("string", "scratch, torch or tensorflow"),
    "quantity": ("string", "loss, train_accuracy or test_accuracy"),
    "step": ("Int64", "optimizer step (1-based)"),
    "value": ("float64", "the value after that step"),
}

TABLES = {
    "discrepancies": DISCREPANCIES,
    "conventions": CONVENTIONS,
    "timings": TIMINGS,
    "skipped": SKIPPED,
    "curves": CURVES,
}
