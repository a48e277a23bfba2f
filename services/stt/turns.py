"""From the service's `Turn` messages to facts: a turn as it stands, a turn for ever, a turn taken back.

Both model families come in: those that send words one by one, those that send the whole turn anew, and turns that end
once or twice (plain, then formatted). Times are the service's: milliseconds of audio received in this session.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from .codec import HeardWord, Turn


@dataclass(frozen=True)
class Partial:
    """The turn as it stands; replaces the one before."""

    order: int
    revision: int
    text: str
    words: tuple[HeardWord, ...]
    speaker: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Final(Partial):
    """The turn for ever; comes once, and in the order of the turns."""


@dataclass(frozen=True)
class Void:
    """A partial that no final will follow."""

    order: int


Fact = Partial | Final | Void


@dataclass
class _Open:
    turn: Turn
    revision: int
    ended_s: float | None = None
    """When the plain final came for which a formatted one is awaited."""


class TurnAssembler:
    """The turns of one connection.

    `formatting_requested`: a turn that ends plain is held for `hold_s`, until its formatted version comes, the next
    turn begins or the connection ends. Holds the open turns only, normally one.
    """

    def __init__(self, *, formatting_requested: bool, hold_s: float) -> None:
        self._formatting_requested = formatting_requested
        self._hold_s = hold_s
        self._open: dict[int, _Open] = {}
        self._closed_to = 0
        self.dropped = 0
        """Messages about turns that were final already."""

    @property
    def has_open_turn(self) -> bool:
        """Whether something was said for which no final has come."""
        return bool(self._open)

    @property
    def deadline_s(self) -> float | None:
        """When a held turn has waited long enough."""
        ends = [known.ended_s for known in self._open.values() if known.ended_s is not None]
        return min(ends) + self._hold_s if ends else None

    def turn(self, turn: Turn, now_s: float) -> list[Fact]:
        """One message of the service."""
        if turn.order < self._closed_to:
            self.dropped += 1
            return []
        held = [order for order, known in self._open.items() if known.ended_s is not None and order < turn.order]
        facts = self._close_to(max(held) + 1) if held else []
        return facts + self._take(turn, now_s)

    def wake(self, now_s: float) -> list[Fact]:
        """Time has passed: held turns come out as they are."""
        due = [
            order
            for order, known in self._open.items()
            if known.ended_s is not None and now_s >= known.ended_s + self._hold_s
        ]
        return self._close_to(max(due) + 1) if due else []

    def finish(self, *, complete: bool) -> list[Fact]:
        """The connection is over. `complete`: the service has said all it had to say, so what is still open is final;
        else it is taken back, because the audio will be sent again."""
        last = max(self._open, default=-1)
        if complete:
            return self._close_to(last + 1)
        ended = [order for order, known in self._open.items() if known.ended_s is not None]
        facts = self._close_to(max(ended) + 1) if ended else []
        facts += [Void(order) for order in sorted(self._open) if self._open[order].revision > 0]
        self._open.clear()
        return facts

    def _take(self, turn: Turn, now_s: float) -> list[Fact]:
        known = self._open.setdefault(turn.order, _Open(replace(turn, text="", words=()), 0))
        if turn.ended and (turn.formatted or not self._formatting_requested):
            known.turn = turn
            return self._close_to(turn.order + 1)
        if known.ended_s is not None and not turn.ended:
            self.dropped += 1  # an older version, overtaken by its end
            return []
        if turn.ended and known.ended_s is None:
            known.ended_s = now_s
        changed = bool(turn.text) and (turn.text, turn.words) != (known.turn.text, known.turn.words)
        known.turn = turn
        if not changed:
            return []
        known.revision += 1
        return [_partial(known)]

    def _close_to(self, order: int) -> list[Fact]:
        """Makes all open turns before `order` final. One that was overtaken without an end keeps its last text:
        what was heard once is better than a hole."""
        facts: list[Fact] = []
        for due in sorted(key for key in self._open if key < order):
            known = self._open.pop(due)
            if known.turn.text:
                facts.append(_final(known))
            elif known.revision > 0:
                facts.append(Void(due))
        self._closed_to = max(self._closed_to, order)
        return facts


def _partial(known: _Open) -> Partial:
    turn = known.turn
    return Partial(turn.order, known.revision - 1, turn.text, turn.words, turn.speaker, turn.language)


def _final(known: _Open) -> Final:
    turn = known.turn
    return Final(turn.order, known.revision, turn.text, turn.words, turn.speaker, turn.language)
