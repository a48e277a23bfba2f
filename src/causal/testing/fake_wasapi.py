"""Windows' sound as far as Causal uses it: endpoints, and the module `pyaudiowpatch` on top of them.

    windows = FakeWindows()
    windows.add("Lautsprecher (Größe 2)", plays=True)
    windows.then(10, windows.packet)          # ten packets, one each 20 ms
    windows.then(50, windows.nothing)         # a second in which nothing plays: WASAPI delivers nothing
    windows.then(1, windows.unplug)           # AUDCLNT_E_DEVICE_INVALIDATED: the stream is not active any more

As the real one: the list is that of the moment in which PortAudio started; a loopback has the name of its output with
` [Loopback]` behind it; names are cut off after 63 characters; 16 devices are listed; what cannot be opened is an
`OSError` with -9999, and a loopback at another format than its own is refused. `time_ns` is the clock, and `stop` runs
the script: each wait is one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, NamedTuple

from causal.clock import NS_PER_MS

NAME_CHARS, LISTED = 63, 16
UNANTICIPATED = (-9999, "Unanticipated host error")
STEP_NS = 20 * NS_PER_MS


class FakeEndpoint(NamedTuple):
    """As Windows lists it."""

    id: str
    name: str
    kind: str
    default: bool
    channels: int
    rate_hz: int


class FakeWindows(ModuleType):
    """Both the machine and its `pyaudiowpatch`."""

    paFloat32, paWASAPI, paContinue, paInputOverflow = 1, 13, 0, 2

    def __init__(self) -> None:
        super().__init__("pyaudiowpatch")
        self.time_ns = 0
        self.endpoints: list[FakeEndpoint] = []
        self.refuses = False
        """Whether opening fails: exclusive use, or a microphone that may not be heard."""
        self.opened: list[dict[str, Any]] = []
        self.stream: FakeStream | None = None
        self.overflow = False
        """Whether the next packet follows a hole."""
        self.script: list[Callable[[], None]] = []

    # As a test sees it

    def add(
        self, name: str, *, plays: bool = False, default: bool = False, channels: int = 2, rate_hz: int = 48_000
    ) -> FakeEndpoint:
        flow = 0 if plays else 1
        own = f"{{0.0.{flow}.00000000}}.{{{len(self.endpoints):036x}}}"
        endpoint = FakeEndpoint(own, name, "loopback" if plays else "input", default, channels, rate_hz)
        self.endpoints.append(endpoint)
        return endpoint

    def then(self, times: int, step: Callable[[], None]) -> None:
        self.script += [step] * times

    def packet(self) -> None:
        """What plays, or is said, is delivered: the level is the number of the packet."""
        assert self.stream is not None
        self.stream.deliver(self.paInputOverflow if self.overflow else 0)
        self.overflow = False

    def nothing(self) -> None:
        """Time passes."""

    def unplug(self) -> None:
        """The endpoint is invalidated: unplugged, switched off, or its format is changed."""
        assert self.stream is not None
        self.stream.active = False

    def now_ns(self) -> int:
        return self.time_ns

    def wait(self, timeout_s: float) -> bool:
        """Stands for the event that stops a driver: one step of the script; true at its end."""
        del timeout_s
        if not self.script:
            return True
        self.time_ns += STEP_NS
        self.script.pop(0)()
        return False

    # As the driver sees it

    def read(self) -> list[FakeEndpoint]:
        return list(self.endpoints)

    def PyAudio(self) -> FakeManager:
        return FakeManager(self)


class FakeManager:
    def __init__(self, windows: FakeWindows) -> None:
        self._windows = windows
        names = [(one, one.name[:NAME_CHARS], False) for one in windows.endpoints]
        names += [(one, f"{one.name[:NAME_CHARS]} [Loopback]", True) for one in windows.endpoints if "0.0.0" in one.id]
        self._devices = [
            {
                "index": 20 + number,
                "name": name,
                "maxInputChannels": endpoint.channels if loopback or "0.0.1" in endpoint.id else 0,
                "maxOutputChannels": endpoint.channels if "0.0.0" in endpoint.id and not loopback else 0,
                "defaultSampleRate": float(endpoint.rate_hz),
                "isLoopbackDevice": loopback,
            }
            for number, (endpoint, name, loopback) in enumerate(names)
        ][:LISTED]

    def get_device_info_generator_by_host_api(self, *, host_api_type: int) -> Iterator[dict[str, Any]]:
        assert host_api_type == self._windows.paWASAPI
        yield from self._devices

    def open(self, **arguments: Any) -> FakeStream:
        windows = self._windows
        info = next(info for info in self._devices if info["index"] == arguments["input_device_index"])
        own = (info["maxInputChannels"], info["defaultSampleRate"])
        if windows.refuses or (info["isLoopbackDevice"] and own != (arguments["channels"], arguments["rate"])):
            raise OSError(*UNANTICIPATED)
        windows.opened.append(arguments | {"name": info["name"]})
        windows.stream = FakeStream(arguments)
        return windows.stream


class FakeStream:
    def __init__(self, arguments: dict[str, Any]) -> None:
        self.active = False
        self.closed = False
        self.packets = 0
        self._arguments = arguments

    def start_stream(self) -> None:
        self.active = True

    def is_active(self) -> bool:
        if self.closed:
            raise OSError(-9988, "Stream closed")
        return self.active

    def close(self) -> None:
        self.closed, self.active = True, False

    def deliver(self, status: int) -> None:
        import numpy as np

        self.packets += 1
        frames = self._arguments["rate"] * STEP_NS // 1_000_000_000
        data = np.full(frames * self._arguments["channels"], self.packets / 1000, np.float32).tobytes()
        self._arguments["stream_callback"](data, frames, {"input_buffer_adc_time": 0.0}, status)
