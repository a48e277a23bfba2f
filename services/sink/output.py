"""Standard output, written by a thread: a reader that does not read (a pager, Ctrl-S) never stops the loop."""

from __future__ import annotations

import os
import queue
import threading

FLUSH_WITHIN_S = 1.0


class OutputBusy(OSError):
    """Nobody reads what was written."""


class Output:
    """Holds at most 1000 texts that are not written yet; a further one is refused with `OutputBusy`. One writer."""

    CAPACITY = 1000

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._texts: queue.Queue[bytes] = queue.Queue(self.CAPACITY)
        self._error: OSError | None = None
        threading.Thread(target=self._run, name="output", daemon=True).start()

    def check(self) -> None:
        """Raises what `write` would raise: `OutputBusy`, or `BrokenPipeError` once the reader is gone."""
        if self._error is not None:
            raise self._error
        if self._texts.full():
            raise OutputBusy("nobody reads the output")

    def write(self, text: bytes) -> None:
        self.check()
        self._texts.put_nowait(text)

    def flush(self) -> None:
        """Waits until all is written, at most a second."""
        with self._texts.all_tasks_done:
            self._texts.all_tasks_done.wait_for(
                lambda: not self._texts.unfinished_tasks or self._error is not None, FLUSH_WITHIN_S
            )

    def _run(self) -> None:
        while True:
            left = memoryview(self._texts.get())
            try:
                while left:
                    left = left[os.write(self._fd, left) :]
            except OSError as error:
                self._error = error
                return
            finally:
                self._texts.task_done()
