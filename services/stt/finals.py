"""Finals and marks on their way to the broker: one at a time, because each must begin where the one before it ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from causal.messages import TranscriptFinal
from causal.messages.log import Coverage, Refused, Stored
from causal.outbox import TOLD_AFTER_S

from .lane import Lane, Tile


@dataclass(frozen=True)
class Send:
    """Publish this, and tell what became of it."""

    event: TranscriptFinal | None
    """`None` for a mark: nothing was said there."""
    coverage: Coverage


CAPACITY = 10_000

Verdict = Literal["stored", "superseded", "out-of-step"]
"""*superseded*: another worker has the lane. *out-of-step*: the broker knows of other coverage; claim again."""


class FinalQueue:
    """The finals and marks of one lane. The first is at the broker, the others wait.

    Holds `CAPACITY`, hours of speech; when full, nothing more is added: its owner claims the lane anew, and what is
    not stored is said again. One writer. Coverage moves when one is stored, and by nothing else.
    """

    def __init__(self, stream: str, lane: Lane, epoch: int) -> None:
        self.lane = lane
        self._stream = stream
        self._epoch = epoch
        self._waiting: deque[tuple[TranscriptFinal | None, Tile]] = deque()
        self._first_since_s: tuple[Tile, float] | None = None
        """The first one, and when it was first looked at."""
        self._told: set[str] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= CAPACITY

    def add(self, event: TranscriptFinal | None, tile: Tile) -> Send | None:
        """A new final, or mark (`None`); what to publish now, if the way is free."""
        self._waiting.append((event, tile))
        return self._first() if len(self._waiting) == 1 else None

    def untold(self, now_s: float) -> list[TranscriptFinal]:
        """The finals behind a first one that has not been stored in time, each once. The first itself is told by the
        outbox. Ask again and again."""
        if not self._waiting:
            self._first_since_s = None
            self._told.clear()
            return []
        (_, first), *behind = self._waiting
        if self._first_since_s is None or self._first_since_s[0] != first:
            self._first_since_s = (first, now_s)
        if now_s - self._first_since_s[1] < TOLD_AFTER_S:
            return []
        finals = [event for event, _ in behind if event is not None and event.turn not in self._told]
        self._told |= {event.turn for event in finals}
        return finals

    def awaits(self, coverage: Coverage) -> bool:
        """Whether this is what was sent last, and not something from before the stream was claimed anew."""
        return bool(self._waiting) and self._waiting[0][1] == Tile(coverage.from_chunk, coverage.to_chunk)

    def settle(self, answer: Stored | Refused) -> tuple[Verdict, Send | None]:
        """The broker's answer to the first; and what to publish now."""
        if isinstance(answer, Refused):
            self._waiting.clear()
            return ("superseded" if answer.code == "stale-epoch" else "out-of-step"), None
        _, tile = self._waiting.popleft()
        self.lane.stored(tile)
        return "stored", self._first() if self._waiting else None

    def _first(self) -> Send:
        event, tile = self._waiting[0]
        coverage = Coverage(
            stream=self._stream,
            lane=self.lane.name,
            epoch=self._epoch,
            from_chunk=tile.from_chunk,
            to_chunk=tile.to_chunk,
        )
        return Send(event, coverage)
