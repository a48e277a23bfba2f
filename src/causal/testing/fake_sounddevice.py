"""The module `sounddevice` as far as Causal uses it, with the devices and the behaviour that a test gives it.

    sounddevice = FakeSoundDevice()
    sounddevice.add("USB Mic (hw:1,0)", channels=1)
    sounddevice.plays = [Block(b"...")]            # what an opened stream delivers at its start
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice)

As the real one: the list is that of the moment in which PortAudio started; an opening that fails raises
`PortAudioError`; a device that goes ends the stream, which only `finished_callback` tells.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple


class PortAudioError(Exception):
    pass


class Block(NamedTuple):
    """One call of the callback."""

    data: bytes
    overflow: bool = False


class FakeSoundDevice(ModuleType):
    PortAudioError = PortAudioError

    def __init__(self, api: str = "ALSA") -> None:
        super().__init__("sounddevice")
        self.default = SimpleNamespace(hostapi=0)
        self.plays: list[Block] = []
        self.refuses: str = ""
        """Why no stream can be opened."""
        self.rates_hz: set[int] = {44_100, 48_000}
        self.opened: list[dict[str, Any]] = []
        """The arguments of all openings."""
        self.aborted = 0
        self.then: Callable[[], None] | None = None
        """Called when all blocks are played; without it the device goes."""
        self._apis: list[dict[str, Any]] = []
        self._devices: list[dict[str, Any]] = []
        self.add_api(api)

    # As a test sees it

    def add_api(self, name: str) -> None:
        self._apis.append({"name": name, "devices": [], "default_input_device": -1, "default_output_device": -1})

    def add(self, name: str, channels: int = 2, *, api: int = 0, default: bool = False, rate_hz: int = 44_100) -> None:
        """A device to hear; 0 channels: one that only plays."""
        index = len(self._devices)
        self._devices.append(
            {
                "name": name,
                "index": index,
                "hostapi": api,
                "max_input_channels": channels,
                "default_samplerate": float(rate_hz),
            }
        )
        self._apis[api]["devices"].append(index)
        if default:
            self._apis[api]["default_input_device"] = index

    # As the driver sees it

    def query_devices(self) -> list[dict[str, Any]]:
        return self._devices

    def query_hostapis(self) -> list[dict[str, Any]]:
        return self._apis

    def check_input_settings(self, *, samplerate: int, **_: Any) -> None:
        if samplerate not in self.rates_hz:
            raise PortAudioError("Invalid sample rate")

    def RawInputStream(self, **arguments: Any) -> FakeStream:
        if self.refuses:
            raise PortAudioError(self.refuses)
        self.opened.append(arguments)
        return FakeStream(self, arguments)


class FakeStream:
    def __init__(self, module: FakeSoundDevice, arguments: dict[str, Any]) -> None:
        self._module = module
        self._arguments = arguments

    def start(self) -> None:
        for block in self._module.plays:
            frames = len(block.data) // (4 * self._arguments["channels"])
            status = SimpleNamespace(input_overflow=block.overflow)
            self._arguments["callback"](block.data, frames, None, status)
        (self._module.then or self._arguments["finished_callback"])()

    def abort(self) -> None:
        self._module.aborted += 1
