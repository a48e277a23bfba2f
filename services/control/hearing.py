"""Listens for a second to what `mic` and `system` mean now, and prints it as JSON: `python -m causal.control.hearing`.

A process of its own, to be thrown away: a driver that hangs or crashes takes nobody with it. The backends come in by
their entry-point group, as those of strangers do.
"""

from __future__ import annotations

import sys
import threading
import time
from importlib.metadata import entry_points
from typing import Any

import msgspec

from causal import clock
from causal.errors import SourceError
from causal.messages.control import Device

from .checks_sound import Ear, Hearing, Problem, to_hear

GROUP = "causal.sources"
BLOCK_MS = 50
ENOUGH_S = 0.5
WITHIN_S = 2.5
"""A device that sleeps needs a second to wake."""


class Listener:
    """Measures what a device delivers. Called on the driver's thread."""

    start_ns = 0

    def __init__(self, device: str) -> None:
        self.origin_ns = clock.now_ns()
        self.done = threading.Event()
        """Set when enough was heard, or nothing more comes."""
        self._device = device
        self._rate_hz = 1
        self._frames = 0
        self._peak = 0.0
        self._muted = False
        self._problem: Problem | None = None

    def on_format(self, rate_hz: int, channels: int) -> None:
        del channels
        self._rate_hz = rate_hz

    def on_samples(self, samples: Any, captured_ns: int) -> None:
        del captured_ns
        self._frames += len(samples)
        if len(samples):
            self._peak = max(self._peak, float(abs(samples).max()))
        if self._frames >= ENOUGH_S * self._rate_hz:
            self.done.set()

    def on_hole(self, reason: str) -> None:
        del reason

    def on_state(self, state: str, hint: str = "") -> None:
        del hint
        self._muted = state == "muted"

    def on_end(self) -> None:
        self.done.set()

    def on_lost(self, error: SourceError) -> None:
        self._problem = _problem(error)
        self.done.set()

    def has_room(self, frames: int) -> bool:
        return frames >= 0

    def ear(self) -> Ear:
        """What was heard so far."""
        return Ear(self._device, self._frames / self._rate_hz, self._peak, self._muted, self._problem)


def hear() -> Hearing:
    """Lists the devices of all live backends, and listens to the default ones, together."""
    devices: list[Device] = []
    problems: list[Problem] = []
    listeners: list[Listener] = []
    streams = []
    for entry in entry_points(group=GROUP):
        try:
            make = entry.load()
            if sys.platform not in getattr(make, "systems", (sys.platform,)):
                continue
            backend = make(BLOCK_MS)
            found = backend.devices() if backend.live else []
            devices += found
            for device in to_hear(found):
                listener = Listener(device.id)
                listeners.append(listener)
                streams.append(backend.open(device.id, listener))
        except SourceError as error:
            problems.append(_problem(error))
        except Exception as error:
            problems.append(Problem("internal", f"the source backend {entry.name} fails: {error!r}"))
    until_s = time.monotonic() + WITHIN_S
    for listener in listeners:
        listener.done.wait(max(0.0, until_s - time.monotonic()))
    ears = tuple(listener.ear() for listener in listeners)
    for stream in streams:
        stream.close()
    return Hearing(tuple(devices), ears, tuple(problems))


def _problem(error: SourceError) -> Problem:
    return Problem(error.code, error.message, error.hint)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(hear()))
    sys.stdout.flush()
