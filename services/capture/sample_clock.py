"""When each sample was heard: a device's stamps, smoothed by its sample count."""

from __future__ import annotations

from typing import NamedTuple

from causal.clock import NS_PER_MS, NS_PER_S

LATER_S, EARLIER_WEIGHT = 10.0, 0.2
"""A sample cannot be delivered before it was heard, so stamps are mostly late: the clock goes later slowly, with this
time constant (a device that is 100 ppm slow is followed 1 ms behind), and earlier quickly."""

LATE_NS = 60 * NS_PER_MS
"""Stamps later than this, for `LATE_S`, mean that samples are missing: a burst catches up sooner."""

LATE_S = 1.0


class Stamp(NamedTuple):
    captured_ns: int
    """Capture clock at the block's first sample."""
    broken: bool
    """Samples are missing before this block, and nobody said so."""


class SampleClock:
    """Turns the stamps of one open device into steady ones.

    Samples come at an even rate, stamps scatter with the machine's load; so the clock keeps the smoothed difference
    between the two. A difference that grows and stays has another cause: the server or the whole machine slept
    without a word. Then the block at hand begins a new run.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._frames = 0
        self._offset_ns = 0.0
        self._late_since_ns: int | None = None
        self._early_since_ns: int | None = None

    def stamp(self, frames: int, measured_ns: int) -> Stamp:
        """The time of a block's first sample, from the driver's stamp of it."""
        position_ns = self._frames * NS_PER_S / self._rate_hz
        deviation_ns = measured_ns - position_ns - self._offset_ns
        broken = False
        if self._frames == 0:
            self._offset_ns = float(measured_ns)
        elif self._is_late_for_long(deviation_ns, measured_ns):
            self._begin_at(measured_ns)
            position_ns, broken = 0.0, True
        elif self._is_early_for_long(deviation_ns, measured_ns):
            # No samples can be too many: the first stamps were late. The mapping moves, the samples stay.
            self._offset_ns += deviation_ns
        elif abs(deviation_ns) <= LATE_NS:
            weight = EARLIER_WEIGHT if deviation_ns < 0 else frames / (LATER_S * self._rate_hz)
            self._offset_ns += weight * deviation_ns
        self._frames += frames
        return Stamp(round(self._offset_ns + position_ns), broken)

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

    def _begin_at(self, measured_ns: int) -> None:
        self._frames = 0
        self._offset_ns = float(measured_ns)
        self._late_since_ns = self._early_since_ns = None
