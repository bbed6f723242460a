"""Files whose backprop is written with torch tensors, without autograd: their code is given tensors and its results are NumPy's again.

The rest of backproof knows arrays alone. A tensor in double precision and the array of its numbers share their memory, so that what the code
changes in place shows on both sides.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

_TENSOR_METHODS = re.compile(
    r"\.(mm|t|bmm|mv|addmm|addmv|ger|unsqueeze|clamp|numel|index_select|narrow|expand_as|view_as|masked_fill|type_as|[a-z]\w*[a-z]_)\("
)
_FRAMEWORK = re.compile(
    r"\b(nn\.Module|nn\.functional|nn\.Linear|autograd|requires_grad\b|requires_grad_|torch\.nn|torch\.optim)\b"
)
_BOTH_PASSES = re.compile(r"backward|backprop|bprop|bwd|grad", re.IGNORECASE)
_OUTSIDE = re.compile(r"test|main|train|check|compare|plot|demo|run")
SEED = 0
_prepared = False


def on_tensors(tree: ast.Module) -> bool:
    """Whether a file's own passes calculate with tensors and nothing in them is left to autograd."""
    home = _imported(tree)
    if not home:
        return False
    found = False
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef) or _OUTSIDE.match(node.name.lower()):
            continue
        text = ast.unparse(node)
        if _FRAMEWORK.search(text):
            return False
        if isinstance(node, ast.ClassDef):
            if any(isinstance(b, ast.Name) and b.id in home and b.id != "object" for b in node.bases):
                return False
            names = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
        else:
            names = {node.name}
        found = found or (any(map(_BOTH_PASSES.search, names)) and _speaks_of(text, home))
    return found


def _imported(tree: ast.Module) -> set[str]:
    """Names that come from torch; none where it is imported only inside functions."""
    names: set[str] = set()
    for node in (n for s in tree.body for n in ([s] if not isinstance(s, ast.Try) else s.body)):
        if isinstance(node, ast.Import):
            names |= {a.asname or "torch" for a in node.names if a.name.partition(".")[0] == "torch"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "torch":
            names |= {a.asname or a.name for a in node.names}
    return names


def _speaks_of(text: str, home: set[str]) -> bool:
    if re.search(r"\b(np|numpy)\.", text):
        return False
    return bool(_TENSOR_METHODS.search(text)) or any(re.search(rf"\b{n}[.(]", text) for n in home)


def prepare() -> None:
    """Let what torch makes be in double precision, and draw no graphs: for a process that runs such code and nothing else."""
    global _prepared
    import torch

    _prepared = True
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    torch.float32 = torch.float = torch.float64
    torch.FloatTensor = torch.DoubleTensor
    torch.Tensor.float = torch.Tensor.double


def takes_tensors(f: Callable[..., Any]) -> bool:
    """Whether a function of such a file is one of those that calculate with tensors, and not with arrays."""
    owner = f if isinstance(f, type) else type(getattr(f, "__self__", None))
    try:
        text = inspect.getsource(owner if owner is not type(None) else f)
    except (OSError, TypeError):
        return True
    return not re.search(r"\b(np|numpy)\.", text) or "torch" in text


def handed(a: np.ndarray) -> Any:
    """An array as code that is not called by backproof, but asks for it, wants it: a tensor in such a process."""
    return given(a) if _prepared else a


def given(value: Any) -> Any:
    """Arrays as tensors, in containers too."""
    import torch

    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        if value.dtype.kind == "f":
            value = np.asarray(value, dtype=np.float64)
        elif value.dtype.kind in "iu":
            value = value.astype(np.int64)
        return torch.from_numpy(value if all(n >= 0 for n in value.strides) and value.flags.writeable else value.copy())
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, dict):
        return {k: given(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(given(v) for v in value)
    return value


def taken(value: Any) -> Any:
    """Tensors as arrays, in containers too; all else is what it was."""
    if is_tensor(value):
        return seen(value)
    if isinstance(value, dict) and any(map(_holds, value.values())):
        return {k: taken(v) for k, v in value.items()}
    if type(value) in (list, tuple) and any(map(_holds, value)):
        return type(value)(taken(v) for v in value)
    return value


def _holds(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds, value.values()))
    return is_tensor(value) or (type(value) in (list, tuple) and any(map(_holds, value)))


def returned(before: Any, after: Any) -> None:
    """Write what a call has changed in a dictionary or list of tensors back into that of arrays."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key, value in after.items():
            if isinstance(before.get(key), dict | list):
                returned(before[key], value)
            elif _holds(value) or key not in before:
                before[key] = taken(value)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for i, value in enumerate(after):
            if isinstance(before[i], dict | list):
                returned(before[i], value)
            elif _holds(value):
                before[i] = taken(value)


def is_tensor(value: Any) -> bool:
    """Whether a value is one, which it cannot be while torch is not imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, getattr(torch, "Tensor", ()))


def seen(value: Any) -> Any:
    """The array with which a tensor shares its numbers; all else as it is."""
    if not is_tensor(value):
        return value
    return value.detach().numpy()


def put_into(tensor: Any, a: np.ndarray) -> bool:
    """Overwrite a tensor's numbers; whether it has the shape for them."""
    if not is_tensor(tensor) or tuple(tensor.shape) != a.shape:
        return False
    tensor.detach().copy_(given(np.array(a)))
    return True


def seed() -> None:
    """Let what is drawn be the same in every call, as it is with NumPy's generator."""
    import torch

    torch.manual_seed(SEED)
