"""How far a sink has come that cannot say so in its output: a small file beside it, which keeps a second sink out."""

from __future__ import annotations

import errno
import os
from io import FileIO
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from .lock import lock

LEAST_BYTES = 512
"""Room is taken at once, so that a disk that fills up later does not matter."""

T = TypeVar("T", bound=msgspec.Struct)


class Progress(Generic[T]):
    """A record in a file that is written in place by one call, so that it is whole after a kill. One writer."""

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._kind = kind
        self._file: FileIO | None = None
        self._kept = b""

    def open(self, output: Path) -> T | None:
        """The record; None when there is none yet. Raises `ConfigError` when another sink writes `output`."""
        self._file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        lock(self._file, output)
        self._kept = self._file.readall()
        try:
            return msgspec.json.decode(self._kept, type=self._kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None

    def keep(self, record: T) -> None:
        """Writes the record down, over the one before."""
        assert self._file is not None
        text = msgspec.json.encode(record)
        if text == self._kept.rstrip():
            return  # as it was
        padded = text.ljust(max(len(self._kept.rstrip()), LEAST_BYTES))
        self._file.seek(0)
        if self._file.write(padded) != len(padded):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        self._kept = padded + self._kept[len(padded) :]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
