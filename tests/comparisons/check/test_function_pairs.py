"""Pairs of functions of any arguments, nodes of graphs: filled so that they run, and beside finite differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparisons.check import source
from comparisons.check.differences import row
from comparisons.check.styles.function_pairs import FunctionPair, find_function_pairs
from comparisons.check.styles.graph_nodes import find_graph_nodes
from comparisons.check.styles.lazy_arguments import OPTIONS, Search
from comparisons.check.unit import UserFile

SAMPLES = Path(__file__).parent / "samples"
IMAGES = {
    "windows that overlap": ("dxp[:, :, t * stride:t * stride + K] += np", "dxp[:, :, t * stride:t * stride + K] = np", "conv1d_forward.x"),
    "kernel turned": ("'nfab,cfab->nc', win, weight", "'nfab,cfab->nc', win, weight[:, :, ::-1, ::-1]", "conv_transpose2d_forward.x"),
    "last window": ("dk += (g", "dk = (g", "depthwise_conv_fwd.k"),
    "maxima of two windows": ("np.add.at(dx, (n, c, arg[:, :, t]), dout[:, :, t])", "dx[n, c, arg[:, :, t]] = dout[:, :, t]", "maxpool1d_forward.x"),
    "dilation left out": ("i * dilation:i * dilation + h, j * dilation:j * dilation + w] += dout", "i:i + h, j:j + w] += dout", "dilated_conv_forward.x"),
    "one group": ("d = dout[:, g * Fg:(g + 1) * Fg, i, j]", "d = dout[:, :Fg, i, j]", "grouped_conv_forward.x"),
    "padding kept": ("padding:dxp.shape[2] - padding]", ":x.shape[2]]", "conv1d_forward.x"),
    "bias of the examples": ("dw, dout.sum(axis=(0, 2, 3))", "dw, dout.sum(axis=(2, 3))", "grouped_conv_forward.b"),
    "mean of the copies": (".sum(axis=(3, 5))", ".mean(axis=(3, 5))", "upsample_forward.x"),
    "root of the window": ("/ pool_size ** 2", "/ pool_size", "avg_pool2d_forward.x"),
}  # fmt: skip
ATTENTION = {
    "keys": ("(ds.swapaxes(-2, -1) @ q).swapaxes", "(ds.swapaxes(-2, -1) @ q * 2).swapaxes", "cross_attention_forward.p['wk']"),
    "softmax": ("datt - (datt * att).sum(-1, keepdims=True)", "datt - (datt * att).sum(-2, keepdims=True)", "cross_attention_forward.x"),
    "values of the context": ("dk @ p['wk'].T + dv @ p['wv'].T", "dk @ p['wk'].T", "cross_attention_forward.context"),
    "mean left out": ("dxhat - dxhat.mean(-1, keepdims=True) - xhat", "dxhat - xhat", "layer_norm_fwd.x"),
    "derivative of gelu": ("@ params['c_proj']['w'].T * gelu_grad(h)", "@ params['c_proj']['w'].T * gelu_grad(a)", "mlp_forward.params['c_fc']['w']"),
    "scale of the keys": ("/ np.sqrt(q.shape[-1])\n    return ds @ k", "\n    return ds @ k", "causal_attention.q"),
    "repeated tokens": ("np.add.at(dwte, idx, dout)", "dwte[idx] += dout", "embedding_forward.wte"),
    "cube": ("rms ** 3", "rms ** 2", "RMSNorm.forward.x"),
}  # fmt: skip
NODES = {
    "overwritten": ("self.gradients[self] += grad_cost * 1", "self.gradients[self] = grad_cost * 1", "Input.forward.value"),
    "the other factor": ("self.gradients[a] += out.gradients[self] * b.value", "self.gradients[a] += out.gradients[self] * a.value", "Mul.forward.a"),
    "sum of the bias": ("+= g.sum(axis=0)", "+= g.mean(axis=0)", "Linear.forward.bias"),
    "derivative at z": ("(1 - self.value ** 2)", "(1 - self.inbound_nodes[0].value ** 2)", "Tanh.forward.node"),
    "one use alone": ("self.gradients[n] += out.gradients[self]", "self.gradients[n] = out.gradients[self]", "Add.forward.x"),
}  # fmt: skip
OPERATIONS = {
    "order of the product": ("A.T.dot(grad)]", "A.T.dot(grad) * 2]", "matmul.compute.b_value"),
    "no sum over the classes": ("(grad - np.reshape(np.sum(grad * softmax, 1), [-1, 1]))", "(grad - grad * softmax)", "softmax.compute.a_value"),
}  # fmt: skip
KEEPING = {
    "assigned": ("b.grad += a.data.T @ self.grad", "b.grad += self.grad.T @ a.data if a.data.shape == b.data.shape else -a.data.T @ self.grad", "MatMul.forward.b"),
    "mask of the gradient": ("self.grad * (self.data > 0)", "self.grad * (self.grad > 0)", "Relu.forward.x"),
}  # fmt: skip
Finder = Callable[[UserFile, str], Iterator[FunctionPair]]


def functions(file: UserFile, base: str) -> Iterator[FunctionPair]:
    own = file.functions() | file.statics()
    return find_function_pairs(file, {n: f for n, f in own.items() if n.startswith(base)})


def nodes(file: UserFile, base: str) -> Iterator[FunctionPair]:
    return find_graph_nodes(file, frozenset())


FILES: dict[str, tuple[Finder, dict[str, tuple[str, str, str]], int]] = {
    "function_pairs_images.py": (functions, IMAGES, 17),
    "function_pairs_attention.py": (functions, ATTENTION, 22),
    "graph_nodes.py": (nodes, NODES, 11),
    "graph_operations.py": (nodes, OPERATIONS, 9),
    "graph_keeps_grad.py": (nodes, KEEPING, 6),
}
"""How things are found, mistakes with the first tensor that is wrong, and how many tensors there are."""


def judged(path: Path, finder: Finder, base: str = "") -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for pair in finder(source.run(path), base):
        for setting in range(pair.settings):
            for d in pair.derived(np.random.default_rng(3), setting):
                found.setdefault(d.tensor.removeprefix("grad/"), []).append(row(d, {}))
    return found


@pytest.mark.parametrize("name", FILES)
def test_right_code_agrees(name: str) -> None:
    finder, _, count = FILES[name]
    rows = judged(SAMPLES / name, finder)
    assert {n for n, rs in rows.items() if any(r["verdict"] != "match" for r in rs)} == set()
    assert len(rows) == count


@pytest.mark.parametrize(("name", "mistake"), [(n, m) for n, (_, mistakes, _) in FILES.items() for m in mistakes])
def test_a_mistake_is_found(name: str, mistake: str, tmp_path: Path) -> None:
    finder, mistakes, _ = FILES[name]
    old, new, tensor = mistakes[mistake]
    text = (SAMPLES / name).read_text()
    assert text.count(old) == 1
    path = tmp_path / name
    path.write_text(text.replace(old, new))
    unit = tensor.partition(".")[0]
    rows = judged(path, finder, unit.removesuffix("_forward").removesuffix("_fwd"))
    wrong = {n for n, rs in rows.items() if any(r["verdict"] == "mismatch" for r in rs)}
    assert tensor in wrong
    assert {n.partition(".")[0] for n in wrong} == {unit}


def test_strides_and_masks_make_settings() -> None:
    pairs = {pair.forward: pair for pair in functions(source.run(SAMPLES / "function_pairs_images.py"), "")}
    strides = {r.options.stride for r in pairs["conv1d_forward"].readings}
    dilations = {r.options.dilation for r in pairs["dilated_conv_forward"].readings}
    assert strides == {1, 2}
    assert dilations == {1, 2}
    assert pairs["upsample_forward"].settings == 1


def test_arguments_are_filled_in_the_order_in_which_the_code_asks(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text("def f(params, p, x):\n    n, k = x.shape\n    return x @ params['a'] @ params['b'] + p\n")
    file = source.run(path)
    filled = next(Search(file, "f", OPTIONS[0], {"x": 2}).ways())
    assert [place[-1] for place in filled] == ["x", "a", "b", "p"]
    assert filled[("x",)].shape[1] == filled[("params", "a")].shape[0]
    assert filled[("params", "a")].shape[1] == filled[("params", "b")].shape[0]
