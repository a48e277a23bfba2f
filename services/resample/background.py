"""Slow work on the disk, done beside the loop."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("causal.resample")


class Background:
    """One thread that does what it is given, in order. What fails there is logged, for nobody waits for it."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "disk")

    def sync(self, fd: int) -> None:
        """Makes the file behind `fd` survive a power cut, soon; `fd` may be closed meanwhile."""
        own_fd = os.dup(fd)

        def work() -> None:
            try:
                os.fsync(own_fd)
            finally:
                os.close(own_fd)

        self.do(work)

    def do(self, work: Callable[[], object]) -> None:
        """Does `work` when everything before it is done."""

        def logged() -> None:
            try:
                work()
            except OSError as error:
                log.warning("disk: %s", error)
            except Exception:
                log.exception("work on the disk was not done")

        self._thread.submit(logged)

    def close(self) -> None:
        """Waits until everything is done."""
        self._thread.shutdown(wait=True)
