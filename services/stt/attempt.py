"""One connection's work on a lane: chunks out, events in."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from causal import clock
from causal.journal_record import Recorded
from causal.messages import TranscriptFinal, TranscriptPartial, TranscriptVoid

from . import codec
from .connection import Connection, Frame
from .failures import Failure
from .lane import Lane, Tile
from .pacing import Pacer
from .session import Action, Advance, GoLive, Publish, RollOver, Session, Timing, Warn
from .supply import Supply
from .target import Target
from .transcript import Scribe
from .turns import Fact, Final, Void

log = logging.getLogger("causal.stt.attempt")

ROOM_CHECK_S = 0.25
ROLLOVER_WITHIN_S = 60.0
"""A session that expires soon is ended between two turns, or after so long without a pause."""


class Listener(Protocol):
    """Who hears what an attempt brings."""

    @property
    def must_end(self) -> bool:
        """Whether the attempt shall end before the stream does."""

    def live(self) -> None:
        """The session began."""

    def heard(self) -> None:
        """The service has said how far it is, or something that it heard."""

    def sent(self, recorded: Recorded) -> None:
        """A chunk goes out."""

    def show(self, event: TranscriptPartial | TranscriptVoid) -> None:
        """Something changed that may change again."""

    def final(self, event: TranscriptFinal, tile: Tile) -> None:
        """Something that will not change, and the chunks that it covers."""


@dataclass(frozen=True)
class Outcome:
    """How a connection ended."""

    failure: Failure | None
    """`None` after an end in good order."""
    reached_end: bool
    """Everything up to the stream's end mark was sent."""
    terminated: bool
    """The failure, if any, came after `Terminate`."""


class Attempt:
    """One connection. Used once."""

    def __init__(
        self, target: Target, lane: Lane, supply: Supply, scribe: Scribe, timing: Timing, listener: Listener
    ) -> None:
        now_s = clock.now_s()
        formatting = target.options.formatting_requested
        self._target = target
        self._lane = lane
        self._supply = supply
        self._scribe = scribe
        self._listener = listener
        self._session = Session(now_s=now_s, formatting_requested=formatting, timing=timing)
        self._pacer = Pacer.for_engine(now_s) if target.is_engine else Pacer.for_service(now_s)
        self._room = asyncio.Event()
        self._roll_over_by_s: float | None = None
        self._reached_end = False
        self._terminated = False

    async def run(self) -> Outcome:
        """Connects and works until the stream's end, the session's end, or a failure."""
        self._lane.begin_connection()
        failure = await Connection(self._target, self._session, self._on_action).run(self._audio())
        if self._session.unreadable or self._session.unknown or self._session.dropped_turns:
            log.warning(
                "a session had %d unreadable and %d unknown messages, and %d about turns that were over",
                self._session.unreadable,
                self._session.unknown,
                self._session.dropped_turns,
            )
        return Outcome(failure, self._reached_end, self._terminated)

    async def _audio(self) -> AsyncIterator[Frame]:
        """The lane's chunks as messages, as fast as they may go; ends at the end mark, or when told to."""
        while True:
            recorded = await self._supply.wait_for(self._lane.next_index, self._must_end)
            if recorded is None or recorded.chunk.end or not await self._may_send():
                self._reached_end = recorded is not None and recorded.chunk.end
                self._terminated = True
                return
            yield Frame(codec.audio_frame(recorded.samples), functools.partial(self._sent, recorded))

    def _must_end(self) -> bool:
        if self._listener.must_end:
            return True
        if self._roll_over_by_s is None:
            return False
        return not self._session.has_open_turn or clock.now_s() >= self._roll_over_by_s

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

    def _sent(self, recorded: Recorded) -> None:
        self._pacer.sent(clock.now_s())
        self._lane.sent(recorded.chunk, recorded.samples)
        self._listener.sent(recorded)

    def _on_action(self, action: Action) -> None:
        match action:
            case GoLive(session_id):
                log.info("session %s of the speech service is live", session_id)
                self._listener.live()
            case Publish(fact):
                self._publish(fact)
            case Advance(received_ms):
                self._listener.heard()
                self._advance(received_ms)
            case RollOver():
                self._roll_over_by_s = clock.now_s() + ROLLOVER_WITHIN_S
            case Warn(text):
                log.warning("the speech service warns: %s", text)

    def _publish(self, fact: Fact) -> None:
        if not isinstance(fact, Void):
            self._listener.heard()
        event = self._scribe.event(fact)
        if isinstance(fact, Final) and isinstance(event, TranscriptFinal):
            last = fact.words[-1] if fact.words else None
            tile = self._lane.tile((last.start_ms, last.end_ms) if last else None)
            self._advance(last.end_ms if last else 0)
            self._listener.final(event, tile)
        elif not isinstance(event, TranscriptFinal):
            self._listener.show(event)

    def _advance(self, received_ms: int) -> None:
        self._pacer.received(received_ms)
        self._room.set()
