"""A worker and its parent on Unix: two pipes, and SIGTERM to ask for the end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from causal.worker import PARENT_VARIABLE, Sign

assert sys.platform != "win32"

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Worker:
    """A process that runs, as its parent holds it."""

    def __init__(self, command: list[str]) -> None:
        """Starts it. Raises `OSError` when there is no memory, or no room for a process."""
        alive_read, alive_write = os.pipe()
        beat_read, beat_write = os.pipe()
        environment = os.environ | {PARENT_VARIABLE: f"{alive_read},{beat_write}"}
        self._ours = (os.fdopen(beat_read, "rb", 0), os.fdopen(alive_write, "wb", 0))
        try:
            self._process = subprocess.Popen(command, env=environment, pass_fds=(alive_read, beat_write))
        except OSError:
            self.close()
            raise
        finally:
            os.close(alive_read)
            os.close(beat_write)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of it: one that still runs takes that for its parent's death."""
        for end in self._ours:
            end.close()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def listen(self, within_s: float) -> Sign:
        """What came from it in that time."""
        beats = self._ours[0]
        ready, _, _ = select.select([beats], [], [], within_s)
        if not ready:
            return Sign.NOTHING
        return Sign.BEAT if os.read(beats.fileno(), 4096) else Sign.END

    def ask_to_end(self) -> None:
        if self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Its exit code; negative for a signal."""
        return self._process.wait()


class Lifeline:
    """The worker's ends of the two pipes. Without a parent nothing is sent, and nothing ever comes."""

    def __init__(self, pipes: str | None = None) -> None:
        text = os.environ.pop(PARENT_VARIABLE, "") if pipes is None else pipes
        alive, _, beat = text.partition(",")
        self.parent_fd = int(alive) if text else None
        """Readable when the worker shall end."""
        self.is_orphan = True
        """Whether that is because the parent is gone. It is: a parent that lives says it by a signal."""
        self._beat_fd = int(beat) if text else None
        for fd in (self.parent_fd, self._beat_fd):
            if fd is not None:
                os.set_inheritable(fd, False)  # a child that outlives the worker must not look like it
                os.set_blocking(fd, False)  # a parent that is stopped must not stop the worker

    def beat(self) -> None:
        """Says that the worker's loop turns. Call it from the loop, once a second."""
        if self._beat_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._beat_fd, b".")


def command(program: str, service: str, arguments: list[str]) -> list[str]:
    """How a parent starts its worker: the same program."""
    del service
    return [sys.executable, program, *arguments]


def on_end(callback: Callable[[int, FrameType | None], None]) -> None:
    """Calls back when this process is told to end."""
    for number in STOP_SIGNALS:
        signal.signal(number, callback)
