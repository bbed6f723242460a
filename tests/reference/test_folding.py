"""Batch norm folded into inference: against torch's own fusing, and against the twins of the network as it was."""

from __future__ import annotations

import numpy as np
import pytest

from comparisons.case import Case
from comparisons.plan import random_weights
from reference import FRAMEWORKS, missing, twin_class
from scratch import (
    Architecture,
    BatchNorm,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    MaxPool2D,
    Network,
    ReLU,
    Tanh,
    Weights,
    architecture,
    fold_batch_norm,
)

ROWS = architecture(
    Dense(5, 4, bias=False), BatchNorm(4, epsilon=1e-3), Tanh(), Dropout(0.8), Dense(4, 3), BatchNorm(3)
)
IMAGES = architecture(
    Conv2D(2, 3, 3, bias=False), BatchNorm(3), ReLU(), Conv2D(3, 4, 2, stride=2, groups=1), BatchNorm(4), MaxPool2D(2),
    Flatten(), Dense(4, 2),
)  # fmt: skip
SHAPES = {ROWS: (5,), IMAGES: (7, 6, 2)}


def drawn(arch: Architecture, dtype: str = "float64") -> tuple[np.ndarray, Weights]:
    rng = np.random.default_rng(3)
    weights = random_weights(Case("test", arch, (6,), SHAPES[arch]), rng).astype(dtype)
    return rng.standard_normal((6, *SHAPES[arch])).astype(dtype), weights


def last(outputs: dict[str, np.ndarray]) -> np.ndarray:
    return list(outputs.values())[-1]


@pytest.mark.parametrize("arch", [ROWS, IMAGES], ids=["rows", "images"])
@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-5)])
def test_the_folded_network_gives_what_the_frameworks_give_unfolded(
    arch: Architecture, framework: str, dtype: str, tolerance: float
) -> None:
    if reason := missing(framework):
        pytest.skip(reason)
    x, weights = drawn(arch, dtype)
    folded, own = fold_batch_norm(arch, weights)
    assert not any(isinstance(layer, BatchNorm) for _, layer in folded.layers)
    twin = twin_class(framework)(arch, dtype=dtype)
    twin.load(weights)
    found, wanted = last(Network(folded, own).forward(x)), last(twin.evaluate(x))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())


def test_weights_are_those_of_torchs_own_fusing() -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

    def tensor(a: np.ndarray) -> object:
        return torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(a)))

    def norm(kind: type, layer: BatchNorm, weights: Weights, name: str):
        stock = kind(layer.n, eps=layer.epsilon, dtype=torch.float64).eval()
        stock.weight, stock.bias = tensor(weights.params[name]["gamma"]), tensor(weights.params[name]["beta"])
        stock.running_mean, stock.running_var = (
            torch.from_numpy(weights.buffers[name][b]) for b in ("running_mean", "running_var")
        )
        return stock

    _, weights = drawn(ROWS)
    _, own = fold_batch_norm(ROWS, weights)
    linear = torch.nn.Linear(4, 3, dtype=torch.float64).eval()
    linear.weight, linear.bias = tensor(weights.params["dense2"]["W"].T), tensor(weights.params["dense2"]["b"])
    fused = fuse_linear_bn_eval(linear, norm(torch.nn.BatchNorm1d, BatchNorm(3), weights, "batchnorm2"))
    np.testing.assert_allclose(own.params["dense2"]["W"], fused.weight.detach().numpy().T, rtol=1e-14)
    np.testing.assert_allclose(own.params["dense2"]["b"], fused.bias.detach().numpy(), rtol=1e-13)

    _, weights = drawn(IMAGES)
    _, own = fold_batch_norm(IMAGES, weights)
    conv = torch.nn.Conv2d(2, 3, 3, bias=False, dtype=torch.float64).eval()
    conv.weight = tensor(weights.params["conv2d1"]["W"].transpose(3, 2, 0, 1))
    fused = fuse_conv_bn_eval(conv, norm(torch.nn.BatchNorm2d, BatchNorm(3), weights, "batchnorm1"))
    np.testing.assert_allclose(
        own.params["conv2d1"]["W"], fused.weight.detach().numpy().transpose(2, 3, 1, 0), rtol=1e-14
    )
    np.testing.assert_allclose(own.params["conv2d1"]["b"], fused.bias.detach().numpy(), rtol=1e-13)


def test_what_cannot_be_folded_stays_and_nothing_is_changed_in_place() -> None:
    arch = architecture(BatchNorm(5), Dense(5, 4), Tanh(), BatchNorm(4))
    weights = random_weights(Case("test", arch, (6,), (5,)), np.random.default_rng(0))
    folded, own = fold_batch_norm(arch, weights)
    assert folded == arch
    assert own.params.keys() == weights.params.keys()
    _, weights = drawn(ROWS)
    before = {name: a.copy() for name, a in weights.params["dense2"].items()}
    fold_batch_norm(ROWS, weights)
    assert "batchnorm1" in weights.params
    for name, a in before.items():
        np.testing.assert_array_equal(weights.params["dense2"][name], a)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"batchnorm1\.beta: missing"):
        fold_batch_norm(ROWS, Weights())
