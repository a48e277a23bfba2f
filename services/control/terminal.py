"""The whole terminal, for as long as a `with` lasts; afterwards it is as it was before."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import Self

from .panel import Row

if sys.platform == "win32":
    from .keyboard_windows import Keyboard
else:
    from .keyboard_posix import Keyboard

BEGIN = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""The other screen, without a cursor, empty."""
END = "\x1b[?25h\x1b[?1049l"
LEAVE_KEYS = b"qQ\x04"


class FullScreen:
    """Draws pages on standard output; keys come from standard input, one by one and unseen."""

    def __init__(self, *, colour: bool) -> None:
        self.keys = Keyboard()
        self._colour = colour
        self._drawn = ""

    def __enter__(self) -> Self:
        self.keys.__enter__()
        _write(BEGIN)
        return self

    def __exit__(self, *_: object) -> None:
        _write(END)
        self.keys.__exit__()

    def draw(self, page: Sequence[Row]) -> None:
        """Shows the page; writes nothing if it is there already."""
        text = "\x1b[H" + "\r\n".join(f"{self._painted(row)}\x1b[K" for row in page) + "\x1b[J"
        if text != self._drawn:
            self._drawn = text
            _write(text)

    def wants_to_leave(self) -> bool:
        """Reads what was typed: q and Ctrl-D leave, and so does a terminal that is gone."""
        return any(key in LEAVE_KEYS for key in self.keys.typed())

    def _painted(self, row: Row) -> str:
        return f"\x1b[{row.style}m{row.text}\x1b[0m" if self._colour and row.style else row.text


def can_draw() -> bool:
    """Whether standard output is a terminal that understands more than lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def size() -> tuple[int, int]:
    """Columns and rows at the moment."""
    return shutil.get_terminal_size((80, 24))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
