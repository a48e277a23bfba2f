"""A subscriber's durable events: in order, without holes or repeats, whatever was lost on the way. No I/O.

    live ───────▶ ┌──────┐ ──▶ Deliver     the next event
    replayed ───▶ │ Feed │ ──▶ Ask         for stored events, from the first one that is missing
    head, tick ─▶ └──────┘ ──▶ Forgotten, Replaced: what a person should know

`seq` counts the events of all sessions and sources, so a feed must see all durable types of all of them: choose
among what is delivered, not by a narrower subscription. A session of its own is asked for in replays only.

Ephemeral events pass straight through, but for partials of a turn whose final was seen.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from causal import wire
from causal.errors import WireError
from causal.messages import EVENT_TYPES, Event, TranscriptFinal, TranscriptPartial
from causal.messages.log import Head, LoggedEvent, Replay, Replayed

HELD_EVENTS = 1000
REMEMBERED_FINALS = 4096
ASK_AGAIN_S = 1.0
SHORTER_FOR_S = 3.0
"""A head behind what was seen may be late on its way; after this time it is another log's."""

START = 1


@dataclass(frozen=True)
class Deliver:
    """The next event; a durable one has its `seq`."""

    event: Event


@dataclass(frozen=True)
class Ask:
    """Send this to the broker."""

    replay: Replay


@dataclass(frozen=True)
class Forgotten:
    """These events were wanted, and the log has them no more; it goes on behind them."""

    from_seq: int
    to_seq: int


@dataclass(frozen=True)
class Replaced:
    """The log ends before what was already seen, so it is another one; it is told from its start."""

    seen_seq: int
    head_seq: int


Action = Deliver | Ask | Forgotten | Replaced


class Feed:
    """Events of one subscriber. Holds at most 1000 that came before their turn; what comes when they are full is
    counted, dropped, and asked for later. One thread."""

    def __init__(self, begin: int | None, session: str | None = None) -> None:
        """`begin` is the first `seq` wanted: `START`, one behind a remembered position, or None for what comes."""
        self.dropped = 0
        """Live events that did not fit; replays bring them back."""
        self.unreadable = 0
        """Stored events that are not as this release knows them."""
        self.closing = False
        """The broker is going down: with `caught_up`, everything that will come has come."""
        self._session = session
        self._next = begin
        self._highest = 0
        self._asked_s: float | None = None
        self._begun = begin is None
        self._held: dict[int, Event] = {}
        self._finals: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._shorter_s: float | None = None

    @property
    def position(self) -> int | None:
        """The `seq` of the last durable event that is done with; None before anything is known."""
        return None if self._next is None else self._next - 1

    @property
    def held(self) -> int:
        """How many events wait for an earlier one."""
        return len(self._held)

    @property
    def caught_up(self) -> bool:
        """Whether nothing that is known to exist is missing."""
        return self._begun and self._asked_s is None and self._next is not None and self._next > self._highest

    def on_live(self, event: Event, now_s: float) -> list[Action]:
        """An event from the broker's `events` socket."""
        fresh = self._note_turn(event)
        if event.seq is None:
            return [Deliver(event)] if fresh else []
        if self._next is None:
            self._next = event.seq
        self._highest = max(self._highest, event.seq)
        if event.seq >= self._next and event.seq not in self._held:
            if event.seq == self._next or len(self._held) < HELD_EVENTS:
                self._held[event.seq] = event
            else:
                self.dropped += 1
        return self._advance(now_s)

    def on_head(self, head: Head, now_s: float) -> list[Action]:
        """The broker's newest number, once a second."""
        self.closing = head.closing
        if self._next is None:
            self._next = head.seq + 1
        if self._is_other_log(head, now_s):
            return self._start_over(head, now_s)
        self._highest = max(self._highest, head.seq)
        return self._advance(now_s)

    def on_replayed(self, replayed: Replayed, now_s: float) -> list[Action]:
        """An answer to an `Ask`, also a late one: each tells all from where it was asked for, which is never beyond
        what was done with already."""
        if self._next is None:
            return []
        before = self._next
        self._begun = True
        self._highest = max(self._highest, replayed.head_seq)
        actions: list[Action] = []
        if replayed.oldest_seq > self._next and replayed.head_seq >= self._next:
            actions.append(Forgotten(self._next, replayed.oldest_seq - 1))
            self._next = replayed.oldest_seq
        actions += self._deliver(replayed.events)
        self._next = max(self._next, min(replayed.next_seq, replayed.head_seq + 1))
        self._held = {seq: event for seq, event in self._held.items() if seq >= self._next}
        if self._next > before or self._next > self._highest:
            self._asked_s = None
        return actions + self._advance(now_s)

    def on_unsent(self) -> None:
        """The last `Ask` could not be sent, since the broker is away: the next `tick` asks again."""
        self._asked_s = None

    def tick(self, now_s: float) -> list[Action]:
        """What time leads to: call it at least once a second, and once at the beginning."""
        if self._next is None:
            return []
        if self._asked_s is None:
            return self._ask(now_s) if not self._begun or self._next <= self._highest else []
        return self._ask(now_s) if now_s - self._asked_s >= ASK_AGAIN_S else []

    def _note_turn(self, event: Event) -> bool:
        """Remembers the finals; False for a partial that comes after one."""
        match event:
            case TranscriptPartial():
                return (event.session, event.source, event.turn) not in self._finals
            case TranscriptFinal():
                self._finals[event.session, event.source, event.turn] = None
                if len(self._finals) > REMEMBERED_FINALS:
                    self._finals.popitem(last=False)
        return True

    def _deliver(self, events: Iterable[LoggedEvent]) -> list[Action]:
        assert self._next is not None
        actions: list[Action] = []
        for logged in events:
            event = readable(logged)
            if event is None or event.seq is None:
                self.unreadable += 1
            elif event.seq >= self._next:
                self._note_turn(event)
                self._next = event.seq + 1
                actions.append(Deliver(event))
        return actions

    def _advance(self, now_s: float) -> list[Action]:
        """Delivers what was held and has its turn; asks for what is missing then."""
        assert self._next is not None
        actions: list[Action] = []
        while (event := self._held.pop(self._next, None)) is not None:
            actions.append(Deliver(event))
            self._next += 1
        if self._next > self._highest:
            self._asked_s = self._asked_s if not self._begun else None
        elif self._asked_s is None:
            actions += self._ask(now_s)
        return actions

    def _ask(self, now_s: float) -> list[Action]:
        assert self._next is not None
        self._asked_s = now_s
        return [Ask(Replay(from_seq=self._next, session=self._session))]

    def _is_other_log(self, head: Head, now_s: float) -> bool:
        assert self._next is not None
        if head.seq >= self._next - 1:
            self._shorter_s = None
            return False
        self._shorter_s = now_s if self._shorter_s is None else self._shorter_s
        return now_s - self._shorter_s >= SHORTER_FOR_S

    def _start_over(self, head: Head, now_s: float) -> list[Action]:
        assert self._next is not None
        replaced = Replaced(self._next - 1, head.seq)
        self._next, self._highest, self._shorter_s = START, head.seq, None
        self._held.clear()
        return [replaced, *self._ask(now_s)]


def parse_begin(text: str) -> int | None:
    """`start`, `now` or a number, as `Feed` wants it. Raises `ValueError` for anything else."""
    match text:
        case "start":
            return START
        case "now":
            return None
        case _ if text.isascii() and text.isdecimal() and int(text) >= 1:
            return int(text)
    raise ValueError(f"{text!r} is neither start, now, nor the number of an event (1, 2 …)")


def readable(logged: LoggedEvent) -> Event | None:
    """The event that was stored; None for one that this release does not know."""
    kind = EVENT_TYPES.get(logged.kind)
    try:
        return wire.convert(logged.event, kind) if kind is not None else None
    except WireError:
        return None
