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

from . import core_audio, driver_stream
from .backend import Listener, Stream
from .driver_frames import Order
from .polled_devices import PolledDevices, Watchers

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
        self._watchers = Watchers(_poll)

    def devices(self) -> list[Device]:
        """What PortAudio finds. Raises `SourceError` naming the package when PortAudio is not installed."""
        return self._watchers.devices().wait(FIRST_ANSWER_S)

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts a process that hears the device; that it exists, or not, is told later. Raises `SourceError` where
        the system asks for a permission."""
        permission.require_microphone()
        order = Order(device=device_id, kind=self._watchers.kind_of(device_id), block_ms=self._block_ms)
        return driver_stream.DriverStream(DRIVER, order, listener)

    def watch(self, on_change: Callable[[], None]) -> Stream:
        """Calls `on_change` when a device comes or goes, or becomes the default."""
        return self._watchers.watch(on_change)


def _poll(told: Callable[[], None]) -> PolledDevices:
    sign = _linux_sign if sys.platform == "linux" else core_audio.device_sign() if sys.platform == "darwin" else None
    return PolledDevices(_list, told, LOOK_EVERY_S if sign else LIST_EVERY_S, sign)


def _list() -> list[Device]:
    return driver_stream.list_devices(DRIVER)


def _linux_sign() -> object:
    """What differs when a sound card comes or goes, or a JACK server or client."""
    cards = Path("/proc/asound/cards")
    return (
        cards.read_bytes() if cards.exists() else b"",
        sorted(path.name for path in Path("/dev/snd").glob("*")),
        sorted(path.name for path in Path("/dev/shm").glob("jack*")),
    )
