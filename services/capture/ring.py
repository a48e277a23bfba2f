"""The ring between a driver's thread and the sender: unacknowledged blocks, cut into segments."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from causal.clock import NS_PER_S

from .backend import Samples

QUIET_NS = NS_PER_S
"""A live source that has said nothing for so long has stalled."""

_NONE: Samples = np.zeros((0, 1), np.float32)


@dataclass(slots=True)
class Held:
    """One block as it lies in the ring. The record is used again after it is released."""

    captured_ns: int = 0
    rate_hz: int = 0
    channels: int = 0
    segment: int = 0
    segment_started_ns: int = 0
    segment_frame: int = 0
    gap_reason: str = ""
    end: bool = False
    samples: Samples = field(default_factory=lambda: _NONE)
    area: int = 0
    used_to: int = 0
    """Floats written to its area up to this block's end."""


class Ring:
    """The blocks of one stream that the receiver has not acknowledged, numbered from 0 without holes.

    Size: `seconds` of sound in the stream's format, and `blocks` records, both allocated before they are needed.
    When full: the newest block is refused whole and counted in `overflow_frames`, and the next one that fits starts
    a new segment with reason `overflow`. So what is kept has one hole with an exact length, and the receiver can go
    on where it was.
    One writer at a time (`set_format`, `write`, `break_segment`, `fall_silent`, `end`), one reader (`held`, `release`).
    Each side writes only its own counters, after the data they stand for, so no lock is needed.
    """

    def __init__(self, seconds: float = 10.0, blocks: int = 4096, *, since_ns: int = 0, reason: str = "") -> None:
        """To be heard `since_ns` of the capture clock. With a `reason`, the time before the first block is a gap."""
        self.seconds = seconds
        self.rate_hz = 0
        self.channels = 0
        self.heard_ns = 0
        """Length of all that was written."""
        self.end_ns = 0
        """Capture clock at the end of the newest block."""
        self.overflow_frames = 0
        self.ended = False
        self._records = [Held() for _ in range(blocks)]
        self._floats: Samples = np.zeros(0, np.float32)
        self._area = 0
        self._written = 0
        self._released = (0, 0)
        self._head = 0
        self._tail = 0
        self._segment = -1
        self._segment_started_ns = 0
        self._segment_frame = 0
        self._since_ns = since_ns
        self._break: str | None = reason

    # The writer's side

    def set_format(self, rate_hz: int, channels: int) -> None:
        """Gets ready for blocks of this format. A new format gets a new area; blocks in the old one stay valid."""
        if (rate_hz, channels) == (self.rate_hz, self.channels):
            return
        self.rate_hz, self.channels = rate_hz, channels
        self._floats = np.zeros(round(self.seconds * rate_hz) * channels, np.float32)
        self._area += 1
        self._written = 0
        if self._head:
            self.break_segment("moved")

    def has_room(self, frames: int) -> bool:
        """Whether a block of so many frames would be kept. A block may take two records, silence and the end
        need one."""
        area, used_to = self._released
        used = self._written - (used_to if area == self._area else 0)
        return (
            0 < frames * self.channels <= len(self._floats) - used
            and self._head - self._tail + 4 <= len(self._records)
            and not self.ended
        )

    def write(self, samples: Samples, captured_ns: int) -> bool:
        """Keeps a copy of a block of shape `(frames, channels)` with at least one frame; False when there was no room
        for it. A block that meets the end of the area is kept as two."""
        frames = len(samples)
        if not self.has_room(frames):
            self.overflow_frames += frames
            self.break_segment("overflow")
            return False
        start = self._written % len(self._floats)
        first = min(frames, (len(self._floats) - start) // self.channels)
        self._put(samples[:first], captured_ns)
        if first < frames:
            self._put(samples[first:], captured_ns + first * NS_PER_S // self.rate_hz)
        return True

    def break_segment(self, reason: str) -> None:
        """The next block does not follow the last one. Of several reasons the first stays."""
        self._break = self._break or reason

    def fall_silent(self, reason: str) -> None:
        """Breaks the segment, and the next block may be long in coming: the receiver hears at once that this one is
        over, if there is room for a record."""
        if self._break is None and self._head and self._head - self._tail + 2 <= len(self._records):
            self._mark(self.end_ns)
        self.break_segment(reason)

    def end(self, until_ns: int | None = None) -> None:
        """Nothing follows. There is always room for this. A live source was to be heard `until_ns`: if it was not, for
        the reason of the last break or because it has stalled, the end says so."""
        if self.ended:
            return
        self.ended = True
        reason = ""
        if until_ns is not None:
            has_stalled = until_ns - max(self.end_ns, self._since_ns) >= QUIET_NS
            reason = self._break or ("suspended" if has_stalled else "")
        self._mark(until_ns if until_ns is not None and reason else self.end_ns, reason, end=True)

    @property
    def segment_frames(self) -> int:
        """Frames of the present segment; 0 when the next block begins another."""
        return 0 if self._break is not None else self._segment_frame

    # The reader's side

    @property
    def tail(self) -> int:
        """The oldest block that is held."""
        return self._tail

    @property
    def head(self) -> int:
        """The number that the next block will get."""
        return self._head

    @property
    def depth_ms(self) -> int:
        """Length of what is held."""
        area, used_to = self._released
        used = self._written - (used_to if area == self._area else 0)
        return used * 1000 // (self.rate_hz * self.channels) if self.rate_hz else 0

    def held(self, n: int) -> Held:
        """Block `n`, which must be between `tail` and `head`."""
        return self._records[n % len(self._records)]

    def release(self, n: int) -> None:
        """Forgets all blocks before `n`."""
        n = min(n, self._head)
        if n <= self._tail:
            return
        last = self.held(n - 1)
        self._released = (last.area, last.used_to)
        for gone in range(self._tail, n):
            self.held(gone).samples = _NONE  # an area of an older format goes with its last block
        self._tail = n

    def _put(self, samples: Samples, captured_ns: int) -> None:
        count = len(samples) * self.channels
        start = self._written % len(self._floats)
        kept = self._floats[start : start + count].reshape(-1, self.channels)
        kept[:] = samples
        self._written += count
        reason, self._break = self._break, None
        if reason is not None:
            self._segment += 1
            self._segment_started_ns, self._segment_frame = captured_ns, 0
        held = self._next_record(captured_ns)
        held.end, held.samples, held.gap_reason = False, kept, reason or ""
        self._segment_frame += len(samples)
        length_ns = len(samples) * NS_PER_S // self.rate_hz
        self.heard_ns += length_ns
        self.end_ns = captured_ns + length_ns
        self._head += 1

    def _mark(self, captured_ns: int, reason: str = "", *, end: bool = False) -> None:
        """A block without samples."""
        held = self._next_record(captured_ns)
        nothing = self._floats[:0].reshape(0, self.channels) if self.channels else _NONE
        held.end, held.samples, held.gap_reason = end, nothing, reason
        self._head += 1

    def _next_record(self, captured_ns: int) -> Held:
        held = self.held(self._head)
        held.captured_ns = captured_ns
        held.rate_hz, held.channels = self.rate_hz, self.channels
        held.segment, held.segment_started_ns = max(0, self._segment), self._segment_started_ns
        held.segment_frame = self._segment_frame
        held.area, held.used_to = self._area, self._written
        return held
