"""Conventions that change no number: what each implementation is found to do on the spot is what the registry says of it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from reference import CONVENTIONS, FRAMEWORKS, missing
from reference.demonstrations import IMPLEMENTATIONS, Shown, demonstrate, outcome, table

NAN, INF = math.nan, math.inf
SIGMOID_1 = 1 / (1 + math.exp(-1))
Wanted = Any


def about(value: float, relative: float = 1e-5) -> Callable[[Any], bool]:
    return lambda found: math.isclose(float(found), value, rel_tol=relative)


def between(low: float, high: float) -> Callable[[Any], bool]:
    return lambda found: low <= float(found) <= high


def anything(_: Any) -> bool:
    """For what depends on the machine."""
    return True


SOFTMAX_123 = np.exp([1.0, 2, 3]) / np.exp([1.0, 2, 3]).sum()
RATES = [1, 1 / 2, 1 / 3]
# In float32 an error of 1e-3 at mean 1e4 is an ulp of the mean.
LARGE_MEAN = {"largest error at mean 1e4, deviation 1, float32": between(1e-6, 1e-2)}
SCRATCH: Mapping[str, Mapping[str, Wanted]] = {
    "maxpool-nan": {"the maximum of (1, NaN, 3, 4)": NAN},
    "pool-ties": {"gradient of the maximum of (1, 1, 1, 1)": [1, 0, 0, 0]},
    "batchnorm-batch-of-one": {"output for one example, beta = 0": [0, 0]},
    "embedding-range": {"token -1": "ValueError"},
    "softmax-target-sum": {"gradient for targets that are all 0": [0, 0, 0]},
    "probability-clip": {"loss of a = 1e-300, y = 1": about(300 * math.log(10))},
    "initial-weights": {
        "deviation of W (400, 300), He": about(math.sqrt(2 / 400), 0.01),
        "furthest weight, in deviations": between(3, 6),
    },
    "empty-batch": {
        "shape out of Dense": (0, 3),
        "shape out of Conv2D": (0, 6, 6, 2),
        "shape out of LSTM": (0, 5, 3),
        "shape out of MaxPool2D": (0, 4, 4, 3),
    },
    "empty-batch-loss": {"squared error of nothing": NAN},
    "empty-batch-averages": {"running mean afterwards": [NAN, NAN]},
    "denormals": {"e^-100 in float32": about(3.783506e-44)},
    "unbatched-input": {"Dense on (4,)": "ValueError"},
    "integer-input": {"dtype out of Dense": "float64"},
    "mixed-dtypes": {"float32 / 0.1": "float32", "float32 / np.sqrt(5)": "float64"},
    "dropout-nan": {"a NaN that is dropped": NAN},
    "softmax-overflow": {"softmax of (1000, 0)": [1, 0], "t / sum t with t = e^z": [NAN, 0]},
    "probability-range": {"loss of a = 1.5, y = 0": NAN},
    "correlation": {"(1, 2, 4) with the kernel (1, 10)": [21, 42], "numpy.convolve": [12, 24]},
    "large-mean": LARGE_MEAN,
    "deviation-degrees": {"numpy.std of (1, 3)": 1},
    "depthwise-fan": {"inputs of a 3 x 3 kernel, 8 channels, depthwise": 9},
    "course-gradient-scale": {"the course's dA / dJ/dA, m = 7": about(7), "the course's dW / dJ/dW": about(1)},
    "momentum-dampening": {"first step for g = 1, alpha = 1, beta = 0.9": about(-0.1)},
    "average-start": {"average of (1, 0), beta 0.9": [0.1, 0.09], "corrected": [1, 0.09 / 0.19]},
    "decay-start": {"rate at t = 1, k = 1": 1, "at t = 0": "ValueError"},
    "gradient-check-step": {"largest error with 1e-05": between(0, 1e-9), "largest error with 1e-07": between(1e-10, 1e-6)},
}  # fmt: skip
TORCH: Mapping[str, Mapping[str, Wanted]] = {
    "dense-layout": {"weight of Linear(4, 3)": (3, 4), "bias of Linear(4, 3)": (3,)},
    "conv-layout": {
        "weight of Conv2d(3, 5, (2, 4))": (5, 3, 2, 4),
        "images (1, 8, 9, 3) as they are": "RuntimeError",
    },
    "depthwise-layout": {"weight of Conv2d(4, 8, 3, groups=4)": (8, 1, 3, 3)},
    "conv-stride-dilation": {"stride 2 with dilation 2": "taken"},
    "pool-ties": {"gradient of the maximum of (1, 1, 1, 1)": [1, 0, 0, 0]},
    "channels-axis": {"BatchNorm2d(3) on (2, 3, 4, 4)": "taken", "on (2, 4, 4, 3)": "RuntimeError"},
    "lrn-radius": {"channels that feel the middle one of 13, size 5": 5},
    "lrn-float32": {"dtype for a float64 tensor": "torch.float64"},
    "conv-transpose-layout": {"weight of ConvTranspose2d(3, 5, (2, 4))": (3, 5, 2, 4)},
    "conv-transpose-tail": {"4 elements, kernel 2, stride 3": (4 - 1) * 3 + 2},
    "batchnorm-batch-of-one": {"one example in training mode": "ValueError", "one image of 2 x 2 pixels": "taken"},
    "dropout-mask": {"kept of 8, seed 0": anything, "first normal number, seed 0": anything},
    "leaky-relu-float32-slope": {"slope 0.1 in float64, error": 0},
    "initial-weights": {
        "largest weight of Linear(400, 300)": between(0.95 / 20, 1 / 20),
        "largest bias": between(0.95 / 20, 1 / 20),
        "largest weight of LSTM(9, 100)": between(0.95 / 10, 1 / 10),
        "deviation of Embedding(900, 50)": about(1, 0.02),
    },
    "training-mode": {"a new BatchNorm1d trains": True},
    "keras-dtype": {"float64 into a float32 Linear": "RuntimeError"},
    "bias-before-batchnorm": {"largest gradient of the bias": between(0, 1e-2), "of the weights": between(0.1, INF)},
    "relu-at-zero": {
        "slope at 0 of relu": 0,
        "of maximum(x, 0)": 0.5,
        "of clamp(min=0)": 1,
        "of leaky_relu with 0.25": 0.25,
    },
    "softmax-axis": {"axis of (2, 3, 4) that sums to 1": 0},
    "maxpool-nan": {"the maximum of (1, NaN, 3, 4)": NAN},
    "class-labels": {
        "loss of (1, 2, 3), class 2 as an index": about(-math.log(SOFTMAX_123[2])),
        "as (0, 0, 1)": about(-math.log(SOFTMAX_123[2])),
        "an int32 index": "RuntimeError",
    },
    "loss-broadcast": {"MSELoss of a perfect (2, 1) against (2,)": 0.5, "BCELoss of it": "ValueError"},
    "attention-arguments": {"order": "query, key, value"},
    "embedding-range": {"token -1": "IndexError"},
    "probability-clip": {"loss of a = 1e-300, y = 1": 100, "loss of a = 0, y = 1": 100},
    "hidden-logits": {"loss of sigmoid(40), y = 0, float32": 100, "from the logit": about(40)},
    "softmax-target-sum": {"gradient for targets that are all 0": [0, 0, 0]},
    "hinge-worst": {"3 MultiMarginLoss of (1, 0.5, 0.75), class 0": about(0.5 + 0.75)},
    "recurrent-layout": {
        "weights of LSTM(3, 5)": [(20, 3), (20, 5)],
        "output for (7, 2, 3)": (7, 2, 5),
        "batch_first": False,
    },
    "recurrent-two-biases": {"biases": 2, "with the same gradient": True},
    "gru-reset-before": {
        "new state with r = z = 1/2, b_hn = 1": about(math.tanh(0.5) / 2),
        "tanh(1/2)/2: the reset comes after": about(math.tanh(0.5) / 2),
    },
    "recurrent-activation": {"input gate at 1": about(SIGMOID_1)},
    "embedding-tokens": {"tokens as floats": "RuntimeError", "tokens that require a gradient": "RuntimeError"},
    "embedding-sparse-gradient": {"gradient for the tokens (1, 1, 0)": [1, 2, 0]},
    "attention-layout": {"in_proj_weight of MultiheadAttention(6, 2)": (18, 6), "out_proj.weight": (6, 6)},
    "empty-batch": {
        "shape out of Linear": (0, 3),
        "out of Conv2d": (0, 2, 6, 6),
        "out of LSTM": (0, 5, 3),
        "out of MaxPool2d": (0, 3, 4, 4),
    },
    "empty-batch-loss": {"squared error of nothing": NAN, "gradient of a weight": 0},
    "empty-batch-averages": {"running mean afterwards": [0, 0]},
    "denormals": {"e^-100 in float32": about(3.783506e-44)},
    "sequence-padding": {
        "output of a padded step": 0,
        "real steps as without padding": True,
        "h_n is the last real step's": True,
    },
    "unbatched-input": {"Linear(4, 3) on (4,)": (3,), "Conv2d(3, 2, 3) on (3, 8, 8)": (2, 6, 6)},
    "integer-input": {"int64 into Linear": "RuntimeError"},
    "dropout-nan": {"NaN left of 100, half of them dropped": 100},
    "softmax-overflow": {"softmax of (1000, 0)": [1, 0]},
    "probability-range": {"loss of a = 1.5, y = 0": "RuntimeError"},
    "attention-mask": {
        "scaled_dot_product_attention of the values (1, 3), mask (True, False)": 1,
        "MultiheadAttention of the same": 3,
    },
    "batchnorm-names": {"names": "weight, bias, running_mean, running_var, num_batches_tracked"},
    "depthwise-fan": {"inputs of a 3 x 3 kernel, 8 channels, depthwise": 9},
    "large-mean": LARGE_MEAN,
    "deviation-degrees": {"torch.std of (1, 3)": about(math.sqrt(2)), "of one number": NAN},
    "gradient-accumulation": {"gradient of 2 w after two backward passes": 4},
    "weight-decay-meaning": {
        "Adam on w = 4, g = 0, decay 0.5, rate 0.1": about(4 - 0.1),
        "AdamW on w = 4, g = 0, decay 0.5, rate 0.1": about(4 * (1 - 0.1 * 0.5)),
    },
    "clip-not-finite": {"(1, inf) clipped to the norm 1": [0, NAN]},
    "compiled-step-count": {
        "dtype of Adam's step count": "torch.float32",
        "1 - 0.999^1 computed with it, relative error": between(1e-6, 1e-4),
    },
    "schedule-count": {"rates of 1/(1 + t)": RATES},
    "optimizer-state-names": {
        "SGD(momentum)": "momentum_buffer",
        "RMSprop": "step, square_avg",
        "Adam": "step, exp_avg, exp_avg_sq",
    },
    "penalty-in-loss": {"loss with weight_decay 0.5, w = 2, data term 0": 0, "w after a step": about(2 - 0.5 * 2)},
    "default-dtype": {
        "of [0.5]": "torch.float32",
        "tensor(float64 array)": "torch.float64",
        "Tensor(float64 array)": "torch.float32",
    },
    "mixed-dtypes": {"float32 times np.float64": "torch.float32", "times a float64 tensor": "torch.float64"},
    "float32-rounding": {
        "a float32 product, largest error": between(1e-9, 1e-5),
        "share of its elements that are NumPy's bit for bit": anything,
        "a row alone against the same in 64": anything,
    },
    "tensor-float-32": {"precision of products": "highest", "allowed in cuDNN": True},
    "course-gradient-scale": {"(A - Y) / dJ/dz, m = 7": about(7)},
    "momentum-dampening": {
        "first step for g = 1, rate 1, momentum 0.9, dampening 0.9": -1,
        "after the second": about(-1 - (0.9 + 0.1)),
    },
    "default-rate": {"SGD": 0.001, "RMSprop": 0.01, "Adagrad": 0.01, "Adam": 0.001},
    "rate-type": {"a rate of 1": "taken"},
    "missing-gradient": {
        "moved by a step of Adam with g = None after g = 1": 0,
        "with g = 0": about(-(0.9 * 0.1 / 0.19) / math.sqrt(0.999 * 0.001 / 0.001999), 1e-3),
    },
    "average-start": {"average of (1, 0), decay 0.9": [1, 0.9]},
    "decay-start": {"LambdaLR with 1/sqrt(t)": "ZeroDivisionError"},
    "batching": {"sizes of 3 examples": [1, 1, 1], "of 3 in twos": [2, 1]},
    "gradient-check-step": {
        "eps of gradcheck": 1e-6,
        "tanh in torch.float64": "taken",
        "tanh in torch.float32": "GradcheckError",
    },
}
TENSORFLOW: Mapping[str, Mapping[str, Wanted]] = {
    "dense-layout": {"kernel of Dense(3) on 4": (4, 3), "bias of Dense(3) on 4": (3,)},
    "conv-layout": {"kernel of Conv2D(5, (2, 4)) on 3 channels": (2, 4, 3, 5)},
    "depthwise-layout": {"kernel of DepthwiseConv2D(3, depth_multiplier=2) on 4 channels": (3, 3, 4, 2)},
    "conv-stride-dilation": {"stride 2 with dilation 2": "ValueError"},
    "pool-ties": {"gradient of the maximum of (1, 1, 1, 1)": [1, 0, 0, 0]},
    "channels-axis": {"averages of BatchNormalization on (2, 4, 4, 3)": (3,)},
    "lrn-radius": {
        "channels that feel the middle one of 13, depth_radius left out": 11,
        "channels that feel the middle one of 13, depth_radius 2": 5,
    },
    "lrn-float32": {"a float64 tensor": "InvalidArgumentError", "dtype for a float64 array": "float32"},
    "conv-transpose-layout": {"kernel of Conv2DTranspose(5, (2, 4)) on 3 channels": (2, 4, 5, 3)},
    "conv-transpose-tail": {"4 elements, kernel 2, stride 3": 4 * 3},
    "batchnorm-batch-of-one": {"output for one example, beta = 0": [0, 0]},
    "dropout-mask": {"kept of 8, seed 0": anything, "first normal number, seed 0": anything},
    "leaky-relu-float32-slope": {"slope 0.1 in float64, error": about(float(np.float32(0.1)) - 0.1)},
    "initial-weights": {
        "largest weight of Dense(300) on 400": between(0.95 * math.sqrt(6 / 700), math.sqrt(6 / 700)),
        "largest bias": 0,
        "biases of LSTM(2): gates i, f, c, o": [0, 0, 1, 1, 0, 0, 0, 0],
        "deviation of he_normal (400, 300)": about(math.sqrt(2 / 400), 0.01),
        "furthest weight, in deviations": between(2, 2 / 0.8796 * 1.01),
    },
    "training-mode": {"Dropout(0.5) drops, if not told its mode": False},
    "keras-dtype": {"dtype out of Dense, of float64": "float32", "of a loss": "float32"},
    "bias-before-batchnorm": {"largest gradient of the bias": between(0, 1e-2), "of the weights": between(0.1, INF)},
    "relu-at-zero": {"slope at 0 of relu": 0, "of maximum(x, 0)": 1, "of LeakyReLU with 0.25": 0.25},
    "softmax-axis": {"axis of (2, 3, 4) that sums to 1": 2},
    "maxpool-nan": {
        "the maximum of (1, NaN, 3, 4)": 4,
        "the maximum of nothing but NaN": about(-float(np.finfo("float32").max)),
    },
    "class-labels": {
        "loss of (1, 2, 3), class 2 as an index": about(-math.log(SOFTMAX_123[2])),
        "as (0, 0, 1)": about(-math.log(SOFTMAX_123[2])),
    },
    "loss-broadcast": {"MeanSquaredError of a perfect (2, 1) against (2,)": 0},
    "attention-arguments": {"order": "query, value, key"},
    "embedding-range": {"row of token -1, of 3": 2, "token 3": "InvalidArgumentError"},
    "probability-clip": {"loss of a = 1e-300, y = 1": about(-math.log(1e-7)), "gradient": 0},
    "hidden-logits": {"loss of sigmoid(40), y = 0, float32": about(40), "of the same number": between(15.9, 15.95)},
    "softmax-target-sum": {"loss for targets that are all 0": 0, "gradient": SOFTMAX_123},
    "hinge-worst": {"CategoricalHinge of (1, 0.5, 0.75), class 0": about(0.75)},
    "recurrent-layout": {"weights of LSTM(5) on 3": [(3, 20), (5, 20)], "output for (2, 7, 3)": (2, 5)},
    "recurrent-two-biases": {"biases of SimpleRNN(3)": 1, "shape of GRU(3)'s": (2, 9)},
    "gru-reset-before": {
        "reset_after of GRU(1)": True,
        "bias of GRU(2, reset_after=False)": (6,),
        "with the same weights the two differ by": between(1e-3, 1),
    },
    "recurrent-activation": {
        "of LSTM's gates": "sigmoid",
        "sigmoid(1)": about(SIGMOID_1),
        "hard sigmoid(1)": about(2 / 3),
    },
    "embedding-tokens": {"tokens as floats": "taken", "gradient with respect to them": "None"},
    "embedding-sparse-gradient": {
        "gradient for the tokens (1, 1, 0)": "IndexedSlices",
        "its rows": 3,
        "added up": [1, 2, 0],
    },
    "attention-layout": {
        "query's kernel of MultiHeadAttention(2, 3) on 6": (6, 2, 3),
        "the output's": (2, 3, 6),
    },
    "empty-batch": {
        "shape out of Dense": (0, 3),
        "out of MaxPooling2D": (0, 4, 4, 3),
        "Conv2D": anything,
        "LSTM": "InvalidArgumentError",
    },
    "empty-batch-loss": {"squared error of (0, 4)": [], "squared error of (0, 2, 4)": 0, "gradient of a weight": 0},
    "empty-batch-averages": {"moving mean afterwards": [NAN, NAN]},
    "denormals": {"e^-100 in float32": 0},
    "sequence-padding": {"a padded step repeats the last real one": True, "real steps as without padding": True},
    "unbatched-input": {"Dense(3) on (4,)": "ValueError", "Conv2D(2, 3) on (8, 8, 3)": "ValueError"},
    "integer-input": {"dtype out of Dense, of int64": "float32", "bytes into Conv2D": "ValueError"},
    "dropout-nan": {"NaN left of 100, half of them dropped": between(20, 80)},
    "softmax-overflow": {"softmax of (1000, 0)": [1, 0]},
    "probability-range": {"loss of a = 1.5, y = 0": between(15.9, 15.95), "of y = 1": between(0, 1e-6)},
    "attention-mask": {"MultiHeadAttention of the values (1, 3), mask (True, False)": 1},
    "batchnorm-names": {"names": "gamma, beta, moving_mean, moving_variance"},
    "depthwise-fan": {
        "inputs of a 3 x 3 kernel, 512 channels, as he_normal's deviation tells them": about(9 * 512, 0.1)
    },
    "large-mean": LARGE_MEAN,
    "deviation-degrees": {"reduce_std of (1, 3)": 1},
    "raw-float64": {
        "dtypes of max_pool2d of a float64 array, thrice more": lambda found: str(found).endswith("float32, float32"),
        "of a tensor": "float64",
    },
    "channels-first-float64": {
        "Conv2D(data_format='channels_first') in float32": anything,
        "Conv2D(data_format='channels_first') in float64": "UnimplementedError",
    },
    "gradient-accumulation": {"gradient of 2 w after two backward passes": 2},
    "weight-decay-meaning": {"Adam on w = 4, g = 0, decay 0.5, rate 0.1": about(4 * (1 - 0.1 * 0.5))},
    "clip-not-finite": {"(1, inf) clipped to the global norm 1": [NAN, NAN], "to the norm 1": [0, NAN]},
    "schedule-count": {"rates of 1/(1 + t)": RATES},
    "optimizer-state-names": {"SGD": "momentum", "RMSprop": "velocity", "Adam": "momentum, velocity"},
    "penalty-in-loss": {"a loss that is called, w = 1, l2 = 0.5": 1, "evaluate()": about(1 + 0.5)},
    "default-dtype": {
        "of [0.5]": "float32",
        "constant(float64 array)": "float64",
        "a Keras layer of it": "float32",
    },
    "mixed-dtypes": {"float32 times np.float64": "float32", "times a float64 tensor": "InvalidArgumentError"},
    "float32-rounding": {
        "a float32 product, largest error": between(1e-9, 1e-5),
        "share of its elements that are NumPy's bit for bit": anything,
        "a row alone against the same in 64": anything,
    },
    "tensor-float-32": {"allowed": True},
    "course-gradient-scale": {"(A - Y) / dJ/dz, m = 7": about(7)},
    "momentum-dampening": {"dampening in SGD": False, "first step for g = 1, rate 1, momentum 0.9": -1},
    "default-rate": {"SGD": 0.01, "RMSprop": 0.001, "Adagrad": 0.001, "Adam": 0.001},
    "rate-type": {"a rate of 1": "ValueError"},
    "missing-gradient": {
        "all None": "ValueError",
        "moved by None beside a gradient of 1": 0,
        "moved by a step of Adam with g = 0 after g = 1": TORCH["missing-gradient"]["with g = 0"],
    },
    "average-start": {"average of (1, 0), momentum 0.9": [1, 0.9]},
    "decay-start": {"rate of 1/sqrt(t) at the first update": INF},
    "batching": {"sizes of 40 examples": [32, 8], "shuffled": True},
    # The first batch with w = 0, the second with w = 0.1 * 2 * 1; afterwards one more step has been made.
    "epoch-loss": {
        "of fit, two batches": about((8 * 1 + 2 * 2.8**2) / 10),
        "of evaluate afterwards": between(0.5, 1.5),
    },
    "accuracy-threshold": {"BinaryAccuracy of 0.5 for a yes": 0, "of the logit 0.3, a probability of 0.57": 0},
    "gradient-check-step": {
        "error of the quotients of tanh in float64": between(1e-9, 1e-6),
        "error of the quotients of tanh in float32": between(1e-7, 1e-3),
    },
}
EXPECTED = {"scratch": SCRATCH, "torch": TORCH, "tensorflow": TENSORFLOW}


def skip_without(implementation: str) -> None:
    if implementation != "scratch" and (reason := missing(implementation)):
        pytest.skip(reason)


@pytest.mark.parametrize(("implementation", "convention"), [(i, c) for i in EXPECTED for c in EXPECTED[i]])
def test_what_is_found_is_what_the_registry_says(implementation: str, convention: str) -> None:
    skip_without(implementation)
    found, wanted = demonstrate(convention, implementation), EXPECTED[implementation][convention]
    assert [one.what for one in found] == list(wanted)
    for one in found:
        expected = wanted[one.what]
        assert one.implementation == implementation
        if callable(expected):
            assert expected(one.found), one.spell()
        elif isinstance(expected, str):
            assert str(one.found) == expected
        else:
            np.testing.assert_allclose(np.asarray(one.found), expected, rtol=1e-6, err_msg=one.what)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_every_demonstration_is_of_a_convention_and_has_an_expectation(implementation: str) -> None:
    skip_without(implementation)
    assert table(implementation).keys() == EXPECTED[implementation].keys()
    assert table(implementation).keys() <= CONVENTIONS.keys()


def test_every_convention_that_changes_no_number_is_shown() -> None:
    shown = {convention for name in FRAMEWORKS for convention in EXPECTED[name]}
    alike = {"correlation"}  # the frameworks do as scratch, in every case of a convolution
    assert {c.id for c in CONVENTIONS.values() if c.kind != "value"} - shown == alike
    assert alike <= SCRATCH.keys()


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_nothing_is_left_behind(implementation: str) -> None:
    skip_without(implementation)
    random.seed(5)
    wanted = random.random()
    random.seed(5)
    demonstrate("initial-weights", implementation)
    demonstrate("dropout-nan", implementation)
    assert random.random() == wanted


def test_torchs_random_stream_is_not_moved() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    for convention in ("initial-weights", "dropout-nan", "dropout-mask", "attention-mask", "average-start"):
        demonstrate(convention, "torch")
    assert torch.equal(torch.rand(1), wanted)


def test_findings_are_told_in_a_line() -> None:
    spelt = (
        (NAN, "nan"),
        (1.0, "1"),
        (0.12345678, "0.123457"),
        (True, "yes"),
        ("taken", "taken"),
        ((1, (2.5, NAN)), "(1, (2.5, nan))"),
        (np.array([1.0, 0.1]), "(1, 0.1)"),
    )
    for found, text in spelt:
        assert Shown("scratch", "it", found).spell() == f"it: {text}"
    assert outcome(lambda: 1) == "taken"
    assert outcome(lambda: 1 / 0) == "ZeroDivisionError"
    assert demonstrate("no-such-thing", "scratch") == []
