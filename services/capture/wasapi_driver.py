"""Hears by PyAudioWPatch, which is PortAudio with WASAPI's loopbacks. Runs in a driver process alone."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any

from causal import clock
from causal.clock import NS_PER_S
from causal.errors import SourceError

from . import endpoints
from .driver_frames import Order
from .driver_main import Teller
from .endpoints import Endpoint
from .silence import Silence

TICK_S = 0.05
LOOPBACK_PACKET_MS = 20
"""Short: what has not filled a packet when the sound ends, PortAudio keeps, and it comes after the silence. Not
shorter: PortAudio has room for two or three packets while we are late."""

NAME_CHARS = 60
"""PortAudio cuts names off after 63 characters."""

LOOPBACK_MARK = " [Loopback]"
MICROPHONE_PANE = "Settings > Privacy & security > Microphone"
LIST_HINT = "causal-ctl list shows what there is."
GONE_HINT = "It is taken up again when it comes back."


def hear(order: Order, tell: Teller, stop: threading.Event) -> None:
    """Tells samples until `stop`. Raises `SourceError`."""
    import pyaudiowpatch

    manager = pyaudiowpatch.PyAudio()
    endpoint, info = _find(manager, pyaudiowpatch, order)
    # A loopback opens at the mix format alone: the device's own rate and channels.
    rate_hz, channels = int(info["defaultSampleRate"]), int(info["maxInputChannels"])
    packet_ms = LOOPBACK_PACKET_MS if endpoint.kind == "loopback" else order.block_ms
    ear = Ear(tell, rate_hz, channels, order.block_ms, loopback=endpoint.kind == "loopback")

    def on_packet(data: bytes, frames: int, _times: Any, status: int) -> tuple[None, int]:
        ear.on_packet(data, frames, clock.now_ns(), overflow=bool(status & pyaudiowpatch.paInputOverflow))
        return None, pyaudiowpatch.paContinue

    try:
        stream = manager.open(
            format=pyaudiowpatch.paFloat32, rate=rate_hz, channels=channels, input=True, start=False,
            input_device_index=info["index"], stream_callback=on_packet,
            frames_per_buffer=rate_hz * packet_ms // 1000,
        )  # fmt: skip
        tell.opened(rate_hz, channels)
        stream.start_stream()
    except OSError as error:
        raise _explained(endpoint, error) from error
    while not stop.wait(TICK_S):
        if not _is_active(stream):
            raise SourceError("device-lost", f"{endpoint.name} has gone, or its format has changed", GONE_HINT,
                              retryable=True)  # fmt: skip
        ear.on_tick(clock.now_ns())
    stream.close()


class Ear:
    """Joins packets to blocks of `block_ms`, and puts the silence of a loopback between them.

    Size: one block. A full block is told at once; a partial one goes when silence or a hole follows. PortAudio's thread
    and the process's own loop call it.
    """

    def __init__(self, tell: Teller, rate_hz: int, channels: int, block_ms: int, *, loopback: bool) -> None:
        self._tell = tell
        self._rate_hz = rate_hz
        self._frame_bytes = 4 * channels
        self._block_bytes = max(1, rate_hz * block_ms // 1000) * self._frame_bytes
        self._silence = Silence(rate_hz, clock.now_ns()) if loopback else None
        self._silent = loopback
        """Whether what was told last was silence: Windows calls the first packet after it a discontinuity."""
        self._block = bytearray()
        self._started_ns = 0
        self._lock = threading.Lock()

    def on_packet(self, data: bytes, frames: int, now_ns: int, *, overflow: bool = False) -> None:
        with self._lock:
            if overflow and not self._silent:
                self._hand_on()
                self._tell.hole("overflow")
            end_ns = now_ns
            zeros = 0
            if self._silence is not None:
                zeros, end_ns = self._silence.on_packet(frames, now_ns), self._silence.end_ns
            begins_ns = end_ns - frames * NS_PER_S // self._rate_hz
            self._tell_zeros(zeros, begins_ns)
            self._silent = False
            if not self._block:
                self._started_ns = begins_ns
            self._block += data
            if len(self._block) >= self._block_bytes:
                self._hand_on()

    def on_tick(self, now_ns: int) -> None:
        with self._lock:
            if self._silence is None:
                return
            zeros = self._silence.on_tick(now_ns)
            if zeros is None:
                self._hand_on()
                self._tell.hole("suspended")
            else:
                self._tell_zeros(zeros, self._silence.end_ns)

    def _tell_zeros(self, frames: int, end_ns: int) -> None:
        if frames:
            self._hand_on()
            self._tell.samples(bytes(frames * self._frame_bytes), end_ns - frames * NS_PER_S // self._rate_hz)
            self._silent = True

    def _hand_on(self) -> None:
        if self._block:
            self._tell.samples(bytes(self._block), self._started_ns)
            self._block.clear()


def find(endpoint: Endpoint, all_endpoints: Iterable[Endpoint], devices: Iterable[Mapping[str, Any]]) -> int | None:
    """PortAudio's number of an endpoint: the one of its name, and of its kind. Of several with one name, which Windows
    hardly allows, it is the one in the same place."""
    loopback = endpoint.kind == "loopback"
    named = [
        int(info["index"])
        for info in devices
        if bool(info["isLoopbackDevice"]) == loopback
        and info["maxInputChannels"] > 0
        and _is_name_of(str(info["name"]), endpoint.name)
    ]
    twins = [one for one in all_endpoints if (one.kind, one.name) == (endpoint.kind, endpoint.name)]
    place = twins.index(endpoint)
    return named[place] if place < len(named) else None


def _is_name_of(found: str, name: str) -> bool:
    found = found.removesuffix(LOOPBACK_MARK)
    return found == name or (len(found) >= NAME_CHARS and name.startswith(found))


def _find(manager: Any, library: Any, order: Order) -> tuple[Endpoint, Mapping[str, Any]]:
    there = endpoints.read()
    endpoint = next((one for one in there if endpoints.PREFIX + one.id == order.device), None)
    if endpoint is None:
        raise SourceError("device-not-found", f"Windows has no {order.device} now", LIST_HINT, retryable=True)
    if order.kind not in (None, endpoint.kind):
        raise SourceError("device-lost", f"{endpoint.name} is no {order.kind} any more", LIST_HINT, retryable=True)
    devices = list(manager.get_device_info_generator_by_host_api(host_api_type=library.paWASAPI))
    number = find(endpoint, there, devices)
    if number is None:
        text = f"PortAudio does not list {endpoint.name}, of which Windows says that it is there"
        raise SourceError("device-unavailable", text, "It lists 16 devices: switch off those that nobody needs.",
                          retryable=True)  # fmt: skip
    return endpoint, next(info for info in devices if info["index"] == number)


def _is_active(stream: Any) -> bool:
    try:
        return bool(stream.is_active())
    except OSError:
        return False


def _explained(endpoint: Endpoint, error: OSError) -> SourceError:
    hint = "Another program may hold it for itself: close that one, or forbid it in the device's advanced settings."
    if endpoint.kind == "input":
        hint = f"Allow desktop apps to use the microphone in {MICROPHONE_PANE}. {hint}"
    return SourceError("device-unavailable", f"Windows does not open {endpoint.name} ({error})", hint, retryable=True)
