"""Listens for a second to what `mic` and `system` mean now, and prints it as JSON: `python -m causal.control.hearing`.

A process of its own, to be thrown away: a driver that hangs or crashes takes nobody with it. The backends come in by
their entry-point group, as those of strangers do.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import msgspec

from causal import clock
from causal.errors import SourceError
from causal.messages.control import Device
from causal.source_choice import OURS
from causal.source_choice import groups as groups_of

from .checks_sound import Ear, Hearing, Problem, to_hear

GROUP = "causal.sources"
BLOCK_MS = 50
ENOUGH_S = 0.5
WITHIN_S = 4.0
"""A device that sleeps needs a second to wake, and a driver process one to start."""


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

    def run_frames(self) -> int:
        return 0

    def ear(self) -> Ear:
        """What was heard so far."""
        return Ear(self._device, self._frames / self._rate_hz, self._peak, self._muted, self._problem)


def hear(wanted: str = "auto") -> Hearing:
    """Lists the devices of the backends that are used, and listens to the default ones, together. `wanted` is the
    setting `backend`."""
    entries = {entry.name: entry for entry in entry_points(group=GROUP)}
    others = [(name,) for name in entries if name not in OURS]
    names = (*groups_of(wanted, sys.platform), *others)
    groups = [[entries[name] for name in group if name in entries] for group in names]
    devices: list[Device] = []
    problems: list[Problem] = []
    listeners: list[Listener] = []
    streams = []
    for group in groups:
        backend, found, problem = _first(group)
        problems += [problem] if problem else []
        devices += found
        for device in to_hear(found):
            listener = Listener(device.id)
            listeners.append(listener)
            try:
                streams.append(backend.open(device.id, listener))
            except SourceError as error:
                listener.on_lost(error)
    until_s = time.monotonic() + WITHIN_S
    for listener in listeners:
        listener.done.wait(max(0.0, until_s - time.monotonic()))
    ears = tuple(listener.ear() for listener in listeners)
    for stream in streams:
        stream.close()
    return Hearing(tuple(devices), ears, tuple(problems))


def _first(group: Sequence[EntryPoint]) -> tuple[Any, list[Device], Problem | None]:
    """The first backend of a group that answers, the later ones with a device; else why the first one does not."""
    problems = []
    for entry in group:
        try:
            make = entry.load()
            if sys.platform not in getattr(make, "systems", (sys.platform,)):
                continue
            backend = make(BLOCK_MS)
            found = backend.devices() if backend.live else []
            if found or entry is group[0]:
                return backend, found, None
        except SourceError as error:
            problems.append(_problem(error))
        except Exception as error:
            problems.append(Problem("internal", f"the source backend {entry.name} fails: {error!r}"))
    return None, [], problems[0] if problems else None


def _problem(error: SourceError) -> Problem:
    return Problem(error.code, error.message, error.hint)


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(hear(*sys.argv[1:])))
    sys.stdout.flush()
