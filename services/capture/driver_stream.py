"""One open device in a driver process, and the list of devices by another.

Some libraries freeze their list of devices, hang, or abort the process when a device goes. So each of their streams
has a process of its own (`driver_main`): closing it may mean killing it, and its death is the loss of a device.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

import numpy as np

from causal.errors import SourceError
from causal.messages.control import Device

from . import driver_frames
from .backend import Listener
from .driver_frames import Found, Gone, Heard, Hole, Opened, Order
from .tail import Tail

KILL_AFTER_S = 1.0
LIST_WITHIN_S = 15.0
NO_WINDOW: int = getattr(subprocess, "CREATE_NO_WINDOW", 0)
"""A capture that runs as a service has no console, and a new one would be seen."""


class DriverStream:
    """Tells the listener what the process tells, on a thread of its own."""

    def __init__(self, module: str, order: Order, listener: Listener) -> None:
        self._device = order.device
        self._listener = listener
        self._channels = 1
        self._lock = threading.Lock()
        self._over = False
        self._closed = False
        self._process = _start(module, "hear", driver_frames.text(order))
        assert self._process.stderr is not None
        self._tail = Tail(self._process.stderr)
        self._killer = threading.Timer(KILL_AFTER_S, self._process.kill)
        self._killer.daemon = True
        self._thread = threading.Thread(target=self._run, name=f"hear {order.device}", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """The driver process."""
        return self._process.pid

    def close(self) -> None:
        """Nothing is told any more when this returns; the process ends by itself, or is killed after
        `KILL_AFTER_S`."""
        with self._lock:
            self._over = True
            closed, self._closed = self._closed, True
        if not closed:
            self._hang_up()
            self._killer.start()

    def join(self) -> None:
        """Returns when the process has ended."""
        self._thread.join()
        self._killer.join()

    def _run(self) -> None:
        assert self._process.stdout is not None
        take = self._process.stdout.read
        try:
            while (frame := driver_frames.read(take)) is not None:
                self._hand_on(frame)
        except Exception as error:
            self._lose(SourceError("internal", f"what is heard of {self._device} was not handled: {error!r}"))
        self._hang_up()
        code = self._process.wait()
        self._killer.cancel()
        self._lose(self._ended(code))
        self._process.stdout.close()

    def _hand_on(self, frame: driver_frames.Told | Heard) -> None:
        with self._lock:
            if self._over:
                return
            match frame:
                case Heard(captured_ns, data):
                    samples = np.frombuffer(data, np.float32).reshape(-1, self._channels)
                    self._listener.on_samples(samples, captured_ns)
                case Opened():
                    self._channels = frame.channels
                    self._listener.on_format(frame.rate_hz, frame.channels)
                case Hole():
                    self._listener.on_hole(frame.reason)
                case Gone():
                    self._over = True
                    self._listener.on_lost(driver_frames.as_error(frame))
                case Found():
                    pass

    def _lose(self, error: SourceError) -> None:
        with self._lock:
            if not self._over:
                self._over = True
                self._listener.on_lost(error)

    def _ended(self, code: int) -> SourceError:
        message = f"the process that hears {self._device} ended with code {code}{_said(self._tail)}"
        return SourceError("device-lost", message, "The device is opened again.", retryable=True)

    def _hang_up(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def list_devices(module: str, within_s: float = LIST_WITHIN_S) -> list[Device]:
    """What a process of its own finds now. Raises `SourceError`."""
    late = threading.Event()
    with _start(module, "list") as process:
        assert process.stdout is not None and process.stderr is not None
        tail = Tail(process.stderr)
        killer = threading.Timer(within_s, _give_up, (late, process))
        killer.start()
        frame = driver_frames.read(process.stdout.read)
        killer.cancel()
        if frame is not None:
            process.kill()
        code = process.wait()
        said = _said(tail)
    match frame:
        case Found():
            return list(frame.devices)
        case Gone():
            raise driver_frames.as_error(frame)
    how = f"took longer than {within_s:.0f} s" if late.is_set() else f"ended with code {code}{said}"
    raise SourceError("device-unavailable", f"listing the devices {how}", retryable=True)


def _give_up(late: threading.Event, process: subprocess.Popen[bytes]) -> None:
    late.set()
    process.kill()


def _said(tail: Tail) -> str:
    last = tail.last_line()
    return f", saying {last!r}" if last else ""


def _start(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "causal.capture.driver_main", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        creationflags=NO_WINDOW,
    )
