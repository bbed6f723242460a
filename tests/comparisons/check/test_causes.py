"""Mistakes in functions of many forms that have a name: the cause is told, whatever order the author's loops have."""

from __future__ import annotations

from pathlib import Path

import pytest

from comparisons.check import source
from comparisons.check.judging import judge_all
from comparisons.check.matching import InProcess
from reports.schema import FAILING

pytest.importorskip("torch")

CONVOLUTION = """
import numpy as np
def conv_forward_naive(x, w, b, conv_param):
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    stride, pad = conv_param['stride'], conv_param['pad']
    H_out, W_out = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, H_out, W_out))
    xp = np.pad(x, ((0,0),(0,0),(pad,pad),(pad,pad)), mode='constant')
    for n in range(N):
        for f in range(F):
            for i in range(H_out):
                for j in range(W_out):
                    out[n,f,i,j] = np.sum(xp[n,:,i*stride:i*stride+HH,j*stride:j*stride+WW]*w[f]) + b[f]
    return out, (x, w, b, conv_param)
def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    F, _, HH, WW = w.shape
    stride, pad = conv_param['stride'], conv_param['pad']
    _, _, H_out, W_out = dout.shape
    xp = np.pad(x, ((0,0),(0,0),(pad,pad),(pad,pad)), mode='constant')
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.sum(dout, axis=(0,2,3))
    for n in range(len(x)):
        LOOPS
                    s = (n, slice(None), slice(i*stride, i*stride+HH), slice(j*stride, j*stride+WW))
                    dw[f] += xp[s]*dout[n,f,i,j]
                    dxp[s] += w[f]*dout[n,f,i,j]
    return dxp[:,:,pad:pad+x.shape[2],pad:pad+x.shape[3]], dw, db
"""
LOOPS = {"f": "for f in range(F):", "i": "for i in range(H_out):", "j": "for j in range(W_out):"}


def failing(text: str, tmp_path: Path) -> dict[str, str]:
    """Diagnosis of every tensor that is wrong in some case, from its first case."""
    path = tmp_path / "given.py"
    path.write_text(text)
    found: dict[str, str] = {}
    for c in judge_all(InProcess(source.run(path)), ("torch",), 0).checked:
        for row in c.rows:
            if row["verdict"] in FAILING:
                found.setdefault(row["tensor"], row["diagnosis"])
    return found


@pytest.mark.parametrize("order", ["fij", "ijf", "jif"])
@pytest.mark.parametrize(("what", "tensor"), [("dw[f]", "grad/conv2d1.W"), ("dxp[s]", "grad/conv2d1.input")])
def test_what_a_convolution_overwrites_instead_of_accumulating_is_told(
    order: str, what: str, tensor: str, tmp_path: Path
) -> None:
    loops = "\n".join(" " * (8 + 4 * k) + LOOPS[n] for k, n in enumerate(order)).strip()
    found = failing(CONVOLUTION.replace("LOOPS", loops).replace(f"{what} +=", f"{what} ="), tmp_path)
    assert found.keys() == {tensor}
    assert "overwritten instead of accumulated" in found[tensor]


STEP = """
import numpy as np
def sigmoid(x):
    return 1 / (1 + np.exp(-x))
def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H:2*H]), sigmoid(a[:, 2*H:3*H]), np.tanh(a[:, 3*H:])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)
def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    tc = np.tanh(next_c)
    do = dnext_h * tc
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    di, df, dg, dprev_c = dc * g, dc * prev_c, dc * i, dc * f
    da = np.hstack((di*i*(1-i), df*f*(1-f), do*o*(1-o), dg*(1-g**2)))
    return da.dot(Wx.T), da.dot(Wh.T), dprev_c, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)
"""


@pytest.mark.parametrize(
    ("old", "new", "tensor", "cause"),
    [
        ("dc = dnext_c + ", "dc = ", "grad/lstmcell1.W", "dc_next, is not added"),
        ("dc * f\n", "dnext_c * f\n", "grad/lstmcell1.input", "that through h is missing"),
        ("do = dnext_h * tc", "do = dnext_h * next_c", "grad/lstmcell1.b", "c is used for tanh(c)"),
        ("dg*(1-g**2)", "dg*g*(1-g)", "grad/lstmcell1.U", "sigmoid's derivative for the candidate"),
        ("prev_h.T.dot(da)", "(o * tc).T.dot(da)", "grad/lstmcell1.U", "the state after the step is used"),
        ("next_h = o * np.tanh(next_c)", "next_h = o * next_c", "forward/lstmcell1", "tanh of the cell is left out"),
    ],
)
def test_mistakes_in_one_step_of_an_lstm_are_told(old: str, new: str, tensor: str, cause: str, tmp_path: Path) -> None:
    assert old in STEP
    assert cause in failing(STEP.replace(old, new), tmp_path)[tensor]
