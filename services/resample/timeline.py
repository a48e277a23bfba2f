"""Where sound lies on the session's time line: stamped at the start of each unbroken run, counted within it."""

from __future__ import annotations

from typing import NamedTuple

from causal.journal_record import SAMPLE_NS
from causal.messages.audio import CHUNK_RATE_HZ

SAMPLES_PER_MS = CHUNK_RATE_HZ // 1000


class Hole(NamedTuple):
    """Sound that was never heard."""

    start_ms: int
    length_ms: int


class Timeline:
    """One stream's positions, in samples at 16 kHz from the session's start.

    Position and time agree at a run's first sample. A run whose stamp lies before the end of the one before (clocks
    of devices drift) is shifted to that end, and the shift counted: time never runs backwards.
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

    def open(self, captured_ns: int) -> tuple[int, Hole | None]:
        """The position of a run that was captured at `captured_ns`, and the hole before it.

        Before the first run there is a hole too; whether that one matters is the caller's to know.
        """
        position = (captured_ns - self._started_ns + SAMPLE_NS // 2) // SAMPLE_NS
        if self._end is None:
            self._end = min(0, position)
        hole = self._hole(position)
        self.shifted_samples += max(0, self._end - position)
        self._end = max(self._end, position)
        return self._end, hole

    def advance(self, samples: int) -> None:
        """The run goes on for `samples`."""
        self._end = self.end + samples

    def _hole(self, position: int) -> Hole | None:
        length_ms = (position - self.end) // SAMPLES_PER_MS
        return Hole(self.end // SAMPLES_PER_MS, length_ms) if length_ms > 0 else None
