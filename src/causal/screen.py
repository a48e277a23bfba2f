"""A terminal with lines that stay and, below them, lines that change. No I/O: says what to write.

Every change is one text that first writes over what is there and then clears the rest, so nothing flickers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

MAX_BOTTOM_ROWS = 10

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
_JOINERS = "\u200c\u200d"
"""Zero-width, but without them Persian and Indic words are written wrong."""


class Screen:
    """Remembers what stands in the changing part. The cursor rests at the end of its last line."""

    def __init__(self) -> None:
        self._drawn: tuple[str, ...] = ()
        self._width = 0

    def show(self, lines: Sequence[str], bottom: Sequence[str], width: int) -> str:
        """What adds `lines` to those that stay and makes `bottom` the changing part; empty when nothing changes.

        Each line of `bottom` must be narrower than `width` columns, so that it is one row. More than 10 are not shown.
        """
        new = tuple(bottom[:MAX_BOTTOM_ROWS])
        if not lines and new == self._drawn and width == self._width:
            return ""
        text = self._to_first_row(width)
        if lines:
            text += "\x1b[J" + "".join(f"{line}\n" for line in lines)
        text += "\n".join(f"{line}\x1b[K" for line in new)
        if len(new) < len(self._drawn) or not new:
            text += "\x1b[J"
        self._drawn, self._width = new, width
        return text

    def _to_first_row(self, width: int) -> str:
        """A terminal that became narrower has wrapped what was drawn."""
        rows = sum(max(1, -(-width_of(line) // max(1, width))) for line in self._drawn)
        return f"\r\x1b[{rows - 1}A" if rows > 1 else "\r"


def clean(text: str) -> str:
    """`text` as one line without control characters: what a server sends must not steer the terminal."""
    return "".join(char if char.isprintable() or char in _JOINERS else " " for char in text)


def width_of(text: str) -> int:
    """The columns that `text` takes, styles left out."""
    return sum(_columns(char) for char in _STYLE.sub("", text))


def tail(text: str, columns: int) -> str:
    """As much of the end of `text` as fits into `columns`, with an ellipsis where something is left out."""
    if width_of(text) <= columns:
        return text
    room = columns - 1
    start = len(text)
    while start > 0 and room >= _columns(text[start - 1]):
        start -= 1
        room -= _columns(text[start])
    while start < len(text) and _columns(text[start]) == 0:
        start += 1
    return "…" + text[start:] if columns > 0 else ""


def head(text: str, columns: int) -> str:
    """As much of the beginning of `text` as fits into `columns`, with an ellipsis where something is left out."""
    if width_of(text) <= columns:
        return text
    return text[: _fitting(text, columns - 1)] + "…" if columns > 0 else ""


def wrapped(text: str, columns: int, indent: int = 0) -> list[str]:
    """`text` in rows of at most `columns`, broken at blanks where there are some; all but the first row begin with
    `indent` blanks, which should be fewer than half of `columns`."""
    rows, margin = [], ""
    while width_of(text) > columns - len(margin):
        fitting = max(1, _fitting(text, columns - len(margin)))
        end = text.rfind(" ", 0, fitting + 1)
        if not text[: max(end, 0)].strip():
            end = fitting
        rows.append(margin + text[:end])
        text, margin = text[end:].lstrip(" "), " " * indent
    return [*rows, margin + text] if text else rows


def _fitting(text: str, columns: int) -> int:
    """How many characters from the beginning fit."""
    end = 0
    while end < len(text) and columns >= _columns(text[end]):
        columns -= _columns(text[end])
        end += 1
    return end


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
