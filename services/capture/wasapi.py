"""Windows: microphones, and what any output plays.

Ids are `wasapi:<endpoint id>`, which Windows gives and keeps. An endpoint that plays is a loopback, one that hears is a
microphone: Windows says which, not the name.
"""

from __future__ import annotations

from collections.abc import Callable

from causal.messages.control import Device

from . import driver_stream, endpoints
from .backend import Listener, Stream
from .driver_frames import Order
from .endpoints import Endpoint
from .polled_devices import PolledDevices, Watchers

DRIVER = "causal.capture.wasapi_driver"
FIRST_ANSWER_S = 2.5
LOOK_EVERY_S = 1.0


class WasapiBackend:
    """Each open device has a driver process, which begins with a list of its own: PortAudio's never changes."""

    live = True
    systems = ("win32",)

    def __init__(self, block_ms: int = 50) -> None:
        self._block_ms = block_ms
        self._watchers = Watchers(lambda told: PolledDevices(read, told, LOOK_EVERY_S))

    def devices(self) -> list[Device]:
        """All endpoints that are plugged in and switched on. Raises `SourceError`."""
        return self._watchers.devices().wait(FIRST_ANSWER_S)

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts a process that hears the endpoint; that it exists, or not, is told later."""
        order = Order(device=device_id, kind=self._watchers.kind_of(device_id), block_ms=self._block_ms)
        return driver_stream.DriverStream(DRIVER, order, listener)

    def watch(self, on_change: Callable[[], None]) -> Stream:
        """Calls `on_change` when an endpoint comes or goes, or becomes the default."""
        return self._watchers.watch(on_change)


def read() -> list[Device]:
    """Raises `SourceError`."""
    return [_device(endpoint) for endpoint in endpoints.read()]


def _device(endpoint: Endpoint) -> Device:
    return Device(
        id=endpoints.PREFIX + endpoint.id,
        name=endpoint.name,
        kind=endpoint.kind,
        backend="wasapi",
        default=endpoint.default,
        channels=endpoint.channels,
        rate_hz=endpoint.rate_hz,
    )
