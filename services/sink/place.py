"""How far a sink's worker came, for the next worker of the same parent: a killed sink goes on where it was.

A sink that remembers its position by itself does not need it, but for the time before its first event.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

WIDTH = 20


class Place:
    """One number in a file of the runtime directory, named after the parent. Written at once and whole."""

    def __init__(self, folder: Path, name: str, parent_pid: int) -> None:
        self._path = folder / f"sink-{name}.{parent_pid}.place"
        self._fd: int | None = None
        self._kept: int | None = None
        _forget_the_dead(folder)

    def last(self) -> int | None:
        """The `seq` of the last event that the former worker was done with; None if there was no former worker."""
        try:
            return int(self._path.read_bytes())
        except (OSError, ValueError):
            return None

    def keep(self, seq: int) -> None:
        """Never fails: on a full disk, no more is lost than what a kill would then lose."""
        if seq == self._kept:
            return
        with contextlib.suppress(OSError):
            if self._fd is None:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
            os.lseek(self._fd, 0, os.SEEK_SET)
            os.write(self._fd, str(seq).rjust(WIDTH).encode())
            self._kept = seq

    def forget(self) -> None:
        """The sink ends in good order: the next one begins as it is told."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def _forget_the_dead(folder: Path) -> None:
    """Parents that were killed have left theirs."""
    for path in folder.glob("sink-*.place"):
        pid = path.name.split(".")[-2]
        if not (pid.isdecimal() and psutil.pid_exists(int(pid))):
            path.unlink(missing_ok=True)
