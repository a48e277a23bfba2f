"""Microphones and loopbacks of PulseAudio and PipeWire.

A loopback is what a sink plays; the server names it by the sink (`monitor_of_sink_name`). The server's own
`@DEFAULT_MONITOR@` is never used: on some releases of PipeWire it is the microphone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from causal.messages.control import Device

from . import libpulse
from .backend import DriverState, Listener, Stream
from .pulse_loudness import Loudness, wake_hint
from .pulse_stream import PulseStream

if TYPE_CHECKING:
    from .pulse_devices import PulseDevices, Snapshot

FIRST_ANSWER_S = 2.5


class PulseBackend:
    """Ids are `pulse:<source name>`. `server` is an address as in PULSE_SERVER, which it replaces."""

    live = True
    systems = ("linux",)

    def __init__(self, block_ms: int = 50, server: str | None = None) -> None:
        self._block_ms = block_ms
        self._server = server
        self._devices: PulseDevices | None = None
        self._watchers: list[Callable[[], None]] = []
        self._open: set[_Opened] = set()
        self._lock = threading.Lock()

    def devices(self) -> list[Device]:
        """The sources of the server. Raises `SourceError` when there is no server, or no libpulse."""
        snapshot = self._followed().wait(FIRST_ANSWER_S)
        if snapshot.error is not None:
            raise snapshot.error
        return list(snapshot.devices)

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts to hear a source; that it exists, or not, is told later."""
        name = device_id.removeprefix("pulse:")
        opened = _Opened(name, listener, self._block_ms, self._server, self._forget)
        with self._lock:
            self._open.add(opened)
        if self._devices is not None:
            opened.take(self._devices.snapshot)
        return opened

    def watch(self, on_change: Callable[[], None]) -> Stream:
        """Calls `on_change` when a device comes, goes, becomes the default, or is muted."""
        self._watchers.append(on_change)
        self._followed()
        return _Watch(lambda: self._unwatch(on_change))

    def close(self) -> None:
        """Ends the thread that follows the devices."""
        if self._devices is not None:
            self._devices.close()
            self._devices = None

    def _followed(self) -> PulseDevices:
        libpulse.library()
        if self._devices is None:
            from .pulse_devices import PulseDevices

            self._devices = PulseDevices(self._changed, self._server)
        return self._devices

    def _changed(self, snapshot: Snapshot) -> None:
        with self._lock:
            opened = list(self._open)
        for stream in opened:
            stream.take(snapshot)
        for on_change in list(self._watchers):
            on_change()

    def _forget(self, stream: _Opened) -> None:
        with self._lock:
            self._open.discard(stream)

    def _unwatch(self, on_change: Callable[[], None]) -> None:
        self._watchers.remove(on_change)
        if not self._watchers:
            self.close()


class _Opened:
    """An open stream, and what is said of it: by its own thread that it is suspended, by the one that follows the
    devices how loud it is. Each may change while the other lasts."""

    def __init__(
        self, source: str, listener: Listener, block_ms: int, server: str | None, forget: Callable[[_Opened], None]
    ) -> None:
        self._source = source
        self._listener = listener
        self._forget = forget
        self._lock = threading.Lock()
        self._suspended = False
        self._loudness = Loudness()
        self._told: tuple[DriverState, str] = ("running", "")
        self._stream = PulseStream(source, listener, block_ms, server, on_suspended=self._note_suspended)

    def take(self, snapshot: Snapshot) -> None:
        """The server's newest word on the source; a server that is away says nothing."""
        with self._lock:
            self._loudness = snapshot.loudness.get(self._source, Loudness())
            self._tell()

    def close(self) -> None:
        self._forget(self)
        self._stream.close()

    def _note_suspended(self, suspended: bool) -> None:
        with self._lock:
            self._suspended = suspended
            self._tell()

    def _tell(self) -> None:
        state: DriverState = "suspended" if self._suspended else "muted" if self._loudness.muted else "running"
        told = (state, wake_hint(self._source) if self._suspended else self._loudness.hint)
        if told != self._told:
            self._told = told
            self._listener.on_state(*told)


class _Watch:
    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    def close(self) -> None:
        self._end()
