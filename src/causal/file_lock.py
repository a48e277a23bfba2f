"""A lock on an open file, which goes with its process: flock on Unix, a locked byte on Windows."""

from __future__ import annotations

import sys
from typing import IO, Any

if sys.platform == "win32":
    import msvcrt
    import os

    PLACE = 1 << 30
    """Whoever reads a locked byte gets an error: this one lies far behind what is in these files."""

    def take(file: IO[Any]) -> bool:
        """Locks a file that is open for writing, until it is closed. False when another has it."""
        fd = file.fileno()
        former = os.lseek(fd, 0, os.SEEK_CUR)
        os.lseek(fd, PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except OSError:  # EACCES; from Wine nothing that could be told apart
            return False
        finally:
            os.lseek(fd, former, os.SEEK_SET)
        return True

else:
    import fcntl

    def take(file: IO[Any]) -> bool:
        """Locks a file that is open for writing, until it is closed. False when another has it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
