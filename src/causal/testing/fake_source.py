"""A source for tests: its devices come, deliver, and go when the test says so.

    source = FakeSource()
    source.add("fake:mic", kind="input", default=True)
    ...
    source.deliver("fake:mic", samples, captured_ns)
    source.lose("fake:mic")

Everything happens in the call, on the caller's thread; so no test waits for one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import Device, DeviceKind

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class FakeSource:
    """A backend of the entry-point group `causal.sources`, named `fake`."""

    def __init__(self, block_ms: int = 50, *, live: bool = True) -> None:
        self.live = live
        self.block_ms = block_ms
        self.problem: Exception | None = None
        """Raised by `devices` and `open` while it is set."""
        self.refused: set[str] = set()
        """Ids that cannot be opened."""
        self.hesitant: set[str] = set()
        """Ids that are opened, but do not answer before the test lets them."""
        self.opened: list[str] = []
        """The ids of all openings, in order."""
        self._devices: dict[str, Device] = {}
        self._streams: list[FakeStream] = []
        self._watchers: list[Callable[[], None]] = []

    # As causal.capture sees it

    def devices(self) -> list[Device]:
        if self.problem is not None:
            raise self.problem
        return list(self._devices.values())

    def open(self, device_id: str, listener: Any) -> FakeStream:
        if self.problem is not None:
            raise self.problem
        self.opened.append(device_id)
        stream = FakeStream(self, device_id, listener)
        self._streams.append(stream)
        device = self._devices.get(device_id)
        if device_id in self.refused:
            listener.on_lost(SourceError("device-unavailable", f"{device_id} cannot be opened", retryable=True))
        elif device is not None:
            if device_id not in self.hesitant:
                listener.on_format(device.rate_hz, device.channels)
        else:
            listener.on_lost(SourceError("device-not-found", f"there is no {device_id}", retryable=True))
        return stream

    def watch(self, on_change: Callable[[], None]) -> _Watch:
        self._watchers.append(on_change)
        return _Watch(lambda: self._watchers.remove(on_change))

    # As a test sees it

    def add(
        self,
        device_id: str,
        kind: DeviceKind = "input",
        *,
        default: bool = False,
        rate_hz: int = 48_000,
        channels: int = 1,
    ) -> None:
        """A device appears. As a default one it takes this from the others of its kind."""
        self._devices[device_id] = Device(
            id=device_id, name=device_id.partition(":")[2], kind=kind, backend="fake", default=False,
            channels=channels, rate_hz=rate_hz,
        )  # fmt: skip
        if default:
            self.make_default(device_id)
        self._tell()

    def make_default(self, device_id: str) -> None:
        chosen = self._devices[device_id]
        for name, device in self._devices.items():
            if device.kind == chosen.kind:
                self._devices[name] = _with_default(device, name == device_id)
        self._tell()

    def answer(self, device_id: str) -> None:
        """A hesitant device answers."""
        device = self._devices[device_id]
        for listener in self._listeners(device_id):
            listener.on_format(device.rate_hz, device.channels)

    def is_open(self, device_id: str) -> int:
        """How many times the device is open now."""
        return sum(stream.device_id == device_id for stream in self._streams)

    def deliver(self, device_id: str, samples: npt.NDArray[np.float32], captured_ns: int) -> None:
        """The device delivers one block to whoever has it open."""
        for listener in self._listeners(device_id):
            listener.on_samples(samples, captured_ns)

    def play(self, device_id: str, samples: npt.NDArray[np.float32], start_ns: int, block_frames: int = 2400) -> int:
        """Delivers an array block by block, each stamped exactly; returns the capture clock at its end."""
        rate_hz = self._devices[device_id].rate_hz
        for first in range(0, len(samples), block_frames):
            self.deliver(device_id, samples[first : first + block_frames], start_ns + first * NS_PER_S // rate_hz)
        return start_ns + len(samples) * NS_PER_S // rate_hz

    def hole(self, device_id: str, reason: str) -> None:
        for listener in self._listeners(device_id):
            listener.on_hole(reason)

    def state(self, device_id: str, state: str, hint: str = "") -> None:
        for listener in self._listeners(device_id):
            listener.on_state(state, hint)

    def end(self, device_id: str) -> None:
        for listener in self._listeners(device_id):
            listener.on_end()

    def lose(self, device_id: str) -> None:
        """The device is unplugged."""
        device = self._devices.pop(device_id, None)
        for listener in self._listeners(device_id):
            listener.on_lost(SourceError("device-lost", f"{device_id} has gone", retryable=True))
        if device is not None:
            self._tell()

    def _listeners(self, device_id: str) -> list[Any]:
        return [stream.listener for stream in list(self._streams) if stream.device_id == device_id]

    def _tell(self) -> None:
        for on_change in list(self._watchers):
            on_change()

    def _close(self, stream: FakeStream) -> None:
        self._streams.remove(stream)


class FakeStream:
    def __init__(self, source: FakeSource, device_id: str, listener: Any) -> None:
        self.device_id = device_id
        self.listener = listener
        self._source = source

    def close(self) -> None:
        self._source._close(self)


class _Watch:
    def __init__(self, end: Callable[[], Any]) -> None:
        self._end = end

    def close(self) -> None:
        self._end()


def _with_default(device: Device, default: bool) -> Device:
    return Device(
        id=device.id, name=device.name, kind=device.kind, backend=device.backend, default=default,
        channels=device.channels, rate_hz=device.rate_hz,
    )  # fmt: skip
