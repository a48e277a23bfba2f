"""Files that are written anew: a reader sees the old one or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

READ_WITHIN_S = 2.0
"""On Windows a file that somebody reads cannot be replaced: it is tried again for so long."""
AGAIN_AFTER_S = 0.01


def replace(path: Path, text: str) -> None:
    """Writes the whole file beside the old one, for this user alone, then puts it in its place."""
    with _written(path.with_name(f".{path.name}.new"), text) as new:
        until_s = time.monotonic() + READ_WITHIN_S
        while True:
            try:
                new.replace(path)
                return
            except PermissionError:
                if sys.platform != "win32" or time.monotonic() > until_s:
                    raise
            time.sleep(AGAIN_AFTER_S)


def create(path: Path, text: str) -> bool:
    """Writes the file, for this user alone. False if there is one already: that is left as it is."""
    with _written(path.with_name(f".{path.name}.{os.getpid()}"), text) as new:
        try:
            if sys.platform == "win32":
                new.rename(path)
            else:
                path.hardlink_to(new)
        except FileExistsError:
            return False
    return True


@contextlib.contextmanager
def _written(new: Path, text: str) -> Iterator[Path]:
    """A new file; it is gone afterwards, if it was not moved."""
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        yield new
    finally:
        new.unlink(missing_ok=True)
