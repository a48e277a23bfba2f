"""One opening of a device: what its driver tells, spread to the rings of all streams that want it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from causal import clock
from causal.errors import SourceError

from .backend import DriverState, Samples
from .ring import Ring
from .sample_clock import SampleClock


class Intake:
    """Hears a device on the driver's thread. The lock is held while rings are written or exchanged, so a ring has
    one writer at a time even when its stream goes from one device to another."""

    def __init__(
        self, wake: Callable[[], None], now_ns: Callable[[], int] = clock.now_ns, origin_ns: int = 0, start_ns: int = 0
    ) -> None:
        self.origin_ns = origin_ns
        self.start_ns = start_ns
        self.opened_ns = now_ns()
        self.heard_ns: int | None = None
        """When samples came last."""
        self.driver_state: DriverState = "running"
        self.ended = False
        self.lost: SourceError | None = None
        self._wake = wake
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._rings: list[Ring] = []
        self._rate_hz = 0
        self._channels = 0
        self._clock = SampleClock(1)

    # The hub's side

    def attach(self, ring: Ring) -> None:
        """From now on the ring gets what is heard."""
        with self._lock:
            if self._rate_hz:
                ring.set_format(self._rate_hz, self._channels)
            self._rings.append(ring)

    def detach(self, ring: Ring) -> None:
        """When this returns, the ring gets nothing more."""
        with self._lock:
            if ring in self._rings:
                self._rings.remove(ring)

    # The driver's side

    def on_format(self, rate_hz: int, channels: int) -> None:
        with self._lock:
            self._rate_hz, self._channels = rate_hz, channels
            self._clock = SampleClock(rate_hz)
            for ring in self._rings:
                ring.set_format(rate_hz, channels)

    def on_samples(self, samples: Samples, captured_ns: int) -> None:
        stamp = self._clock.stamp(len(samples), captured_ns)
        with self._lock:
            for ring in self._rings:
                if stamp.broken:
                    ring.break_segment("suspended")
                ring.write(samples, stamp.captured_ns)
        self.heard_ns = self._now_ns()
        self._wake()

    def on_hole(self, reason: str) -> None:
        self._clock = SampleClock(self._rate_hz or 1)
        with self._lock:
            for ring in self._rings:
                ring.break_segment(reason)

    def on_state(self, state: DriverState) -> None:
        self.driver_state = state
        self._wake()

    def on_end(self) -> None:
        self.ended = True
        self._wake()

    def on_lost(self, error: SourceError) -> None:
        self.lost = error
        self._wake()

    def has_room(self, frames: int) -> bool:
        with self._lock:
            return all(ring.has_room(frames) for ring in self._rings)
