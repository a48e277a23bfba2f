"""Keys as they are typed, on Windows."""

from __future__ import annotations

import msvcrt
import sys
from typing import Self

assert sys.platform == "win32"


class Keyboard:
    """The console's keys, unseen. Nothing tells that one was typed: ask for `typed` now and then."""

    def __init__(self) -> None:
        self.fd: int | None = None
        self._is_there = sys.stdin is not None and sys.stdin.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was changed."""

    def typed(self) -> bytes:
        """What was typed since the last time; never waits."""
        keys = b""
        while self._is_there and msvcrt.kbhit():
            keys += msvcrt.getch()
        return keys
