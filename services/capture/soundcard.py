"""The last resort: the package `soundcard`, for machines where the other ways fail. Chosen by `backend = "soundcard"`.

It hangs when a device sleeps, aborts its process when the server goes, and has no times of its own; so it lives in a
driver process, which capture kills when nothing comes, and samples are stamped when they arrive.
"""

from __future__ import annotations

from collections.abc import Callable

from causal import permission
from causal.messages.control import Device

from . import driver_stream
from .backend import Listener, Stream
from .driver_frames import Order
from .polled_devices import PolledDevices, Watchers

DRIVER = "causal.capture.soundcard_driver"
FIRST_ANSWER_S = 2.5
LIST_EVERY_S = 10.0


class SoundCardBackend:
    """Ids are `soundcard:<the library's id>`."""

    live = True

    def __init__(self, block_ms: int = 50) -> None:
        self._block_ms = block_ms
        self._watchers = Watchers(lambda told: PolledDevices(_list, told, LIST_EVERY_S))

    def devices(self) -> list[Device]:
        """What the library finds. Raises `SourceError`."""
        return self._watchers.devices().wait(FIRST_ANSWER_S)

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts a process that hears the device; that it exists, or not, is told later."""
        permission.require_microphone()
        order = Order(device=device_id, kind=self._watchers.kind_of(device_id), block_ms=self._block_ms)
        return driver_stream.DriverStream(DRIVER, order, listener)

    def watch(self, on_change: Callable[[], None]) -> Stream:
        """Calls `on_change` when the list differs from that of `LIST_EVERY_S` ago."""
        return self._watchers.watch(on_change)


def _list() -> list[Device]:
    return driver_stream.list_devices(DRIVER)
