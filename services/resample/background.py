"""Slow work on the disk, done beside the loop."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from causal.messages import QueueDepth

log = logging.getLogger("causal.resample")


CAPACITY = 100


class Background:
    """One thread that does what it is given, in order. What fails there is logged, for nobody waits for it.

    Holds `CAPACITY` pieces of work: a disk may hang for minutes. When full, new ones are refused and counted; what is
    refused comes again in a second, but for a few that come once, which are taken all the same.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "disk")
        self._lock = threading.Lock()
        self._waiting = 0
        self._refused = 0

    def queue(self) -> QueueDepth:
        """What waits."""
        return QueueDepth(depth=self._waiting, capacity=CAPACITY, dropped=self._refused)

    def sync(self, fd: int) -> None:
        """Makes the file behind `fd` survive a power cut, soon; `fd` may be closed meanwhile."""
        if self._is_full():
            return
        own_fd = os.dup(fd)

        def work() -> None:
            try:
                os.fsync(own_fd)
            finally:
                os.close(own_fd)

        self.do_once(work)

    def do(self, work: Callable[[], object]) -> None:
        """Does `work` when everything before it is done. It comes again, so a full queue need not take it."""
        if not self._is_full():
            self.do_once(work)

    def do_once(self, work: Callable[[], object]) -> None:
        """Does `work`, which will not come again."""

        def logged() -> None:
            try:
                work()
            except OSError as error:
                log.warning("disk: %s", error)
            except Exception:
                log.exception("work on the disk was not done")
            finally:
                self._count(-1)

        self._count(+1)
        self._thread.submit(logged)

    def close(self) -> None:
        """Waits until everything is done."""
        self._thread.shutdown(wait=True)

    def _is_full(self) -> bool:
        full = self._waiting >= CAPACITY
        self._refused += full
        return full

    def _count(self, change: int) -> None:
        with self._lock:
            self._waiting += change
