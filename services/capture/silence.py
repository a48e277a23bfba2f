"""Fills what WASAPI leaves out: a loopback delivers nothing at all while nothing plays. Opens nothing.

What has been told ends at a moment of the capture clock. Packets that follow one another only move it on. A packet that
begins later has silence before it, and silence that lasts is told as it passes, a little behind.

A process that gets no time looks the same as silence: packets wait, and then come at once. So its own ticks are told
too, and where they were late nothing is filled yet.
"""

from __future__ import annotations

from causal.clock import NS_PER_MS, NS_PER_S

PATIENCE_NS = 300 * NS_PER_MS
"""Nothing for so long is silence."""
BEHIND_NS = 200 * NS_PER_MS
"""Lasting silence is filled up to so long ago: a packet that is on its way still finds its place."""
HOLE_NS = 40 * NS_PER_MS
"""A packet that begins so much late has silence before it. Less is the scatter of arrivals."""
LATE_TICK_NS = 100 * NS_PER_MS
CALM_NS = 500 * NS_PER_MS
"""After a late tick packets may come in a burst for so long."""
STOOD_STILL_NS = 2 * NS_PER_S
"""Ticks so far apart: the machine slept. What was played meanwhile, nobody heard."""

LATER_S, EARLIER_WEIGHT = 10.0, 0.2
"""Arrivals are mostly late, and the device's clock drifts: the end follows them slowly forward, quickly back."""


class Silence:
    """The time line of one loopback. Times are of the capture clock."""

    def __init__(self, rate_hz: int, now_ns: int) -> None:
        self.end_ns = now_ns
        """The end of all that was told."""
        self._rate_hz = rate_hz
        self._packet_ns = now_ns
        self._tick_ns = now_ns
        self._late_tick_ns = now_ns - CALM_NS

    def on_packet(self, frames: int, now_ns: int) -> int:
        """A packet has come: how many frames of zeros to tell before it."""
        length_ns = frames * NS_PER_S // self._rate_hz
        late_ns = now_ns - length_ns - self.end_ns
        calm = now_ns - self._late_tick_ns >= CALM_NS and now_ns - self._tick_ns < LATE_TICK_NS
        zeros = 0
        if late_ns > HOLE_NS:
            zeros = self._fill_to(now_ns - length_ns) if calm else 0
        else:
            weight = EARLIER_WEIGHT if late_ns < 0 else frames / (LATER_S * self._rate_hz)
            self.end_ns += round(weight * late_ns)
        self.end_ns += length_ns
        self._packet_ns = now_ns
        return zeros

    def on_tick(self, now_ns: int) -> int | None:
        """Time has passed: how many frames of zeros to tell; None when the machine stood still, and a new run
        begins."""
        waited_ns, self._tick_ns = now_ns - self._tick_ns, now_ns
        if waited_ns >= LATE_TICK_NS:
            self._late_tick_ns = now_ns
        if waited_ns >= STOOD_STILL_NS:
            self.end_ns = self._packet_ns = now_ns
            return None
        if now_ns - max(self._packet_ns, self._late_tick_ns) < PATIENCE_NS:
            return 0
        return self._fill_to(now_ns - BEHIND_NS)

    def _fill_to(self, until_ns: int) -> int:
        frames = max(0, (until_ns - self.end_ns) * self._rate_hz // NS_PER_S)
        self.end_ns += frames * NS_PER_S // self._rate_hz
        return frames
