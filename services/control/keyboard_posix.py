"""Keys as they are typed, on Unix."""

from __future__ import annotations

import os
import sys
import termios
import tty
from typing import Any, Self

assert sys.platform != "win32"

GONE = b"\x04"
"""Stands for a terminal that is gone: Ctrl-D."""


class Keyboard:
    """Standard input, key by key and unseen; as before afterwards."""

    def __init__(self) -> None:
        self.fd = sys.stdin.fileno() if sys.stdin.isatty() else None
        """Readable when a key was typed; None without a keyboard, or where that has to be asked."""
        self._former: list[Any] = []

    def __enter__(self) -> Self:
        if self.fd is not None:
            self._former = termios.tcgetattr(self.fd)
            tty.setcbreak(self.fd)
            _disable_suspend(self.fd)
        return self

    def __exit__(self, *_: object) -> None:
        if self.fd is not None:
            termios.tcsetattr(self.fd, termios.TCSADRAIN, self._former)

    def typed(self) -> bytes:
        """What was typed; call it when `fd` is readable."""
        if self.fd is None:
            return b""
        try:
            return os.read(self.fd, 64) or GONE
        except OSError:
            return GONE


def _disable_suspend(fd: int) -> None:
    """Takes Ctrl-Z away: it would leave the page to the shell, and its keys too."""
    mode = termios.tcgetattr(fd)
    mode[6][termios.VSUSP] = bytes([os.fpathconf(fd, "PC_VDISABLE")])
    termios.tcsetattr(fd, termios.TCSADRAIN, mode)
