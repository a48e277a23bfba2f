"""Hears by the package `soundcard`. Runs in a driver process alone.

PulseAudio moves the library's streams when their device goes: a loopback would become the microphone. So the server is
asked which source feeds us, and samples are held back until it has said, after they came, that it is still the one.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from causal import clock
from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import Device, DeviceKind

from .driver_frames import Order
from .driver_main import Teller

RATE_HZ = 48_000
"""The library does not tell the device's own; the system converts."""

PROVEN_EVERY_S = 0.2
PREFIX = "soundcard:"
LIST_HINT = "causal-ctl list shows what there is."


def devices() -> list[Device]:
    """Raises `SourceError`."""
    library = _library()
    microphone, speaker = _id(library.default_microphone), _id(library.default_speaker)
    return [
        Device(
            id=PREFIX + found.id,
            name=found.name,
            kind=_kind(found),
            backend="soundcard",
            default=found.id in (speaker, f"{speaker}.monitor") if found.isloopback else found.id == microphone,
            channels=found.channels,
            rate_hz=RATE_HZ,
        )
        for found in library.all_microphones(include_loopback=True)
    ]


def hear(order: Order, tell: Teller, stop: threading.Event) -> None:
    """Tells samples until `stop`. Raises `SourceError`."""
    library = _library()
    found = next(
        (one for one in library.all_microphones(include_loopback=True) if PREFIX + one.id == order.device), None
    )
    if found is None:
        raise SourceError("device-not-found", f"soundcard has no {order.device}", LIST_HINT, retryable=True)
    if order.kind not in (None, _kind(found)):
        text = f"{order.device} was a {order.kind}, and is a {_kind(found)} now"
        raise SourceError("device-lost", f"{text}: it is not heard in the other's place", LIST_HINT, retryable=True)
    frames = max(1, RATE_HZ * order.block_ms // 1000)
    with found.recorder(samplerate=RATE_HZ, channels=found.channels, blocksize=frames) as recorder:
        tell.opened(RATE_HZ, found.channels)
        _record(recorder, frames, tell, stop, _proof(order.device))


def _record(recorder: Any, frames: int, tell: Teller, stop: threading.Event, proven: Callable[[], bool]) -> None:
    held: list[tuple[bytes, int]] = []
    every = max(1, round(PROVEN_EVERY_S * RATE_HZ / frames))
    while not stop.is_set():
        samples = recorder.record(numframes=frames)
        captured_ns = clock.now_ns() - len(samples) * NS_PER_S // RATE_HZ
        held.append((np.ascontiguousarray(samples, np.float32).tobytes(), captured_ns))
        if len(held) >= every:
            if not proven():
                raise SourceError(
                    "device-lost", "the server has moved the stream to another device", LIST_HINT, retryable=True
                )
            for data, at_ns in held:
                tell.samples(data, at_ns)
            held.clear()


def _proof(device_id: str) -> Callable[[], bool]:
    """Says whether we still hear what we opened."""
    if sys.platform != "linux":
        return lambda: True
    import pulsectl

    server = pulsectl.Pulse("Causal proof")
    own = str(os.getpid())

    def source() -> int | None:
        outputs = server.source_output_list()
        return next((int(o.source) for o in outputs if o.proplist.get("application.process.id") == own), None)

    opened = source()
    if opened is None or server.source_info(opened).name != device_id.removeprefix(PREFIX):
        raise SourceError("device-lost", f"the server gives us something else than {device_id}", retryable=True)
    return lambda: source() == opened


def _kind(found: Any) -> DeviceKind:
    return "loopback" if found.isloopback else "input"


def _id(default: Callable[[], Any]) -> str | None:
    try:
        return str(default().id)
    except Exception:  # there is none
        return None


def _library() -> ModuleType:
    try:
        import soundcard
    except Exception as error:  # an AssertionError, IndexError or OSError, as it comes
        raise SourceError(
            "device-unavailable",
            f"the package soundcard does not start ({error or type(error).__name__})",
            'It needs a sound server. Without one: backend = "portaudio".',
            retryable=True,
        ) from error
    module: ModuleType = soundcard
    return module
