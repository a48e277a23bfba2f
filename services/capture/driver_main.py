"""The driver process: one library that opens devices, in a process that can be thrown away.

    python -m causal.capture.driver_main MODULE list
    python -m causal.capture.driver_main MODULE hear ORDER

MODULE has `devices() -> list[Device]` and `hear(order, tell, stop)`, which returns when `stop` is set. What they tell
goes to standard output (`driver_frames`); a `SourceError` is told too. The process ends when its standard input does:
when it is no longer wanted, or whoever wanted it has died. It never waits for a library that hangs.
"""

from __future__ import annotations

import importlib
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

from causal.errors import SourceError

from . import driver_frames
from .driver_frames import Found, Hole, Opened

TIDY_WITHIN_S = 0.5
WAITING_FRAMES = 512


class Teller:
    """Writes frames, on a thread of its own, so that no driver's thread waits for a pipe.

    Size: `WAITING_FRAMES` frames. When full: samples are dropped, and a hole is told before the next that fit. Any
    thread may write.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_FRAMES)
        self._dropped = False
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self._thread.start()

    def opened(self, rate_hz: int, channels: int) -> None:
        self._waiting.put(driver_frames.pack(Opened(rate_hz=rate_hz, channels=channels)))

    def samples(self, data: bytes, captured_ns: int) -> None:
        """Interleaved float32. Never waits."""
        try:
            if self._dropped:
                self._waiting.put_nowait(driver_frames.pack(Hole(reason="overflow")))
                self._dropped = False
            self._waiting.put_nowait(driver_frames.pack_samples(data, captured_ns))
        except queue.Full:
            self._dropped = True

    def hole(self, reason: str) -> None:
        """Never waits."""
        try:
            self._waiting.put_nowait(driver_frames.pack(Hole(reason=reason)))
        except queue.Full:
            self._dropped = True

    def gone(self, error: SourceError) -> None:
        self._waiting.put(driver_frames.pack(driver_frames.gone(error)))

    def found(self, devices: list[Any]) -> None:
        self._waiting.put(driver_frames.pack(Found(devices=tuple(devices))))

    def close(self) -> None:
        """Returns when all is written."""
        self._waiting.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        while (frame := self._waiting.get()) is not None:
            rest = memoryview(frame)
            while rest:
                try:
                    rest = rest[os.write(self._descriptor, rest) :]
                except OSError:  # nobody reads any more
                    os._exit(0)


def main(module: str, task: str, *order: str) -> None:
    """Carries out one task, and ends the process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to all of a group; capture says when the device is not wanted
        signal.signal(number, signal.SIG_IGN)
    tell = Teller(_own_output())
    stop = threading.Event()
    try:
        threading.Thread(target=_await_end, args=(_own_input(), stop, task), daemon=True).start()
        driver = importlib.import_module(module)
        if task == "list":
            tell.found(driver.devices())
        else:
            driver.hear(driver_frames.order(*order), tell, stop)
    except SourceError as error:
        tell.gone(error)
    except Exception as error:
        tell.gone(SourceError("internal", f"{module} failed: {error!r}", retryable=True))
    tell.close()
    os._exit(0)  # without the library's own farewell, which may wait for ever


def _own_output() -> int:
    """Standard output for us alone: what libraries print goes to standard error."""
    descriptor = os.dup(1)
    os.dup2(2, 1)
    if sys.platform == "win32":
        import msvcrt

        msvcrt.setmode(descriptor, os.O_BINARY)
    return descriptor


def _own_input() -> int:
    """Standard input for us alone. On Windows each library that is loaded asks what kind of file standard input is, and
    would wait there for the read to end."""
    descriptor = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return descriptor


def _await_end(descriptor: int, stop: threading.Event, task: str) -> None:
    while os.read(descriptor, 64):
        pass
    stop.set()
    if task == "hear":
        time.sleep(TIDY_WITHIN_S)
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
