"""Recurrent layers, embeddings and layers over time as pairs of functions, in CS231n's rows and the course's columns.

A whole sequence is compared from a zero state; a single step, alone or as a sequence of length 1, from any state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from comparisons.case import Case
from comparisons.check.calling import Aliases, array, bound, first, gradients, parameters, plain, shaped
from comparisons.check.models import LayerModel, LossModel, Ran
from comparisons.check.recipes import Free, Recipe
from comparisons.check.styles.pair_layers import pair_of, unit_of
from comparisons.check.styles.pair_losses import scaled_loss
from comparisons.check.styles.pairs import Pair, pairs, run_pair
from comparisons.check.unit import Unit, UserError, UserFile
from comparisons.trace import Model
from scratch import LSTM, Dense, Embedding, LSTMCell, RNNCell, SimpleRNN, SoftmaxCrossEntropy, architecture

Array = np.ndarray
D, H, T = 3, 4, 4
ALIASES: Aliases = {
    "x": ("x", "xt", "inputs", "xs"),
    "h": ("prevh", "h0", "aprev", "a0", "hprev", "h", "hprevious", "hidden", "hs"),
    "c": ("prevc", "cprev", "c0", "c"),
    "W": ("wx", "wax", "wxh"),
    "U": ("wh", "waa", "whh"),
    "b": ("b", "ba", "bh"),
    "upstream": ("dnexth", "danext", "dh", "da", "dout", "dhnext"),
    "dc": ("dnextc", "dcnext", "dc"),
    "cache": ("cache", "caches"),
    "parameters": ("parameters", "params"),
}
GATES = {"i, f, o, g": (0, 1, 3, 2), "i, f, g, o": (0, 1, 2, 3)}
"""Scratch's gates i, f, g, o (by number) in the order of a file's columns."""


def recurrent(columns: bool) -> Recipe:
    """`rnn_step_*`, `rnn_*`, `lstm_step_*`, `lstm_*`; with a dictionary of parameters and in columns, as the course has them."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for base in ("rnnstep", "rnncell", "lstmstep", "lstmcell", "rnn", "lstm"):
            for pair in pairs(free, (base,)):
                f = free.get(pair.forward)
                if f is None or columns != any(plain(p.name) in ALIASES["parameters"] for p in parameters(f)):
                    continue
                orders = GATES if "lstm" in base and not columns else {"": (0, 1, 2, 3)}
                yield [_unit(file, pair, base, columns, name) for name in orders]

    return Recipe(find, _model)


def _unit(file: UserFile, pair: Pair, base: str, columns: bool, gates: str) -> Unit:
    lstm, step = base.startswith("lstm"), base.endswith(("step", "cell"))
    cases = []
    if not step:
        layer = LSTM(D, H) if lstm else SimpleRNN(D, H)
        cases += [Case(f"check/{pair.name}/steps{t}", architecture(layer), (3,), (t, D)) for t in (T, 2)]
    cell, width = (LSTMCell(D, H), D + 2 * H) if lstm else (RNNCell(D, H), D + H)
    if step:
        cases = [Case(f"check/{pair.name}/batch{m}", architecture(cell), (m,), (width,)) for m in (5, 2)]
    elif not lstm:
        # From a state that is not 0; an LSTM's sequence has no cell to start from.
        cases.append(Case(f"check/{pair.name}/state", architecture(cell), (3,), (width,)))
    title = f"{'LSTM' if lstm else 'simple RNN'}{', one step' if step else ''}"
    told = [f"the gates' columns are {gates}"] if gates else []
    together = "[x, previous state" + (", previous cell]" if lstm else "]")
    told += [f"input stands for {together}"] if step or not lstm else []
    options = {"base": base, "columns": columns, "gates": gates, "names": _names(lstm, columns, together)}
    return unit_of(file, pair, title, cases, options, *told)


def _names(lstm: bool, columns: bool, together: str) -> dict[str, str]:
    """What a report calls the parameters."""
    own = {"W": "Wx", "U": "Wh", "b": "b"}
    if columns and lstm:
        own = {
            "W": "Wi, Wf, Wc, Wo (the part of xt)",
            "U": "Wi, Wf, Wc, Wo (the part of a_prev)",
            "b": "bi, bf, bc, bo",
        }
    elif columns:
        own = {"W": "Wax", "U": "Waa", "b": "ba"}
    layers = ("lstm1", "lstmcell1") if lstm else ("simplernn1", "rnncell1")
    found = {f"{layer}.{p}": name for layer in layers for p, name in own.items()}
    return found | {f"{layers[0]}.input": "x", f"{layers[1]}.input": f"the input {together}"}


@dataclass(frozen=True)
class Way:
    """How arrays are handed over: rows with Wx, Wh, b, or columns with a dictionary of parameters."""

    columns: bool
    lstm: bool
    gates: tuple[int, ...]

    def step(self, a: Array) -> Array:
        """(m, n)."""
        return np.ascontiguousarray(a.T) if self.columns else a

    def sequence(self, a: Array) -> Array:
        """(m, T, n), or (n, m, T)."""
        return np.ascontiguousarray(a.transpose(2, 0, 1)) if self.columns else a

    def back(self, a: Array) -> Array:
        """The inverse of `step` or `sequence`."""
        if not self.columns:
            return a
        return np.ascontiguousarray(a.T if a.ndim == 2 else a.transpose(1, 2, 0)) if a.ndim in (2, 3) else a

    def parameters(self, params: dict[str, Array]) -> dict[str, Any]:
        """As roles of a forward function."""
        if not self.columns:
            return {p: _reordered(params[p], self.gates) if self.lstm else params[p] for p in ("W", "U", "b")}
        W, U, b = params["W"].T, params["U"].T, params["b"].reshape(-1, 1)
        rng = np.random.default_rng(1)
        y = {"Wya": rng.standard_normal((2, H)), "by": rng.standard_normal((2, 1))}
        if not self.lstm:
            own = {"Wax": W, "Waa": U, "ba": b} | y
        else:
            own = {"Wy": y["Wya"], "by": y["by"]}
            for k, name in enumerate("ifco"):
                rows = slice(k * H, (k + 1) * H)
                own |= {f"W{name}": np.hstack([U[rows], W[rows]]), f"b{name}": b[rows]}
        return {"parameters": {n: a.copy().astype(params["W"].dtype) for n, a in own.items()}}

    def grads(self, given: dict[str, Any], back: str) -> dict[str, Array]:
        """Gradients of W, U, b from what a backward function returned by name."""
        named = {plain(str(n)): a for n, a in given.items()}
        found: dict[str, Array] = {}
        if not self.columns:
            for p in ("W", "U", "b"):
                if p in given:
                    g = array(given[p], f"{back}: the gradient of {ALIASES[p][0]}")
                    found[p] = _restored(g, self.gates) if self.lstm else g
            return found
        if not self.lstm:
            for p, name, shape in (("W", "dwax", None), ("U", "dwaa", None), ("b", "dba", (H,))):
                if name in named:
                    g = array(named[name], f"{back}: {name}")
                    found[p] = shaped(g, shape) if shape else g.T
            return found
        both = [named.get(f"dw{k}") for k in "ifco"]
        if all(g is not None for g in both):
            whole = [array(g, f"{back}: dW{k}") for g, k in zip(both, "ifco", strict=True)]
            if all(g.shape == (H, H + D) for g in whole):
                found |= {"W": np.vstack([g[:, H:] for g in whole]).T, "U": np.vstack([g[:, :H] for g in whole]).T}
            else:
                found |= {"W": next(g for g in whole if g.shape != (H, H + D))}
        biases = [named.get(f"db{k}") for k in "ifco"]
        if all(g is not None for g in biases):
            flat = {k: array(g, f"{back}: db{k}") for g, k in zip(biases, "ifco", strict=True)}
            for k, g in flat.items():
                if g.size != H:
                    raise UserError(f"{back}: db{k} has shape {g.shape}, the bias has {(H, 1)}")
            found["b"] = np.concatenate([g.ravel() for g in flat.values()])
        return found


def _reordered(a: Array, gates: tuple[int, ...]) -> Array:
    parts = np.split(a, 4, axis=-1)
    return np.concatenate([parts[k] for k in gates], axis=-1)


def _restored(a: Array, gates: tuple[int, ...]) -> Array:
    if a.shape[-1] % 4:
        return a
    parts = np.split(a, 4, axis=-1)
    return np.concatenate([parts[gates.index(k)] for k in range(4)], axis=-1)


def _model(file: UserFile, unit: Unit, case: Case) -> Model:
    pair, base, options = pair_of(unit), unit.options["base"], unit.options
    lstm = base.startswith("lstm")
    way = Way(options["columns"], lstm, GATES.get(options["gates"], (0, 1, 2, 3)))
    ((_, layer),) = case.architecture.layers
    if isinstance(layer, RNNCell | LSTMCell):
        single = base.endswith(("step", "cell"))
        return LayerModel(case, lambda params, _, x, dy, *__: _step(file, pair, way, layer, single, params, x, dy))
    return LayerModel(case, lambda params, _, x, dy, *__: _walk(file, pair, way, params, x, dy))


def _step(
    file: UserFile, pair: Pair, way: Way, layer: Any, single: bool, params: dict[str, Array], x: Array, dy: Array
) -> Ran:
    """One step from a given state, by the function for one step or by that for a sequence."""
    new, *before = layer.split(x)
    whole = np.split(dy, layer.states, axis=1)
    first_input, ups = way.step(new), [way.step(np.ascontiguousarray(a)) for a in whole]
    if not single:
        first_input, ups = way.sequence(new[:, None]), [way.sequence(dy[:, None])]
    parts = [first_input, *(way.step(a) for a in before)]
    states = dict(zip(("h", "c"), parts[1:], strict=False))
    roles = {"x": parts[0]} | states | way.parameters(params)
    further = {"dc": ups[1]} if len(ups) > 1 else {}
    result, given = _run(file, pair, roles, ups[0], further)
    outs = [
        array(a, f"{pair.forward}: the state")
        for a in (result if isinstance(result, tuple | list) else (result,))[: layer.states]
    ]
    outs = [way.back(a) for a in outs]
    if not single:
        outs = [a[:, 0] if a.ndim == 3 else a for a in outs]
    inputs = []
    for role in ("x", "h", "c")[: 1 + layer.states]:
        if role not in given:
            break
        g = way.back(array(given[role], f"{pair.backward}: the gradient of {role}"))
        inputs.append(g[:, 0] if g.ndim == 3 else g)
    complete = len(inputs) == 1 + layer.states and all(g.ndim == 2 and len(g) == len(x) for g in inputs)
    return Ran(_beside(outs), _beside(inputs) if complete else None, way.grads(given, pair.backward))


def _beside(parts: list[Array]) -> Array:
    fits = all(a.ndim == 2 and len(a) == len(parts[0]) for a in parts)
    return np.hstack(parts) if fits else parts[0]


def _walk(file: UserFile, pair: Pair, way: Way, params: dict[str, Array], x: Array, dy: Array) -> Ran:
    """A sequence from a zero state."""
    zero = way.step(np.zeros((len(x), H), x.dtype))
    roles = {"x": way.sequence(x), "h": zero} | way.parameters(params)
    result, given = _run(file, pair, roles, way.sequence(dy), {})
    out = way.back(array(first(result), f"{pair.forward}: the states"))
    dx = way.back(array(given["x"], f"{pair.backward}: dx")) if "x" in given else None
    return Ran(out, dx, way.grads(given, pair.backward))


def _run(
    file: UserFile, pair: Pair, roles: dict[str, Any], upstream: Array, further: dict[str, Array]
) -> tuple[Any, dict[str, Any]]:
    """All that forward returned, and the gradients by role or, of the course's dictionaries, by name."""
    f = file.namespace[pair.forward]
    result = file.call(f, **bound(f, roles, ALIASES))
    if not pair.backward:
        return result, {}
    if not isinstance(result, tuple | list) or len(result) < 2:
        raise UserError(f"{pair.forward} returns no cache beside the state")
    b = file.namespace[pair.backward]
    offered = {"upstream": upstream} | further | {"cache": result[-1]} | roles
    given = file.call(b, **bound(b, offered, ALIASES))
    order = ("x", "h", "c", "W", "U", "b") if further else ("x", "h", "W", "U", "b")
    named = gradients(b, given, order, ALIASES)
    return result, (dict(given) if isinstance(given, dict) else {}) | named


# Embedding, and layers applied at every step


def over_time() -> Recipe:
    """`temporal_affine_forward(x, w, b)` and its backward function."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, ("temporalaffine", "temporalfc", "timeaffine")):
            cases = [Case(f"check/{pair.name}/steps", architecture(Dense(5, 4)), (m,), (5,)) for m in (6, 2)]
            yield [unit_of(file, pair, "dense layer at every step", cases, {})]

    return Recipe(find, _over_time_model)


def _over_time_model(file: UserFile, unit: Unit, case: Case) -> Model:
    pair = pair_of(unit)

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, *__: Any) -> Ran:
        def timed(a: Array) -> Array:
            return a.reshape(2, -1, a.shape[-1])

        roles = {"x": timed(x), "W": params["W"], "b": params["b"]}
        out, given = run_pair(file, pair, roles, timed(dy), ("x", "W", "b"))
        grads = {p: array(given[p], f"{pair.backward}: the gradient of {p}") for p in params if p in given}
        dx = array(given["x"], f"{pair.backward}: dx") if "x" in given else None
        return Ran(_untimed(array(out, f"{pair.forward}: the output")), None if dx is None else _untimed(dx), grads)

    return LayerModel(case, run)


def _untimed(a: Array) -> Array:
    return a.reshape(-1, a.shape[-1]) if a.ndim == 3 else a


def embedding() -> Recipe:
    """`word_embedding_forward(x, W)` and its backward function."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for pair in pairs(free, ("wordembedding", "embedding", "embed")):
            if pair.forward:
                cases = [
                    Case(f"check/{pair.name}/tokens{m}", architecture(Embedding(6, 4)), (m,), (5,), "tokens")
                    for m in (3, 1)
                ]
                yield [unit_of(file, pair, "embedding", cases, {})]

    return Recipe(find, _embedding_model)


def _embedding_model(file: UserFile, unit: Unit, case: Case) -> Model:
    pair = pair_of(unit)

    def run(params: dict[str, Array], _: Any, x: Array, dy: Array, *__: Any) -> Ran:
        roles = {"x": x.astype(np.intp), "E": params["E"]}
        aliases = {"E": ("w", "we", "wembed", "embeddings", "e", "weights")}
        out, given = run_pair(file, pair, roles, dy, ("E",), aliases=aliases)
        grads = {"E": array(given["E"], f"{pair.backward}: the gradient of W")} if "E" in given else {}
        return Ran(array(out, f"{pair.forward}: the output"), None, grads)

    return LayerModel(case, run)


def temporal_loss() -> Recipe:
    """`temporal_softmax_loss(x, y, mask)`: summed over the steps, averaged over the sequences, masked steps left out."""

    def find(file: UserFile, free: Free) -> Iterable[Sequence[Unit]]:
        for name, f in free.items():
            if plain(name) in ("temporalsoftmaxloss", "temporalsoftmax") and len(parameters(f)) >= 3:
                cases = tuple(
                    Case(f"check/{name}/batch{m}", architecture(loss=SoftmaxCrossEntropy()), (m,), (5,)) for m in (7, 4)
                )
                yield [Unit(name, "", "softmax cross-entropy at every step", file.own[name], (name,), cases)]

    return Recipe(find, _temporal_model)


def _temporal_model(file: UserFile, unit: Unit, case: Case) -> Model:
    f, name = file.namespace[unit.name], unit.name

    def run(x: Array, target: Array) -> tuple[Array | None, Array | None]:
        m, k = x.shape
        steps = (m + 4) // 2  # three or four places more than examples, the rest masked
        mask = np.zeros(2 * steps, bool)
        mask[np.random.default_rng(m).permutation(2 * steps)[:m]] = True
        scores = np.random.default_rng(3).standard_normal((2 * steps, k)).astype(x.dtype)
        scores[mask], labels = x, np.zeros(2 * steps, int)
        labels[mask] = target.argmax(axis=1)
        roles = {"x": scores.reshape(2, steps, k), "Y": labels.reshape(2, steps), "mask": mask.reshape(2, steps)}
        result = file.call(
            f, **bound(f, roles, {"x": ("x", "scores"), "Y": ("y", "labels"), "mask": ("mask", "masks")})
        )
        # A sum over two sequences, where the loss is a mean over m.
        loss, grad = scaled_loss(name, result, m / 2)
        if grad is None or grad.shape != (2, steps, k):
            return loss, grad
        flat = grad.reshape(-1, k)
        if flat[~mask].any():
            raise UserError(f"{name}: the gradient is not 0 where the mask is False")
        return loss, flat[mask]

    return LossModel(case, run)
