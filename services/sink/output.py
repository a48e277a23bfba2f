"""Standard output, written by a thread: a reader that does not read (a pager, Ctrl-S) never stops the loop."""

from __future__ import annotations

import errno
import os
import queue
import select
import sys
import threading
import time

from causal.messages import QueueDepth

FLUSH_WITHIN_S = 1.0
AGAIN_AFTER_S = 1.0


class OutputBusy(OSError):
    """Nobody reads what was written."""


class Output:
    """Holds at most 1000 texts that are not written yet; a further one is refused with `OutputBusy`. One writer.

    What cannot be written (a full disk behind `>`) is tried again every second; `check` and `write` raise its error.
    """

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
        if _is_unread(self._fd):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if self._texts.full():
            raise OutputBusy("nobody reads the output")

    def write(self, text: bytes) -> None:
        self.check()
        self._texts.put_nowait(text)

    def queue(self) -> QueueDepth:
        """What is not written yet. Nothing is dropped: what is refused comes again."""
        return QueueDepth(depth=self._texts.qsize(), capacity=self.CAPACITY)

    def flush(self) -> None:
        """Waits until all is written, at most a second."""
        with self._texts.all_tasks_done:
            self._texts.all_tasks_done.wait_for(
                lambda: not self._texts.unfinished_tasks or self._error is not None, FLUSH_WITHIN_S
            )

    def _run(self) -> None:
        while True:
            left = memoryview(self._texts.get())
            while left:
                try:
                    left = left[os.write(self._fd, left) :]
                    self._error = None
                except OSError as error:
                    self._error = error
                    time.sleep(AGAIN_AFTER_S)
            self._texts.task_done()


def _is_unread(fd: int) -> bool:
    """Whether the reader of a pipe is gone. Windows tells that only to who writes."""
    if sys.platform == "win32":
        return False
    poll = select.poll()
    poll.register(fd, 0)  # tells of nothing but that the other end is gone
    return bool(poll.poll(0))
