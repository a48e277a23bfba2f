"""Microphones by PortAudio: Linux without a sound server (ALSA, JACK), macOS, and Windows where WASAPI's own way fails.

What ALSA's plug-ins hide behind a name is not known: all that ALSA offers counts as a microphone, but for the kernel's
own loopback card. JACK's ports say what they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from causal import permission
from causal.messages.control import Device

from . import driver_stream
from .backend import Listener, Stream
from .driver_frames import Order
from .polled_devices import PolledDevices

DRIVER = "causal.capture.portaudio_driver"
FIRST_ANSWER_S = 2.0
LOOK_EVERY_S = 2.0
LIST_EVERY_S = 10.0
"""Where no sign of a change is known, for each list costs a process."""


class PortAudioBackend:
    """Ids are `portaudio:<host api>/<device name>`, a second device of the same name with ` #2`."""

    live = True

    def __init__(self, block_ms: int = 50) -> None:
        self._block_ms = block_ms
        self._devices: PolledDevices | None = None
        self._watchers: list[Callable[[], None]] = []

    def devices(self) -> list[Device]:
        """What PortAudio finds. Raises `SourceError` naming the package when PortAudio is not installed."""
        return self._polled().wait(FIRST_ANSWER_S)

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts a process that hears the device; that it exists, or not, is told later. Raises `SourceError` where
        the system asks for a permission."""
        permission.require_microphone()
        kind = self._devices.kind_of(device_id) if self._devices else None
        return driver_stream.DriverStream(DRIVER, Order(device=device_id, kind=kind, block_ms=self._block_ms), listener)

    def watch(self, on_change: Callable[[], None]) -> Stream:
        """Calls `on_change` when a device comes or goes, or becomes the default."""
        self._watchers.append(on_change)
        self._polled()
        return _Watch(self, on_change)

    def unwatch(self, on_change: Callable[[], None]) -> None:
        self._watchers.remove(on_change)
        if not self._watchers and self._devices is not None:
            self._devices.close()
            self._devices = None

    def _polled(self) -> PolledDevices:
        if self._devices is None:
            sign, every_s = (_linux_sign, LOOK_EVERY_S) if sys.platform == "linux" else (None, LIST_EVERY_S)
            self._devices = PolledDevices(lambda: driver_stream.list_devices(DRIVER), self._changed, every_s, sign)
        return self._devices

    def _changed(self) -> None:
        for on_change in list(self._watchers):
            on_change()


class _Watch:
    def __init__(self, backend: PortAudioBackend, on_change: Callable[[], None]) -> None:
        self._backend = backend
        self._on_change = on_change

    def close(self) -> None:
        self._backend.unwatch(self._on_change)


def _linux_sign() -> object:
    """What differs when a sound card comes or goes, or a JACK server or client."""
    cards = Path("/proc/asound/cards")
    return (
        cards.read_bytes() if cards.exists() else b"",
        sorted(path.name for path in Path("/dev/snd").glob("*")),
        sorted(path.name for path in Path("/dev/shm").glob("jack*")),
    )
