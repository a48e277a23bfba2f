"""One opening of a device: what its driver tells, spread to the rings of all streams that want it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import numpy as np

from causal import clock
from causal.clock import NS_PER_MS, NS_PER_S
from causal.errors import SourceError

from .backend import DriverState, Samples
from .drift import Drift
from .parting import Parting
from .ring import Ring
from .sample_clock import SampleClock

SLEPT_NS = 100 * NS_PER_MS
"""A machine that has slept for so long has heard nothing for so long."""

KEPT_NS = NS_PER_S
"""More than a device may be behind another: what is still on its way from the old one when the new one is heard."""


class Intake:
    """Hears a device on the driver's thread. The lock is held while rings are written or exchanged, so a ring has
    one writer at a time even when its stream goes from one device to another.

    Keeps the newest `kept_ns` of the unbroken run that lasts until now, for a ring that comes over from another
    device; the oldest blocks go first. The driver's thread alone writes them.
    """

    def __init__(
        self,
        wake: Callable[[], None],
        now_ns: Callable[[], int] = clock.now_ns,
        origin_ns: int = 0,
        start_ns: int = 0,
        *,
        stir: Callable[[], None] | None = None,
        kept_ns: int = KEPT_NS,
        drift: Drift | None = None,
        slept_ns: Callable[[], int] | None = None,
    ) -> None:
        """`wake` is called at each block, `stir` when there is something to decide: the first block, a loss. `drift` is
        what former openings have told of the device's clock; this one adds to it. `slept_ns` tells how long the machine
        has ever slept: a device does not hear meanwhile."""
        self.origin_ns = origin_ns
        self.start_ns = start_ns
        self.opened_ns = now_ns()
        self.heard_ns: int | None = None
        """When samples came last."""
        self.driver_state: DriverState = "running"
        self.driver_hint = ""
        self.state_ns = self.opened_ns
        """Since when the driver's state is what it is."""
        self.ended = False
        self.lost: SourceError | None = None
        self._wake = wake
        self._stir = stir or wake
        self._kept: deque[tuple[int, Samples]] = deque()
        self._kept_ns = kept_ns
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._rings: list[Ring] = []
        self._since_ns: dict[Ring, int] = {}
        """For rings that came over, until they have got their first sample."""
        self._partings: dict[Ring, Parting] = {}
        """For rings that are to be left."""
        self._rate_hz = 0
        self._channels = 0
        self._drift = drift or Drift()
        self._clock = SampleClock(1, self._drift)
        self._slept_ns = slept_ns
        self._had_slept_ns = slept_ns() if slept_ns else 0

    # The hub's side

    def attach(self, ring: Ring, since_ns: int | None = None) -> None:
        """From now on the ring gets what is heard; with `since_ns`, all of the time after it, kept or yet to come,
        and nothing from before."""
        with self._lock:
            if self._rate_hz:
                ring.set_format(self._rate_hz, self._channels)
            self._rings.append(ring)
            if since_ns is not None:
                self._since_ns[ring] = since_ns
                for captured_ns, samples in self._kept:
                    self._write(ring, samples, captured_ns)

    def reaches(self, time_ns: int) -> bool:
        """Whether there is no hole between `time_ns` and what a ring would get that is attached since then."""
        with self._lock:
            return bool(self._kept) and self._kept[0][0] <= time_ns

    def detach(self, ring: Ring) -> None:
        """When this returns, the ring gets nothing more."""
        with self._lock:
            if ring in self._rings:
                self._leave(ring)

    def let_go(self, ring: Ring, *, answered: bool) -> None:
        """Another device is wanted instead, which is not heard yet, or does not even answer: this one is heard until
        its sound has moved there. What is missing between the two is a gap."""
        with self._lock:
            if self._rate_hz and ring in self._rings:
                self._partings.setdefault(ring, Parting(self._rate_hz)).answered = answered

    def hold(self, ring: Ring) -> None:
        """This device is wanted after all."""
        with self._lock:
            parting = self._partings.pop(ring, None)
            for captured_ns, samples in parting.release() if parting else ():
                self._write(ring, samples, captured_ns)
            left = ring not in self._rings
        if left:
            self.attach(ring, ring.end_ns)

    def has_fallen_silent(self, ring: Ring) -> bool:
        """Whether a ring that is to be left gets nothing any more."""
        with self._lock:
            return ring not in self._rings or (ring in self._partings and self._partings[ring].has_fallen_silent)

    @property
    def has_format(self) -> bool:
        """Whether the device has said how it will deliver."""
        return self._rate_hz > 0

    # The driver's side

    def on_format(self, rate_hz: int, channels: int) -> None:
        with self._lock:
            self._rate_hz, self._channels = rate_hz, channels
            self._clock = SampleClock(rate_hz, self._drift)
            self._kept.clear()
            self._partings.clear()
            for ring in self._rings:
                ring.set_format(rate_hz, channels)

    def on_samples(self, samples: Samples, captured_ns: int) -> None:
        if self._slept_ns is not None:
            self._look_for_sleep(self._slept_ns())
        stamp = self._clock.stamp(len(samples), captured_ns)
        with self._lock:
            if stamp.broken:
                self._kept.clear()
            for ring in list(self._rings):
                if stamp.broken:
                    self._break(ring)
                    ring.break_segment("suspended")
                self._hear(ring, samples, stamp.captured_ns)
            self._keep(samples, stamp.captured_ns)
        first, self.heard_ns = self.heard_ns is None, self._now_ns()
        (self._stir if first else self._wake)()

    def on_hole(self, reason: str) -> None:
        self._clock = SampleClock(self._rate_hz or 1, self._drift)
        with self._lock:
            self._kept.clear()
            for ring in self._rings:
                self._break(ring)
                if reason == "suspended":
                    ring.fall_silent(reason)
                else:
                    ring.break_segment(reason)

    def on_state(self, state: DriverState, hint: str = "") -> None:
        if state != self.driver_state:
            self.state_ns = self._now_ns()
        self.driver_state, self.driver_hint = state, hint
        self._stir()

    def on_end(self) -> None:
        self.ended = True
        self._stir()

    def on_lost(self, error: SourceError) -> None:
        self.lost = error
        self._stir()

    def has_room(self, frames: int) -> bool:
        with self._lock:
            return all(ring.has_room(frames) for ring in self._rings)

    def run_frames(self) -> int:
        with self._lock:
            return self._rings[0].segment_frames if self._rings else 0

    def _look_for_sleep(self, slept_ns: int) -> None:
        if slept_ns - self._had_slept_ns >= SLEPT_NS:
            self.on_hole("suspended")
        self._had_slept_ns = slept_ns

    # What rings get

    def _hear(self, ring: Ring, samples: Samples, captured_ns: int) -> None:
        parting = self._partings.get(ring)
        if parting is None:
            self._write(ring, samples, captured_ns)
            return
        for heard_ns, heard in parting.take(samples, captured_ns):
            self._write(ring, heard, heard_ns)
        if parting.is_over:
            self._leave(ring)
            ring.fall_silent("moved")

    def _break(self, ring: Ring) -> None:
        """What comes does not follow what was held back."""
        if ring in self._partings:
            self._partings[ring].release()

    def _write(self, ring: Ring, samples: Samples, captured_ns: int) -> None:
        since_ns = self._since_ns.get(ring)
        skip = max(0, -((captured_ns - since_ns) * self._rate_hz // NS_PER_S)) if since_ns is not None else 0
        if skip < len(samples):
            self._since_ns.pop(ring, None)
            ring.write(samples[skip:], captured_ns + skip * NS_PER_S // self._rate_hz)

    def _leave(self, ring: Ring) -> None:
        self._rings.remove(ring)
        self._since_ns.pop(ring, None)
        self._partings.pop(ring, None)

    def _keep(self, samples: Samples, captured_ns: int) -> None:
        if self._kept_ns:
            self._kept.append((captured_ns, np.array(samples)))
            while self._kept[0][0] < captured_ns - self._kept_ns:
                self._kept.popleft()
