"""Where sound lies on the session's time line: stamped at the start of each unbroken run, counted within it, and put
right where the device's clock has drifted."""

from __future__ import annotations

from typing import NamedTuple

from causal.journal_record import SAMPLE_NS
from causal.messages.audio import CHUNK_RATE_HZ, CHUNK_SAMPLES

SAMPLES_PER_MS = CHUNK_RATE_HZ // 1000

TOLERATED = SAMPLES_PER_MS
"""Count and clock may be so far apart. Below that, positions are counted."""
LONGEST_STEP = CHUNK_SAMPLES // 4
"""By so much a chunk is put right at most: time goes on, whatever the clock says."""


class Hole(NamedTuple):
    """Sound that was never heard."""

    start_ms: int
    length_ms: int


class Timeline:
    """One stream's positions, in samples at 16 kHz from the session's start.

    Position and time agree at a run's first sample. Within the run each chunk follows the one before; when it is 1 ms
    away from its time, it is put there, so that no device's drift adds up. A run whose stamp lies before the end of
    the one before (the first of two devices hears later than the second) is shifted to that end, and the shift
    counted; its chunks then come a quarter closer to each other until they are in their time. Positions only grow.
    """

    def __init__(self, started_ns: int, end: int | None = None) -> None:
        """`end` is where the journal ends already; None when it is empty."""
        self._started_ns = started_ns
        self._end = end
        self.shifted_samples = 0

    @property
    def end(self) -> int:
        """The position behind the last sample."""
        return self._end or 0

    def open(self, captured_ns: int) -> Hole | None:
        """A run begins that was captured at `captured_ns`: moves `end` there. Returns the hole before it.

        Before the first run there is a hole too; whether that one matters is the caller's to know.
        """
        hole = self.pass_to(captured_ns)
        self.shifted_samples += max(0, self.end - self._position(captured_ns))
        return hole

    def pass_to(self, captured_ns: int) -> Hole | None:
        """Nothing is heard until then: moves `end` there, if it is not there yet. Returns the hole."""
        position = self._position(captured_ns)
        if self._end is None:
            self._end = min(0, position)
        hole = self._hole(position)
        self._end = max(self._end, position)
        return hole

    def follow(self, captured_ns: int) -> int:
        """The position of the run's next chunk, which was captured at `captured_ns`."""
        off = self._position(captured_ns) - self.end
        if abs(off) >= TOLERATED:
            self._end = self.end + min(max(off, -LONGEST_STEP), LONGEST_STEP)
        return self.end

    def advance(self, samples: int) -> None:
        """The run goes on for `samples`."""
        self._end = self.end + samples

    def _position(self, captured_ns: int) -> int:
        return (captured_ns - self._started_ns + SAMPLE_NS // 2) // SAMPLE_NS

    def _hole(self, position: int) -> Hole | None:
        length_ms = (position - self.end) // SAMPLES_PER_MS
        return Hole(self.end // SAMPLES_PER_MS, length_ms) if length_ms > 0 else None
