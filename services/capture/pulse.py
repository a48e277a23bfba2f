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
from .pulse_stream import PulseStream

if TYPE_CHECKING:
    from .pulse_devices import PulseDevices, Snapshot

FIRST_ANSWER_S = 2.5


class PulseBackend:
    """Ids are `pulse:<source name>`. `server` is an address as in PULSE_SERVER, which it replaces."""

    live = True

    def __init__(self, block_ms: int = 50, server: str | None = None) -> None:
        self._block_ms = block_ms
        self._server = server
        self._devices: PulseDevices | None = None
        self._watchers: list[Callable[[], None]] = []
        self._open: dict[_MuteAware, Listener] = {}
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
        stream = _MuteAware(PulseStream(name, listener, self._block_ms, self._server), self._forget)
        with self._lock:
            self._open[stream] = listener
        if self._devices is not None and name in self._devices.snapshot.muted:
            stream.tell(listener, True)
        return stream

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
            opened = list(self._open.items())
        for stream, listener in opened:
            stream.tell(listener, stream.source in snapshot.muted)
        for on_change in list(self._watchers):
            on_change()

    def _forget(self, stream: _MuteAware) -> None:
        with self._lock:
            self._open.pop(stream, None)

    def _unwatch(self, on_change: Callable[[], None]) -> None:
        self._watchers.remove(on_change)
        if not self._watchers:
            self.close()


class _MuteAware:
    """An open stream that also tells when it is muted, which libpulse's streams do not know."""

    def __init__(self, stream: PulseStream, forget: Callable[[_MuteAware], None]) -> None:
        self.source = stream.source
        self._stream = stream
        self._forget = forget
        self._muted = False

    def tell(self, listener: Listener, muted: bool) -> None:
        if muted != self._muted:
            self._muted = muted
            state: DriverState = "muted" if muted else "running"
            listener.on_state(state)

    def close(self) -> None:
        self._forget(self)
        self._stream.close()


class _Watch:
    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end

    def close(self) -> None:
        self._end()
