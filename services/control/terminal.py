"""The whole terminal, for as long as a `with` lasts; afterwards it is as it was before."""

from __future__ import annotations

import os
import shutil
import sys
import termios
import tty
from collections.abc import Sequence
from typing import Any, Self

from .panel import Row

BEGIN = "\x1b[?1049h\x1b[?25l\x1b[2J"
"""The other screen, without a cursor, empty."""
END = "\x1b[?25h\x1b[?1049l"
LEAVE_KEYS = b"qQ\x04"


class FullScreen:
    """Draws pages on standard output; keys come from standard input, one by one and unseen."""

    def __init__(self, *, colour: bool) -> None:
        self.keys = sys.stdin.fileno() if sys.stdin.isatty() else None
        """The descriptor of the keyboard, if there is one."""
        self._colour = colour
        self._drawn = ""
        self._former: list[Any] = []

    def __enter__(self) -> Self:
        if self.keys is not None:
            self._former = termios.tcgetattr(self.keys)
            tty.setcbreak(self.keys)
            _disable_suspend(self.keys)
        _write(BEGIN)
        return self

    def __exit__(self, *_: object) -> None:
        _write(END)
        if self.keys is not None:
            termios.tcsetattr(self.keys, termios.TCSADRAIN, self._former)

    def draw(self, page: Sequence[Row]) -> None:
        """Shows the page; writes nothing if it is there already."""
        text = "\x1b[H" + "\r\n".join(f"{self._painted(row)}\x1b[K" for row in page) + "\x1b[J"
        if text != self._drawn:
            self._drawn = text
            _write(text)

    def wants_to_leave(self) -> bool:
        """Reads what was typed: q and Ctrl-D leave, and so does a terminal that is gone."""
        if self.keys is None:
            return False
        try:
            typed = os.read(self.keys, 64)
        except OSError:
            return True
        return not typed or any(key in LEAVE_KEYS for key in typed)

    def _painted(self, row: Row) -> str:
        return f"\x1b[{row.style}m{row.text}\x1b[0m" if self._colour and row.style else row.text


def can_draw() -> bool:
    """Whether standard output is a terminal that understands more than lines."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def size() -> tuple[int, int]:
    """Columns and rows at the moment."""
    return shutil.get_terminal_size((80, 24))


def _disable_suspend(fd: int) -> None:
    """Takes Ctrl-Z away: it would leave the page to the shell, and its keys too."""
    mode = termios.tcgetattr(fd)
    mode[6][termios.VSUSP] = bytes([os.fpathconf(fd, "PC_VDISABLE")])
    termios.tcsetattr(fd, termios.TCSADRAIN, mode)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
