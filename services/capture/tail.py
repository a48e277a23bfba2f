"""The last that a process printed, for the message that tells how it ended."""

from __future__ import annotations

import os
import threading
from typing import IO

KEPT_BYTES = 8192
LINE_CHARS = 200
WITHIN_S = 1.0


class Tail:
    """Takes a pipe over and reads it on a thread of its own, so that whoever writes never waits.

    Keeps the newest `KEPT_BYTES`; what came before them is forgotten. One writer, the thread.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._descriptor = os.dup(pipe.fileno())  # the thread's own: nobody closes it under its hands
        pipe.close()
        self._kept = b""
        self._thread = threading.Thread(target=self._read_all, name="tail", daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """The last line, or its beginning. Call it when the process has ended; one of its children may hold the pipe
        open, and is not waited for."""
        self._thread.join(WITHIN_S)
        lines = self._kept.decode("utf-8", "replace").strip().splitlines()
        return lines[-1][:LINE_CHARS] if lines else ""

    def _read_all(self) -> None:
        try:
            while data := os.read(self._descriptor, KEPT_BYTES):
                self._kept = (self._kept + data)[-KEPT_BYTES:]
        finally:
            os.close(self._descriptor)
