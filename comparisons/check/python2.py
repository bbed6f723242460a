"""As much of Python 2 as files with backprop use: print statements, `except E, e`, `xrange` and its like."""

from __future__ import annotations

import builtins
import re

NAMES = {"xrange": range, "raw_input": builtins.input, "unicode": str, "basestring": str, "long": int}
_PRINT = re.compile(r"(^[ \t]*|:[ \t]*|;[ \t]*)print[ \t]+(?=[^\s(=.,)])", re.MULTILINE)
_BARE_PRINT = re.compile(r"^([ \t]*)print[ \t]*$", re.MULTILINE)
_EXCEPT = re.compile(r"except\s+([\w.]+|\([^)]*\))\s*,\s*(\w+)\s*:")
_RAISE = re.compile(r"raise\s+([\w.]+)\s*,\s*(.+)$", re.MULTILINE)
_QUOTES = ('"""', "'''", '"', "'")


def modernised(text: str) -> str:
    """The text in Python 3; line numbers stay."""
    pieces, end = [], 0
    for match in _PRINT.finditer(text):
        if match.start() < end:
            continue
        stop = _end_of_statement(text, match.end())
        what = text[match.end() : stop].rstrip()
        target = re.match(r">>\s*([\w.]+)\s*,?\s*", what)
        call = f"print({what[target.end() :]}, file={target[1]})" if target else f"print({what.rstrip(',')})"
        pieces += [text[end : match.start()], match[1], call]
        end = stop
    text = "".join([*pieces, text[end:]])
    text = _BARE_PRINT.sub(r"\1print()", text)
    text = _EXCEPT.sub(r"except \1 as \2:", text)
    text = _RAISE.sub(r"raise \1(\2)", text)
    return text.expandtabs(8)  # Python 2 let tabs and spaces mix


def _end_of_statement(text: str, start: int) -> int:
    """Where the logical line that goes on at `start` ends: brackets and strings may hold line breaks."""
    depth, i = 0, start
    while i < len(text):
        quote = next((q for q in _QUOTES if text.startswith(q, i)), None)
        if quote:
            closing = i + len(quote)
            while closing < len(text) and not text.startswith(quote, closing):
                closing += 2 if text[closing] == "\\" else 1
            i = closing + len(quote)
            continue
        if text[i] == "#":
            if depth == 0:
                return i
            i = text.find("\n", i) if "\n" in text[i:] else len(text)
            continue
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0 and text[i] in "\n;" and text[i - 1] != "\\":
            return i
        i += 1
    return len(text)
