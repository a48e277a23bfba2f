"""Hears by PortAudio. Runs in a driver process alone: the list is made when PortAudio starts, and never anew."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from causal import clock
from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import Device

from . import jack_ports
from .driver_frames import Order
from .driver_main import Teller
from .portaudio_ids import ALSA, JACK, Entry, entries

PREFERRED_HZ = 48_000
"""ALSA's default is 44.1 kHz, which most hardware makes from 48."""

LATENCY_S = 0.1
"""How much the driver may keep while we are late."""

GONE_HINT = "It is taken up again when it comes back."


def devices() -> list[Device]:
    """Raises `SourceError`."""
    return [entry.device for entry in _entries(_library())]


def hear(order: Order, tell: Teller, stop: threading.Event) -> None:
    """Tells samples until `stop`. Raises `SourceError`."""
    sounddevice = _library()
    entry = _find(order, _entries(sounddevice))
    rate_hz, channels = _rate(sounddevice, entry), entry.device.channels
    lost: list[str] = []

    def on_samples(data: Any, frames: int, _times: Any, status: Any) -> None:
        # By arrival: PortAudio's own times are the wall clock's, and its latency is the buffer's size, not its filling.
        now_ns = clock.now_ns()
        if status.input_overflow:
            tell.hole("overflow")
        tell.samples(bytes(data), now_ns - frames * NS_PER_S // rate_hz)

    def on_finished() -> None:
        lost.append("PortAudio has ended the stream")
        stop.set()

    try:
        stream = sounddevice.RawInputStream(
            device=entry.number, samplerate=rate_hz, channels=channels, dtype="float32",
            blocksize=max(1, rate_hz * order.block_ms // 1000), latency=LATENCY_S,
            callback=on_samples, finished_callback=on_finished,
        )  # fmt: skip
        tell.opened(rate_hz, channels)
        stream.start()
    except sounddevice.PortAudioError as error:
        raise _explained(order.device, error) from error
    stop.wait()
    if lost:
        raise SourceError("device-lost", f"{order.device} has gone ({lost[0]})", GONE_HINT, retryable=True)
    stream.abort()


def _library() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:
        raise SourceError(
            "device-unavailable",
            f"PortAudio cannot be loaded ({error})",
            "Install it: sudo apt-get install libportaudio2 (portaudio on Fedora and Arch).",
        ) from error
    except Exception as error:  # its own error, which cannot be named when the module is not there
        raise SourceError(
            "device-unavailable",
            f"PortAudio does not start ({error})",
            "Mostly a mistake in ~/.asoundrc or /etc/asound.conf: arecord -L shows it.",
            retryable=True,
        ) from error
    module: ModuleType = sounddevice
    return module


def _entries(sounddevice: Any) -> list[Entry]:
    apis = sounddevice.query_hostapis()
    cards = Path("/proc/asound/cards")
    ports = jack_ports.outputs() if any(api["name"] == JACK and api["devices"] for api in apis) else []
    return entries(
        sounddevice.query_devices(),
        apis,
        sounddevice.default.hostapi,
        cards=cards.read_text() if sys.platform == "linux" and cards.exists() else "",
        ports=ports,
    )


def _find(order: Order, found: list[Entry]) -> Entry:
    for entry in found:
        if entry.device.id == order.device:
            if order.kind not in (None, entry.device.kind):
                raise SourceError(
                    "device-lost",
                    f"{order.device} was a {order.kind}, and is a {entry.device.kind} now",
                    "It is not heard in the other's place. causal-ctl list shows what there is.",
                    retryable=True,
                )
            return entry
    raise SourceError(
        "device-not-found", f"PortAudio has no {order.device}", "causal-ctl list shows what there is.", retryable=True
    )


def _rate(sounddevice: Any, entry: Entry) -> int:
    if not entry.device.id.startswith(f"portaudio:{ALSA}/"):
        return entry.device.rate_hz
    try:
        sounddevice.check_input_settings(
            device=entry.number, channels=entry.device.channels, dtype="float32", samplerate=PREFERRED_HZ
        )
    except Exception:
        return entry.device.rate_hz
    return PREFERRED_HZ


def _explained(device: str, error: Exception) -> SourceError:
    return SourceError(
        "device-unavailable",
        f"PortAudio cannot open {device} ({error})",
        "Another program may hold it: fuser -v /dev/snd/* names it." if sys.platform == "linux" else "",
        retryable=True,
    )
