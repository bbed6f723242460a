"""The course's pooling against the layers: the same, but for the gradient of equal elements, which its mask multiplies."""

from __future__ import annotations

import numpy as np
import pytest

from scratch import AveragePool2D, LayerState, MaxPool2D, course

RNG = np.random.default_rng(2)


@pytest.mark.parametrize(("f", "stride"), [(2, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize(("mode", "kind"), [("max", MaxPool2D), ("average", AveragePool2D)])
def test_pooling_is_that_of_the_layers(mode: str, kind: type, f: int, stride: int) -> None:
    x, layer, state = RNG.standard_normal((2, 7, 6, 3)), kind(f, stride), LayerState()
    wanted, own = layer.forward(x, state)
    A, cache = course.pool_forward(x, {"f": f, "stride": stride}, mode)
    np.testing.assert_allclose(A, wanted, rtol=1e-14)
    dA = RNG.standard_normal(A.shape)
    np.testing.assert_allclose(course.pool_backward(dA, cache, mode), layer.backward(dA, state, own)[0], atol=1e-14)


def test_the_mask_gives_every_equal_element_the_whole_gradient() -> None:
    x = np.array([[1.0, 3.0], [3.0, 2.0]]).reshape(1, 2, 2, 1)
    _, cache = course.pool_forward(x, {"f": 2, "stride": 2})
    np.testing.assert_array_equal(course.pool_backward(np.full((1, 1, 1, 1), 5.0), cache)[0, :, :, 0], [[0, 5], [5, 0]])
    y, own = MaxPool2D(2).forward(x, LayerState())
    first = MaxPool2D(2).backward(np.full_like(y, 5.0), LayerState(), own)[0]
    np.testing.assert_array_equal(first[0, :, :, 0], [[0, 5], [0, 0]])
    np.testing.assert_array_equal(course.create_mask_from_window(x[0, :, :, 0]), [[False, True], [True, False]])


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="mode 'median': known are max, average"):
        course.pool_forward(np.zeros((1, 2, 2, 1)), {"f": 2, "stride": 1}, "median")
