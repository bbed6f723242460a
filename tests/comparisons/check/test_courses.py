"""Files in the style of the two famous courses: right as they are, and with one realistic mistake each."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from comparisons.check.judging import CheckResult, check
from comparisons.check.report import verdict
from reports.schema import FAILING

SAMPLES = Path(__file__).parent / "samples"
RIGHT = {
    "course_deep": {
        "linear_forward",
        "linear_activation_forward, relu",
        "linear_activation_forward, sigmoid",
        "L_model_backward",
        "compute_cost",
        "update_parameters",
    },
    "course_planar": {"backward_propagation", "update_parameters"},
    "course_logistic": {"propagate"},
    "course_scores_and_softmax": {"back_prop", "softmax"},
    "course_l2_and_dropout": {"backward_propagation", "backward_propagation with dropout"},
    "course_regularisation": {"backward_propagation_with_regularization", "backward_propagation_with_dropout"},
    "course_optimisation": {
        "update_parameters_with_gd",
        "update_parameters_with_momentum",
        "update_parameters_with_adam",
    },
    "course_convolution": {"conv_single_step", "conv_forward", "pool_forward", "pool_forward, average"},
    "course_rnn": {"rnn_cell_forward", "rnn_forward", "lstm_cell_forward", "lstm_forward"},
    "course_softmax": {"backward_propagation", "linear_forward", "update_parameters"},
    "cs231n_layers": {
        "affine_forward",
        "affine_relu_forward",
        "relu_forward",
        "batchnorm_forward",
        "batchnorm_backward_alt",
        "layernorm_forward",
        "dropout_forward",
        "conv_forward_naive",
        "max_pool_forward_naive",
        "spatial_batchnorm_forward",
        "spatial_groupnorm_forward",
        "softmax_loss",
        "svm_loss",
        "softmax_loss_naive",
        "svm_loss_vectorized",
        "sgd",
        "sgd_momentum",
        "rmsprop",
        "adam",
    },
    "cs231n_rnn_layers": {
        "rnn_step_forward",
        "rnn_forward",
        "lstm_step_forward",
        "lstm_forward",
        "word_embedding_forward",
        "temporal_affine_forward",
        "temporal_softmax_loss",
    },
    "cs231n_neural_net": {"TwoLayerNet"},
    # Its group norm brings names that nothing here has: what uses them is not compared.
    "cs231n_layer_utils": {"affine_bn_relu_forward", "conv_bn_relu_forward"},
    "cs231n_fc_net": {
        "TwoLayerNet",
        "FullyConnectedNet",
        "FullyConnectedNet, batch norm",
        "FullyConnectedNet, dropout",
    },
}
"""Sample files with the units that are to be found in them."""

MISTAKES = {
    "ReLU by its upstream gradient, with the softmax outside": (
        "course_scores_and_softmax",
        "l1[z1 < 0] = 0",
        "l1[l1 < 0] = 0",
        "back_prop",
        "grad/dense1.W",
        "where the upstream gradient is positive",
    ),
    "gradients of gamma and beta swapped in a chain": (
        "cs231n_layer_utils",
        "da, dgamma, dbeta = spatial",
        "da, dbeta, dgamma = spatial",
        "conv_bn_relu_forward",
        "grad/batchnorm1.gamma",
        "the normalised input is not multiplied in",
    ),
    "mask not applied where dropout is an option": (
        "course_l2_and_dropout",
        'dZ2)*cache["D1"]/keep_prob',
        "dZ2)/keep_prob",
        "backward_propagation with dropout",
        "grad/dropout1.input",
        "the mask is not applied",
    ),
    "penalty twice where dropout is an option": (
        "course_l2_and_dropout",
        'lambd*cache["W2"]/m',
        '2*lambd*cache["W2"]/m',
        "backward_propagation",
        "grad/dense2.W",
        "",
    ),
    "1/m missing in dW": (
        "course_deep",
        "dW = np.dot(dZ, A_prev.T) / m",
        "dW = np.dot(dZ, A_prev.T)",
        "linear_forward",
        "grad/dense1.W",
        "the 1/m is missing",
    ),
    "keepdims left out": (
        "course_deep",
        "db = np.sum(dZ, axis=1, keepdims=True) / m\n    dA_prev = np.dot(W.T, dZ)\n    assert (dA_prev.shape == A_prev.shape)\n"
        "    assert (dW.shape == W.shape)\n    assert (db.shape == b.shape)\n",
        "db = np.sum(dZ, axis=1) / m\n    dA_prev = np.dot(W.T, dZ)\n",
        "linear_forward",
        "grad/dense1.b",
        "keepdims=True is missing",
    ),
    "1/m twice in db": (
        "course_deep",
        "db = np.sum(dZ, axis=1, keepdims=True) / m",
        "db = np.sum(dZ, axis=1, keepdims=True) / m / m",
        "linear_forward",
        "grad/dense1.b",
        "divided by m once too often",
    ),
    "dAL with a plus": (
        "course_deep",
        "np.divide(Y, AL) - np.divide(1 - Y, 1 - AL)",
        "np.divide(Y, AL) + np.divide(1 - Y, 1 - AL)",
        "L_model_backward",
        "grad/sigmoid1.input",
        "",
    ),
    "tanh's square misplaced": (
        "course_planar",
        "(1 - np.power(A1, 2))",
        "np.power(1 - A1, 2)",
        "backward_propagation",
        "grad/tanh1.input",
        "(1 - a)^2 is used for 1 - a^2",
    ),
    "update uphill": (
        "course_planar",
        "b2 = b2 - learning_rate * db2",
        "b2 = b2 + learning_rate * db2",
        "update_parameters",
        "step1/param/dense2.b",
        "the step goes uphill",
    ),
    "Y - A": ("course_logistic", "(A - Y).T", "(Y - A).T", "propagate", "grad/dense1.W", "the sign is flipped"),
    "half of the penalty's gradient": (
        "course_regularisation",
        "+ lambd / m * W2",
        "+ lambd / (2 * m) * W2",
        "backward_propagation_with_regularization",
        "grad/dense2.W",
        "L2 is added as lambda/(2m) W",
    ),
    "mask forgotten going back": (
        "course_regularisation",
        "    dA1 = dA1 * D1\n",
        "",
        "backward_propagation_with_dropout",
        "grad/dropout1.input",
        "mask",
    ),
    "no bias correction": (
        "course_optimisation",
        "/ (1 - np.power(beta1, t))",
        "",
        "update_parameters_with_adam",
        "step1/param/dense1.W",
        "without bias correction of the first moment",
    ),
    "padding cut off at the wrong end": (
        "course_convolution",
        "da_prev_pad[pad:-pad, pad:-pad, :]",
        "da_prev_pad[:-2 * pad, :-2 * pad, :]",
        "conv_forward",
        "grad/conv2d1.input",
        "shifted by the padding",
    ),
    "average over a row only": (
        "course_convolution",
        "average = dz / (n_H * n_W)",
        "average = dz / n_H",
        "pool_forward, average",
        "grad/averagepool2d1.input",
        "height alone",
    ),
    "the cell's gradient not forgotten": (
        "course_rnn",
        "dc_prev = dc_next * ft + ",
        "dc_prev = dc_next + ",
        "lstm_cell_forward",
        "grad/lstmcell1.input",
        "",
    ),
    "bias summed over everything": (
        "cs231n_layers",
        "db = np.sum(dout, axis=0)\n    return dx, dw, db",
        "db = np.sum(dout)\n    return dx, dw, db",
        "affine_forward",
        "grad/dense1.b",
        "shape ()",
    ),
    "path through the mean": (
        "cs231n_layers",
        "dmu = -1 * np.sum(dxmu1 + dxmu2, axis=0)",
        "dmu = np.sum(dxmu1 + dxmu2, axis=0)",
        "batchnorm_forward",
        "grad/batchnorm1.input",
        "the path through the mean",
    ),
    "no mask": (
        "cs231n_layers",
        "dx = dout * mask",
        "dx = dout",
        "dropout_forward",
        "grad/dropout1.input",
        "neither mask nor scale",
    ),
    "stride ignored": (
        "cs231n_layers",
        "hs, ws = i * stride, j * stride",
        "hs, ws = i, j",
        "conv_forward_naive",
        "grad/conv2d1.W",
        "the stride is ignored",
    ),
    "right class counted once": (
        "cs231n_layers",
        "dx[np.arange(N), y] -= num_pos",
        "dx[np.arange(N), y] -= 1",
        "svm_loss",
        "grad/loss.input",
        "",
    ),
    "penalty's 2 forgotten": (
        "cs231n_layers",
        "/ num_train + 2 * reg * W",
        "/ num_train + reg * W",
        "svm_loss_vectorized",
        "grad/dense1.W",
        "L2",
    ),
    "nothing handed back in time": (
        "cs231n_rnn_layers",
        "rnn_step_backward(dh[:, t, :] + dprev_h, cache[t])",
        "rnn_step_backward(dh[:, t, :], cache[t])",
        "rnn_forward",
        "grad/simplernn1.W",
        "truncated to one step",
    ),
    "last token alone": (
        "cs231n_rnn_layers",
        "np.add.at(dW, x, dout)",
        "dW[x] += dout",
        "word_embedding_forward",
        "grad/embedding1.E",
        "only its last occurrence counts",
    ),
    "derivative of ReLU left out": (
        "cs231n_neural_net",
        "dh_ReLu = (a1 > 0) * dh",
        "dh_ReLu = dh",
        "TwoLayerNet",
        "grad/dense1.W",
        "",
    ),
}
"""By what was done: sample, text, what replaces it, the unit, its first failing tensor, a part of the cause."""


def _failing(result: CheckResult) -> dict[str, dict[str, str]]:
    """Cause by tensor, by unit, in the order in which they are told."""
    return {
        c.unit.name: {r["tensor"]: r["diagnosis"] for r in reversed(c.rows) if r["verdict"] in FAILING}
        for c in result.checked
    }


@pytest.mark.parametrize("sample", RIGHT)
def test_right_functions_are_found_and_raise_no_alarm(sample: str) -> None:
    result = check(SAMPLES / f"{sample}.py", ("torch",))
    verdicts = {c.unit.name: verdict(c) for c in result.checked}
    assert {n for n, v in verdicts.items() if v == "match"} >= RIGHT[sample], verdicts
    assert "wrong" not in verdicts.values(), _failing(result)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_where_it_is_and_named(mistake: str, tmp_path: Path) -> None:
    sample, text, instead, unit, tensor, cause = MISTAKES[mistake]
    source = (SAMPLES / f"{sample}.py").read_text()
    assert text in source
    file = tmp_path / f"{sample}.py"
    file.write_text(source.replace(text, instead, 1))
    failing = _failing(check(file, ("torch",), only=(unit,)))
    assert tensor in failing[unit], failing
    assert cause in failing[unit][tensor], failing[unit]


def test_what_is_not_padding_is_cut_out_where_there_is_some(tmp_path: Path) -> None:
    """The course's own `pad:-pad` is empty without padding: that is told, and compared with padding alone."""
    text = (SAMPLES / "course_convolution.py").read_text()
    assert "if pad == 0:" in text
    path = tmp_path / "course.py"
    path.write_text(text.replace("if pad == 0:", "if False:"))
    (found,) = [c for c in check(path, ("torch",)).checked if c.unit.title == "convolution"]
    assert verdict(found) == "match", _failing(check(path, ("torch",)))
    assert any("which is nothing where pad is 0" in text for text in found.remarks)


SQUARE = {
    "height for width": (
        "for i in range(dout.shape[2]):\n                for j in range(dout.shape[3]):\n                    patch",
        "for i in range(dout.shape[3]):\n                for j in range(dout.shape[2]):\n                    patch",
    ),
    "refused": ("    N, C, H, W = x.shape\n    ph", "    N, C, H, W = x.shape\n    assert H == W\n    ph"),
}


@pytest.mark.parametrize("how", SQUARE)
def test_what_is_right_on_square_images_alone_is_told_and_no_alarm(how: str, tmp_path: Path) -> None:
    text = (SAMPLES / "cs231n_layers.py").read_text()
    old, new = SQUARE[how]
    assert old in text
    text = text.replace(old, new, 1)
    path = tmp_path / "layers.py"
    path.write_text(text)
    (found,) = check(path, ("torch",), only=("max_pool_forward_naive",)).checked
    assert verdict(found) == "match", found.rows
    assert any("right for square images only" in remark for remark in found.remarks)
    path.write_text(text.replace("mask * dout[n, c, i, j]", "dout[n, c, i, j]"))
    (found,) = check(path, ("torch",), only=("max_pool_forward_naive",)).checked
    assert verdict(found) == "wrong", "a mistake on square images is one"
