"""A disk of its own that is full or read-only whenever a test wants it: a tmpfs, which only root may mount."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

PAGE_KB = 4
LOOKS = 50


class SmallDisk:
    """Mounted on `folder` from `__enter__` to `__exit__`, if that is permitted; else `missing` says why not."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder = folder
        self.missing = ""
        self._size_mb = size_mb

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        options = f"size={self._size_mb}m,mode=0700"
        try:
            _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder))
        except (OSError, subprocess.CalledProcessError) as error:
            self.missing = f"no tmpfs may be mounted ({_words(error)})"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.missing:
            _run("umount", "-l", str(self.folder))

    def fill(self) -> None:
        """Leaves no room, until `make_room`. A disk cannot become smaller than what is on it, and others go on writing
        between the look and the cut: then it is looked at again."""
        for look in range(LOOKS):
            used_kb = psutil.disk_usage(str(self.folder)).used // 1024
            try:
                self._resize(f"{max(used_kb, PAGE_KB)}k")
            except subprocess.CalledProcessError:
                if look == LOOKS - 1:
                    raise
            else:
                return

    def make_room(self) -> None:
        """Gives all its room back."""
        self._resize(f"{self._size_mb}m")

    def allow_writing(self, allowed: bool) -> None:
        """Makes it read-only, or writable again. Nobody may have a file open for writing."""
        _run("mount", "-o", f"remount,{'rw' if allowed else 'ro'}", str(self.folder))

    def _resize(self, size: str) -> None:
        _run("mount", "-o", f"remount,size={size}", str(self.folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _words(error: OSError | subprocess.CalledProcessError) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        return str(error.stderr).strip().splitlines()[0]
    return str(error.strerror)
