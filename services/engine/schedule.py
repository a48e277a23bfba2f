"""What to read next: many streams, few threads.

Finals go first, then candidates for one (speech that rests), then drafts. Of several streams the one that waited
longest has its turn, and a stream has one reading at a time, so that its results come in order. A stream's draft that
was not begun is replaced by its next one; after a slow draft the next waits longer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import IntEnum

from .segmenter import Samples, Segment

DRAFT_EVERY_S = 0.5
DRAFT_COST_FACTOR = 1.2
"""After a draft that took ``c`` seconds, the next begins no sooner than this times ``c`` after it began."""


class Kind(IntEnum):
    """What a reading is for; the lowest goes first."""

    FINAL = 0
    CANDIDATE = 1
    DRAFT = 2


@dataclass(frozen=True, eq=False)
class Reading:
    """Samples to be read, for the stream that asked."""

    stream: Hashable
    kind: Kind
    segment: Segment
    samples: Samples


@dataclass(eq=False)
class _Line:
    """What one stream waits for. Finals are never dropped: who feeds the stream watches how many there are."""

    finals: deque[Reading] = field(default_factory=deque)
    latest: Reading | None = None
    reading: bool = False
    served_s: float = float("-inf")
    draft_from_s: float = float("-inf")


class Schedule:
    """Takes wishes, gives the next reading. Time is an argument; nothing here waits."""

    def __init__(self) -> None:
        self._lines: dict[Hashable, _Line] = {}

    def ask(self, wish: Reading) -> None:
        """Puts a wish in line. A final makes the stream's draft or candidate needless."""
        line = self._lines.setdefault(wish.stream, _Line())
        if wish.kind is Kind.FINAL:
            line.finals.append(wish)
            line.latest = None
        else:
            line.latest = wish

    def take(self, now_s: float) -> Reading | None:
        """The reading to begin now, which is then out of the line."""
        ready = [
            (wish.kind, line.served_s, wish, line)
            for line in self._lines.values()
            if not line.reading and (wish := self._first(line)) and now_s >= self._from_s(line, wish)
        ]
        if not ready:
            return None
        _, _, wish, line = min(ready, key=lambda entry: entry[:2])
        if wish.kind is Kind.FINAL:
            line.finals.popleft()
        else:
            line.latest = None
        line.reading = True
        line.served_s = now_s
        return wish

    def done(self, reading: Reading, began_s: float, now_s: float) -> None:
        """A reading is finished; its stream may have the next."""
        line = self._lines.get(reading.stream)
        if line is None:
            return
        line.reading = False
        if reading.kind is not Kind.FINAL:
            line.draft_from_s = began_s + max(DRAFT_EVERY_S, DRAFT_COST_FACTOR * (now_s - began_s))

    def wake_at_s(self) -> float | None:
        """When the earliest draft that waits for its time may begin; None if none waits."""
        times = [
            self._from_s(line, wish)
            for line in self._lines.values()
            if not line.reading and (wish := self._first(line))
        ]
        return min(times, default=None)

    def urgent(self) -> bool:
        """Whether a final waits: a draft that is being read should make room."""
        return any(line.finals for line in self._lines.values())

    def forget(self, stream: Hashable) -> None:
        """Drops all that the stream waits for."""
        self._lines.pop(stream, None)

    @staticmethod
    def _first(line: _Line) -> Reading | None:
        return line.finals[0] if line.finals else line.latest

    @staticmethod
    def _from_s(line: _Line, wish: Reading) -> float:
        return line.draft_from_s if wish.kind is Kind.DRAFT else float("-inf")
