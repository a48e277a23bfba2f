"""One connection's work on a lane: chunks out, events in."""

from __future__ import annotations

import asyncio
import functools
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Protocol

from causal import clock
from causal.journal_record import Recorded
from causal.messages import TranscriptFinal, TranscriptPartial, TranscriptVoid

from . import codec
from .connection import Connection, Frame
from .failures import Failure
from .lane import CHUNK_MS, Lane, Tile
from .pacing import Pacer
from .session import Action, Advance, GoLive, Publish, RollOver, Session, Warn
from .supply import Supply
from .target import Target
from .timing import Timing
from .transcript import Scribe
from .turns import Fact, Final, Void

log = logging.getLogger("causal.stt.attempt")

ROOM_CHECK_S = 0.25
LEFT_BEHIND_CHUNKS = 60
"""What waits for a connection after this process stood still, say: 4 s of it may go at once, but for each second more
words would come late for another four. So the lane ends here, and what is left is transcribed beside what is said."""


class Listener(Protocol):
    """Who hears what an attempt brings."""

    @property
    def must_end(self) -> bool:
        """Whether the attempt shall end before the lane does."""

    async def begin(self) -> tuple[Lane, Scribe]:
        """The session is live: what it shall transcribe, from the connection's zero on."""

    async def cut(self) -> bool:
        """Gives the lane an end amid speech, shortly before what was sent last; another session goes on from there.
        False where that cannot be."""

    async def give_way(self) -> None:
        """Much waits for this connection: gives the lane an end likewise, if another session may begin now."""

    def heard(self, *, words: bool) -> None:
        """The service has said how far it is, or something that it heard: `words`, or that there were none."""

    def sent(self, recorded: Recorded) -> None:
        """A chunk goes out."""

    def show(self, event: TranscriptPartial | TranscriptVoid) -> None:
        """Something changed that may change again."""

    def final(self, event: TranscriptFinal | None, tile: Tile) -> None:
        """Something that will not change, and the chunks that it covers; `None`: nothing was said in them."""


@dataclass(frozen=True)
class Outcome:
    """How a connection ended."""

    failure: Failure | None
    """`None` after an end in good order."""
    opened: bool
    """Whether the service may count it as a session."""
    reached_end: bool
    """Everything up to the lane's end, or the stream's end mark, was sent."""
    terminated: bool
    """The failure, if any, came after `Terminate`."""
    idle: bool
    """It ended because nobody speaks."""
    starved: bool
    """It ended because the device delivers nothing."""
    answered: bool
    """The service has said something about the audio."""


class Attempt:
    """One connection. Used once. `idle_close_s`: ends after so long a silence; 0: never. `patient`: catches up on
    whatever waits, before new speech."""

    def __init__(
        self, target: Target, supply: Supply, timing: Timing, listener: Listener, *, idle_close_s: float, patient: bool
    ) -> None:
        now_s = clock.now_s()
        formatting = target.options.formatting_requested
        self._target = target
        self._supply = supply
        self._timing = timing
        self._listener = listener
        self._session = Session(now_s=now_s, formatting_requested=formatting, timing=timing)
        self._pacer = Pacer.for_engine(now_s) if target.is_engine else Pacer.for_service(now_s)
        self._room = asyncio.Event()
        self._work: tuple[Lane, Scribe] | None = None
        self._live_s = now_s
        self._fed_s = time.monotonic()
        """When the last chunk went out. By a clock that stands still while the machine sleeps: then nothing is missing
        that should have come."""
        self._is_patient = patient
        self._idle_close_s = idle_close_s
        self._idle_close_chunks = round(idle_close_s * 1000 / CHUNK_MS)
        self._quiet_from = 0
        """The first chunk of the present silence."""
        self._shown: set[int] = set()
        self._roll_over_by_s: float | None = None
        self._reached_end = False
        self._terminated = False
        self._answered = False

    async def run(self) -> Outcome:
        """Connects and works until the lane's end, the session's end, or a failure."""
        failure = await Connection(self._target, self._session, self._on_action).run(self._audio())
        if self._session.unreadable or self._session.unknown or self._session.dropped_turns:
            log.warning(
                "a session had %d unreadable and %d unknown messages, and %d about turns that were over",
                self._session.unreadable,
                self._session.unknown,
                self._session.dropped_turns,
            )
        open_lane = self._work[0] if self._work is not None and not self._reached_end else None
        return Outcome(
            failure,
            opened=self._session.opened,
            reached_end=self._reached_end,
            terminated=self._terminated,
            idle=open_lane is not None and self._is_idle(open_lane),
            starved=open_lane is not None and self._is_starved(open_lane),
            answered=self._answered,
        )

    async def _audio(self) -> AsyncIterator[Frame]:
        """The lane's chunks as messages, as fast as they may go; ends at the lane's end, or when told to."""
        lane, _ = self._work = await self._listener.begin()
        self._quiet_from = lane.next_index
        while not lane.all_sent:
            if self._is_late_to_roll_over() and not await self._cut():
                break
            if self._is_left_behind(lane):
                await self._listener.give_way()
            recorded = await self._supply.wait_for(lane.next_index, self._must_end)
            self._reached_end = recorded is not None and recorded.chunk.end
            if recorded is not None and not self._reached_end and await self._may_send():
                yield Frame(codec.audio_frame(recorded.samples), functools.partial(self._sent, lane, recorded))
            elif self._reached_end or self._listener.must_end or not self._is_late_to_roll_over():
                break
        self._reached_end = self._reached_end or lane.all_sent
        self._terminated = True

    def _is_left_behind(self, lane: Lane) -> bool:
        """Whether so much waits for a living connection that what is said now is better told by another one."""
        return (
            lane.to_chunk is None
            and self._supply.newest_index - lane.next_index >= LEFT_BEHIND_CHUNKS
            and not self._is_patient
        )

    async def _cut(self) -> bool:
        self._roll_over_by_s = None
        return await self._listener.cut()

    def _must_end(self) -> bool:
        if self._listener.must_end or self._work is None:
            return self._listener.must_end
        lane, _ = self._work
        if self._is_late_to_roll_over() or self._is_starved(lane):
            return True
        if self._session.has_open_turn:
            return False
        return self._is_idle(lane) or (self._roll_over_by_s is not None and lane.in_pause)

    def _is_late_to_roll_over(self) -> bool:
        """Whether no pause has come in which the session could have ended."""
        return self._roll_over_by_s is not None and clock.now_s() >= self._roll_over_by_s

    def _is_idle(self, lane: Lane) -> bool:
        quiet = lane.next_index - self._quiet_from
        return 0 < self._idle_close_chunks <= quiet and lane.to_chunk is None

    def _is_starved(self, lane: Lane) -> bool:
        """Whether the device has delivered nothing for so long, not even silence. No pause will end a turn then."""
        is_long = 0 < self._idle_close_s <= time.monotonic() - self._fed_s
        return is_long and lane.to_chunk is None and self._supply.get(lane.next_index) is None

    async def _may_send(self) -> bool:
        """Waits for its turn; False when it was told to end meanwhile."""
        while not self._must_end():
            wait_s = self._pacer.wait_s(clock.now_s())
            if wait_s == 0.0:
                return True
            self._room.clear()
            try:
                async with asyncio.timeout(ROOM_CHECK_S if wait_s is None else min(wait_s, ROOM_CHECK_S)):
                    await self._room.wait()
            except TimeoutError:
                continue
        return False

    def _sent(self, lane: Lane, recorded: Recorded) -> None:
        self._fed_s = time.monotonic()
        self._pacer.sent(clock.now_s())
        lane.sent(recorded.chunk, recorded.samples)
        if recorded.chunk.active:
            self._quiet_from = lane.next_index
        self._listener.sent(recorded)

    def _on_action(self, action: Action) -> None:
        match action:
            case GoLive(session_id):
                self._live_s, self._fed_s = clock.now_s(), time.monotonic()
                log.info("session %s of the speech service is live", session_id)
            case Publish(fact):
                self._publish(fact)
            case Advance(processed_ms):
                self._answered = True
                self._listener.heard(words=False)
                self._advance(processed_ms)
            case RollOver():
                self._roll_over_by_s = clock.now_s() + self._timing.pause_s
            case Warn(text):
                log.warning("the speech service warns: %s", text)

    def _publish(self, fact: Fact) -> None:
        if self._work is None:
            return  # nothing was sent yet, so there is nothing to tell
        lane, scribe = self._work
        self._answered = True
        if isinstance(fact, Void):
            self._take_back(fact.order, scribe)
            return
        self._listener.heard(words=bool(fact.words))
        if fact.words:  # what the service hears is no silence, however quiet it is
            self._quiet_from = max(self._quiet_from, lane.index_at(fact.words[-1].end_ms) + 1)
        last = fact.words[-1] if fact.words else None
        own = tuple(word for word in fact.words if lane.holds(word.start_ms, word.end_ms))
        if fact.words and not own:
            self._take_back(fact.order, scribe)
        else:
            if len(own) < len(fact.words):
                fact = replace(fact, words=own, text=" ".join(word.text for word in own))
            self._tell(fact, lane, scribe)
        if last is not None:
            self._advance(last.end_ms)

    def _tell(self, fact: Fact, lane: Lane, scribe: Scribe) -> None:
        event = scribe.event(fact)
        if isinstance(event, TranscriptFinal) and isinstance(fact, Final):
            last = fact.words[-1] if fact.words else None
            self._shown.discard(fact.order)
            self._listener.final(event, lane.tile((last.start_ms, last.end_ms) if last else None))
        elif not isinstance(event, TranscriptFinal):
            self._shown.add(fact.order)
            self._listener.show(event)

    def _take_back(self, order: int, scribe: Scribe) -> None:
        event = scribe.event(Void(order))
        if order in self._shown and isinstance(event, TranscriptVoid):
            self._listener.show(event)
        self._shown.discard(order)

    def _advance(self, processed_ms: int) -> None:
        """The service has come so far, or at least taken so much in: what lies well before it, and holds no open turn,
        need not be sent again."""
        self._pacer.received(processed_ms)
        self._room.set()
        if self._work is None or self._session.has_open_turn:
            return
        if not self._target.is_engine:  # what it took in ahead of time may wait in its buffer
            processed_ms = min(processed_ms, round((clock.now_s() - self._live_s) * 1000))
        if tile := self._work[0].mark(processed_ms):
            self._listener.final(None, tile)
