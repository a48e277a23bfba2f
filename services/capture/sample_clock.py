"""When each sample was heard: a device's stamps, smoothed by its sample count.

late_ns    what a stamp says, less what the count says
  │        each second the earliest tenth of it: a sample cannot be delivered before it was heard
  ▼
points ──▶ Drift: how fast the clock runs, over minutes
  │               │
  └── the middle ─┴─▶ the time of every sample: 4 s behind, with the drift taken out
"""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import NamedTuple

from causal.clock import NS_PER_MS, NS_PER_S

from .drift import Drift, Point

POINT_S = 1.0
EARLIEST_SHARE = 0.1
"""Where in a second's stamps the truth lies: most come late, by chance one may come early."""
POINTS = 7
"""Seconds of which the middle counts: three of them may be wrong. A device that is 100 ppm off, and not known to be,
is followed 0.4 ms behind."""

LATE_NS = 60 * NS_PER_MS
"""Stamps later than this, for `LATE_S`, mean that samples are missing: a burst catches up sooner."""

LATE_S = 1.0


class Stamp(NamedTuple):
    captured_ns: int
    """Capture clock at the block's first sample."""
    broken: bool
    """Samples are missing before this block, and nobody said so."""


class SampleClock:
    """Turns the stamps of one unbroken run of an open device into steady ones.

    Samples come at an even rate, stamps scatter with the machine's load; so the clock keeps the smoothed difference
    between the two. It follows a device whose clock is slow or fast, known to be so or not. A difference that grows
    and stays has another cause: the server or the whole machine slept without a word. Then the block at hand begins a
    new run.

    Holds the stamps of one second, and `POINTS` numbers. One thread.
    """

    def __init__(self, rate_hz: int, drift: Drift | None = None) -> None:
        """`drift` is what is known of the device, and learns more."""
        self._rate_hz = rate_hz
        self._drift = drift or Drift()
        self._began_ns: int | None = None
        self._frames = 0
        self._stamps: list[tuple[int, int]] = []
        self._points: deque[Point] = deque(maxlen=POINTS)
        self._offset_ns = 0.0
        self._late_since_ns: int | None = None
        self._early_since_ns: int | None = None

    def stamp(self, frames: int, measured_ns: int) -> Stamp:
        """The time of a block's first sample, from the driver's stamp of it."""
        began_ns = self._begin_at(measured_ns) if self._began_ns is None else self._began_ns
        counted_ns = self._frames * NS_PER_S // self._rate_hz
        late_ns = measured_ns - began_ns - counted_ns
        deviation_ns = late_ns - self._expected_ns(counted_ns)
        broken = self._is_late_for_long(deviation_ns, measured_ns)
        if broken:
            began_ns, counted_ns, late_ns = self._begin_at(measured_ns), 0, 0
        elif self._is_early_for_long(deviation_ns, measured_ns):
            # No samples can be too many: the first stamps were late. The mapping moves, the samples stay.
            self._begin_to_learn()
        if broken or abs(late_ns - self._expected_ns(counted_ns)) <= LATE_NS or not self._stamps:
            self._learn(counted_ns, late_ns)
        self._frames += frames
        return Stamp(began_ns + counted_ns + round(self._expected_ns(counted_ns)), broken)

    def _expected_ns(self, counted_ns: int) -> float:
        """How late a stamp should be."""
        return self._offset_ns + self._drift.slope * counted_ns

    def _learn(self, counted_ns: int, late_ns: int) -> None:
        if self._stamps and counted_ns - self._stamps[0][0] >= POINT_S * NS_PER_S:
            self._close_point()
        self._stamps.append((counted_ns, late_ns))
        if not self._points:
            at_ns, earliest_ns = self._earliest()
            self._offset_ns = earliest_ns - self._drift.slope * at_ns

    def _close_point(self) -> None:
        at_ns, earliest_ns = self._earliest()
        self._stamps.clear()
        point = Point(at_ns / NS_PER_S, earliest_ns / NS_PER_S)
        self._points.append(point)
        self._drift.add(point)
        slope = self._drift.slope
        self._offset_ns = median(late_s - slope * at_s for at_s, late_s in self._points) * NS_PER_S

    def _earliest(self) -> tuple[int, int]:
        """Of the stamps that wait: the count, and by how much it is late."""
        slope = self._drift.slope
        by_lateness = sorted(self._stamps, key=lambda stamp: stamp[1] - slope * stamp[0])
        return by_lateness[int(len(by_lateness) * EARLIEST_SHARE)]

    def _is_late_for_long(self, deviation_ns: float, measured_ns: int) -> bool:
        if deviation_ns <= LATE_NS:
            self._late_since_ns = None
        elif self._late_since_ns is None:
            self._late_since_ns = measured_ns
        return self._late_since_ns is not None and measured_ns - self._late_since_ns >= LATE_S * NS_PER_S

    def _is_early_for_long(self, deviation_ns: float, measured_ns: int) -> bool:
        if deviation_ns >= -LATE_NS:
            self._early_since_ns = None
        elif self._early_since_ns is None:
            self._early_since_ns = measured_ns
        return self._early_since_ns is not None and measured_ns - self._early_since_ns >= LATE_S * NS_PER_S

    def _begin_at(self, measured_ns: int) -> int:
        self._began_ns, self._frames = measured_ns, 0
        self._begin_to_learn()
        return measured_ns

    def _begin_to_learn(self) -> None:
        self._stamps.clear()
        self._points.clear()
        self._offset_ns = 0.0
        self._late_since_ns = self._early_since_ns = None
        self._drift.begin(self._rate_hz)
