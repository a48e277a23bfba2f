"""Child processes that end with their parent: at an error, at Ctrl-C, at SIGTERM, and when the terminal closes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType, TracebackType
from typing import IO, Self

if sys.platform == "win32":
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGBREAK)
else:
    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
END_WITHIN_S = 8.0
TICK_S = 3.0


class Children:
    """While it is open, each of `SIGNALS` raises `KeyboardInterrupt`, and no child outlives `run`."""

    def __init__(self) -> None:
        self._busy = False
        self._interrupted = False

    def __enter__(self) -> Self:
        self._former = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def run(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | None = None,
        tick: Callable[[], None] = lambda: None,
    ) -> int:
        """The exit code of a command, which runs in a process group of its own. Calls `tick` every 3 s."""
        with self._uninterrupted():
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        try:
            while True:
                try:
                    return process.wait(TICK_S)
                except subprocess.TimeoutExpired:
                    tick()
        finally:
            with self._uninterrupted():
                _end(process)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._busy:
            raise KeyboardInterrupt
        self._interrupted = True

    @contextlib.contextmanager
    def _uninterrupted(self) -> Iterator[None]:
        """Keeps a signal for afterwards, so that no child is forgotten and none is left half ended."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False
        if self._interrupted:
            self._interrupted = False
            raise KeyboardInterrupt


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks a child to end, as Ctrl-C does; then ends what is left of its group. On Windows, where one cannot ask, it is
    ended at once."""
    if sys.platform == "win32":
        process.kill()
        process.wait()
        return
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(END_WITHIN_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
