"""Room that is kept for the event log, for the day on which the disk is full."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

SIZE_BYTES = 16 << 20
"""Some hours of transcripts."""
PLENTY = 4
"""The ballast is laid when there is room for so many of it."""
PIECE_BYTES = 1 << 20


class Ballast:
    """A file without meaning: given up when the disk is full, laid again when there is plenty of room."""

    def __init__(self, path: Path, size_bytes: int = SIZE_BYTES) -> None:
        self.spent = False
        """Whether it was given up, and is not laid again yet."""
        self._path = path
        self._size_bytes = size_bytes

    def lay(self) -> None:
        """Lays the ballast if it is not there and the disk has plenty of room."""
        with contextlib.suppress(OSError):
            if self._is_laid():
                self.spent = False
            elif self._free_bytes() >= PLENTY * self._size_bytes:
                self._write()
                self.spent = False

    def spend(self) -> bool:
        """Gives the ballast up. False when there was none."""
        try:
            self._path.unlink()
        except OSError:
            return False
        self.spent = True
        return True

    def is_disk_full(self) -> bool:
        """Whether hardly any room is left."""
        try:
            return self._free_bytes() < PIECE_BYTES
        except OSError:
            return False

    def _is_laid(self) -> bool:
        return self._path.exists() and self._path.stat().st_size == self._size_bytes

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._path.parent).free

    def _write(self) -> None:
        try:
            with self._path.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, self._size_bytes)
                else:
                    for _ in range(0, self._size_bytes, PIECE_BYTES):
                        file.write(bytes(PIECE_BYTES))
        except OSError:
            self._path.unlink(missing_ok=True)
            raise
