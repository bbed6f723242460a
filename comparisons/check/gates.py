"""Arrays of a recurrent step by their names: which part of [W; U; b; b_recurrent], and which gate.

All parameters of a step are parts of one matrix: its rows belong to the input, to the state, to the bias and to a second bias,
its columns to the gates. An array of the user's is a choice of rows and columns: `Wx` of all gates side by side, `Wf` that acts
on [h, x], `U_z` and `b_z` of one gate. Which it is, its name tells together with the others; where they can be read in two ways
(W and U), both are offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from comparisons.check.calling import plain
from scratch import GRUCell, LSTMCell, RNNCell

Array = np.ndarray
D, H = 3, 5
"""Sizes of input and state, such that no two arrays of a step are of one size."""
WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "rnn": (("",),),
    "lstm": (
        ("i", "input", "in", "inputgate", "ig", "u", "update"),
        ("f", "forget", "forgetgate", "fg"),
        ("c", "g", "candidate", "cand", "cell", "cbar", "ctilde", "cc", "a", "ct", "gg", "z", "chat", "memory", "ci", "activation"),
        ("o", "output", "out", "outputgate", "og"),
    ),
    "gru": (
        ("z", "u", "update", "updategate", "zt"),
        ("r", "reset", "resetgate", "rt"),
        ("h", "n", "c", "g", "hh", "candidate", "cand", "htilde", "hhat", "hcand", "hbar", "new", "cc", "ct", "hc", "a", "state", "hcap", "ht"),
    ),
}  # fmt: skip
"""What gates are called, in scratch's order: i, f, g, o and z, r, n."""
ALL = -1
"""All gates, side by side."""
_PAIRS = (
    ("wx{}", "wh{}"), ("w{}x", "w{}h"), ("wi{}", "wh{}"), ("w{}", "u{}"), ("u{}", "w{}"), ("wx{}", "u{}"), ("wx{}", "uh{}"),
    ("w{}i", "w{}h"), ("w{}x", "u{}h"), ("wx{}", "wa{}"), ("wa{}x", "wa{}a"), ("w{}x", "w{}a"), ("win{}", "wh{}"), ("{}x", "{}h"), ("wi{}", "wr{}"),
    ("u{}", "v{}"), ("w{}", "v{}"), ("w{}", "r{}"), ("wx{}", "ws{}"), ("wxto{}", "whto{}"), ("x{}", "h{}"), ("wx2{}", "wh2{}"),
    ("win{}", "wrec{}"), ("w{}", "wrec{}"), ("wx{}", "r{}"), ("wi{}", "u{}"), ("wx{}", "wrec{}"),
)  # fmt: skip
"""Names of the matrices of the input and of the state; `{}` stands for the gate."""
_STACKED = (
    ("wx", "wh"), ("wxh", "whh"), ("wih", "whh"), ("w", "u"), ("u", "w"), ("wax", "waa"), ("wx", "u"), ("win", "wrec"), ("win", "wh"),
    ("wih", "whidden"), ("wi", "wh"), ("wx", "ws"), ("win", "whh"), ("wx", "whh"), ("w", "wrec"), ("u", "wh"), ("w", "r"), ("wx", "wrec"),
    ("wxs", "wss"), ("w", "wh"), ("wxh", "wh"), ("inputweights", "hiddenweights"), ("wi2h", "wh2h"), ("wix", "wih"), ("wx", "wr"),
)  # fmt: skip
_JOINED = ("w{}", "wxh{}", "whx{}", "wlstm{}", "wcomb{}", "w{}h", "u{}", "wall{}", "wgru{}", "wrnn{}", "wg{}")
_BIASES = ("b{}", "bx{}", "b{}x", "bh{}", "ba{}", "{}b", "bi{}", "bih{}", "bgru{}", "blstm{}", "brnn{}")
_TWO = (
    ("bx{}", "ba{}"),
    ("bi{}", "bh{}"),
    ("bx{}", "bh{}"),
    ("b{}x", "b{}h"),
    ("bih{}", "bhh{}"),
    ("b{}i", "b{}h"),
    ("bw{}", "bu{}"),
)


@dataclass(frozen=True)
class Part:
    """What an array is.

    Attributes
    ----------
    rows : str
        `x`, `h`, `xh` for both, `b`, `bx` and `bh` for two biases; `1xh` and `xh1` where the bias is a row of the matrix of both, that of
        an input of ones, before all others or after them.
    gate : int
        Scratch's number of the gate, or `ALL`.
    """

    rows: str
    gate: int


Named = dict[str, Part]


def shortened(name: str) -> str:
    """`weights_forget`, `W_f` and `kernel_f` as `wforget` and `wf`."""
    name = re.sub(r"^(self)?(params?|weights?dict)?\.?", "", plain(name)) or plain(name)
    name = re.sub(r"recurrentkernel|recurrentweights?", "u", name)
    name = re.sub(r"^(weights?|kernel|mat)(?=.|$)", "w", name)
    name = re.sub(r"^(bias(es)?)(?=.|$)", "b", name)
    if re.fullmatch(r".+(weights?|kernel)", name):  # forget_weights
        name = "w" + re.sub(r"(gate)?(weights?|kernel)$", "", name)
    if re.fullmatch(r".+bias(es)?", name):
        name = "b" + re.sub(r"(gate)?bias(es)?$", "", name)
    return name.replace("gate", "")


def assignments(names: Iterable[str], kind: str) -> Iterator[Named]:
    """Ways to read the names of all arrays as the parameters of such a step; the usual one first."""
    short = {shortened(n): n for n in reversed(list(names))}
    done: list[Named] = []
    for matrices in _matrices(short, kind):
        biases = list(_biases(short, kind, matrices))
        whole = [matrices | b for b in biases]
        if not biases and all(p.rows == "xh" for p in matrices.values()):
            whole = [{n: Part(rows, p.gate) for n, p in matrices.items()} for rows in ("1xh", "xh1")]
        for found in whole:
            if found not in done:
                done.append(found)
                yield found


def _matrices(short: dict[str, str], kind: str) -> Iterator[Named]:
    if kind != "rnn":
        for pair in _PAIRS:
            gates = _each(short, kind, pair)
            if gates:
                yield {n: Part("xh"[k], g) for g, both in enumerate(gates) for k, n in enumerate(both)}
        for form in _JOINED:
            single = _each(short, kind, (form,))
            if single:
                yield {n: Part("xh", g) for g, (n,) in enumerate(single)}
    for x, h in _STACKED:
        if x in short and h in short:
            yield {short[x]: Part("x", ALL), short[h]: Part("h", ALL)}
    for form in _JOINED:
        if form.format("") in short:
            yield {short[form.format("")]: Part("xh", ALL)}


def _each(short: dict[str, str], kind: str, forms: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The arrays of every gate, as far as all have one of each form."""
    found: list[tuple[str, ...]] = []
    for words in WORDS[kind]:
        fits = [tuple(short[f.format(w)] for f in forms) for w in words if all(f.format(w) in short for f in forms)]
        fits = [f for f in fits if not any(set(f) & set(other) for other in found)]
        if not fits:
            return []
        found.append(fits[0])
    return found


def _biases(short: dict[str, str], kind: str, matrices: Named) -> Iterator[Named]:
    found = list(_all_biases(short, kind, matrices))
    single = [f for f in found if kind != "rnn" and all(p.gate != ALL for p in f.values())]
    yield from single or found


def _all_biases(short: dict[str, str], kind: str, matrices: Named) -> Iterator[Named]:
    left = {s: n for s, n in short.items() if n not in matrices}
    for pair in _TWO:
        gates = _each(left, kind, pair)
        if gates:
            yield {n: Part(("bx", "bh")[k], g) for g, both in enumerate(gates) for k, n in enumerate(both)}
    for forms in _TWO:
        x, h = (f.format("") for f in forms)
        if x in left and h in left:
            yield {left[x]: Part("bx", ALL), left[h]: Part("bh", ALL)}
    for form in _BIASES:
        single = _each(left, kind, (form,))
        if single:
            yield {n: Part("b", g) for g, (n,) in enumerate(single)}
    for form in _BIASES:
        if form.format("") in left:
            yield {left[form.format("")]: Part("b", ALL)}


@dataclass(frozen=True)
class Gates:
    """How the parts stand in arrays.

    Attributes
    ----------
    kind : {"rnn", "lstm", "gru"}
    order : tuple of int
        Scratch's gates in the order of the columns where they stand side by side.
    state_first : bool
        Whether the rows of the state come before those of the input, where one array acts on both.
    turned : bool
        Whether matrices have the gates in their rows.
    reset_after : bool
    swapped : bool
        Whether the update gate is 1 - z: scratch's z is 1 - sigmoid(a) = sigmoid(-a), so that all of it changes its sign.
    columns : bool
        Whether biases have shape (n, 1).
    """

    kind: str
    order: tuple[int, ...]
    state_first: bool = True
    turned: bool = False
    reset_after: bool = False
    swapped: bool = False
    columns: bool = False

    @property
    def cell(self) -> RNNCell | LSTMCell | GRUCell:
        """The twin's description."""
        if self.kind == "gru":
            return GRUCell(D, H, reset_after=self.reset_after)
        return LSTMCell(D, H) if self.kind == "lstm" else RNNCell(D, H)

    def whole(self, params: dict[str, Array]) -> Array:
        """The matrix of all parameters, of shape (D + H + 2, gates H); without a second bias its last row is 0."""
        b = params["b"]
        whole = np.vstack([params["W"], params["U"], b, params.get("b_recurrent", np.zeros_like(b))])
        return self._signed(whole)

    def apart(self, whole: Array) -> dict[str, Array]:
        """Gradients of the parameters, as far as all their elements are there: the others are NaN."""
        whole = self._signed(whole)
        parts = {"W": whole[:D], "U": whole[D : D + H], "b": whole[D + H], "b_recurrent": whole[D + H + 1]}
        return {n: parts[n].copy() for n in self.cell.parameter_shapes() if not np.isnan(parts[n]).any()}

    def _signed(self, whole: Array) -> Array:
        if self.swapped:
            whole = whole.copy()
            whole[:, :H] *= -1
        return whole

    def _block(self, part: Part) -> tuple[list[int], list[int]]:
        x, h = list(range(D)), list(range(D, D + H))
        joined = h + x if self.state_first else x + h
        one = [D + H]
        rows = {
            "x": x, "h": h, "xh": joined, "1xh": one + joined, "xh1": joined + one, "b": one, "bx": one, "bh": [D + H + 1]
        }[part.rows]  # fmt: skip
        gates = self.order if part.gate == ALL else (part.gate,)
        return rows, [g * H + k for g in gates for k in range(H)]

    def size(self, part: Part) -> tuple[int, int]:
        """Numbers of rows and columns."""
        rows, columns = self._block(part)
        return len(rows), len(columns)

    def there(self, whole: Array, part: Part, shape: tuple[int, ...] | None = None) -> Array:
        """The user's array; in that shape, if it is given."""
        a = whole[np.ix_(*self._block(part))]
        if part.rows[0] == "b":
            return a.reshape(shape or ((-1, 1) if self.columns else (-1,))).copy()
        a = a.T if self._turned(part, shape) else a
        return np.ascontiguousarray(a).reshape(shape or a.shape).copy()

    def _turned(self, part: Part, shape: tuple[int, ...] | None) -> bool:
        rows, columns = self.size(part)
        if shape is None or rows == columns:
            return self.turned
        return [n for n in shape if n != 1] == [columns, rows]

    def back(self, whole: Array, part: Part, g: Array, shape: tuple[int, ...]) -> bool:
        """Write a gradient into its part of the whole; False if it has not the parameter's shape."""
        if [n for n in g.shape if n != 1] != [n for n in shape if n != 1]:
            return False
        rows, columns = self._block(part)
        if part.rows[0] == "b":
            whole[np.ix_(rows, columns)] = g.reshape(1, -1)
        else:
            turned = self._turned(part, shape)
            whole[np.ix_(rows, columns)] = g.reshape(len(columns), -1).T if turned else g.reshape(len(rows), -1)
        return True


def owners(part: Part) -> list[str]:
    """Scratch's parameters of which the array holds something."""
    both = ["W", "U"]
    return {"x": ["W"], "h": ["U"], "xh": both, "1xh": [*both, "b"], "xh1": [*both, "b"], "b": ["b"], "bx": ["b"], "bh": ["b_recurrent"]}[part.rows]  # fmt: skip
