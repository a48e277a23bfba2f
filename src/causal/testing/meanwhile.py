"""Work that goes on beside a test, or a laboratory, for as long as a `with` lasts.

class Flood(Meanwhile):
    def work(self) -> None:
        while not self.ending.wait(0.002):
            ...
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Meanwhile(ABC):
    """Its thread runs from `__enter__` to `__exit__`, which waits for it to end."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        """Set when the work shall end."""
        self._thread = threading.Thread(target=self.work, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ending.set()
        self._thread.join()

    @abstractmethod
    def work(self) -> None:
        """Runs on the thread, until it is done or `ending` is set."""
