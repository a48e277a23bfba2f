"""Keeps one lane connected until all of it is said.

    wait for a chunk ──▶ permission ──▶ connect, send, hear ──▶ all said? ──yes──▶ over
          ▲  (of the open lane: for speech, after a long silence)   │no
          └─────────────────── back off ◀───────────────────────────┘

Whatever goes wrong, the next connection begins with the first chunk that neither a final nor a mark covers.
"""

from __future__ import annotations

import asyncio
import logging

from causal import clock
from causal.errors import CausalError
from causal.journal_record import Recorded
from causal.messages import StreamName, TranscriptFinal, TranscriptPartial, TranscriptVoid
from causal.messages.control import Fault

from .attempt import Attempt, Outcome
from .backoff import Backoff
from .failures import Failure, from_engine
from .finals import FinalQueue
from .health import Health
from .home import Home
from .lane import CHUNK_MS, OVERLAP_CHUNKS, Lane, Tile
from .seam import SEARCH_CHUNKS
from .surroundings import Surroundings
from .target import Target
from .transcript import Scribe

log = logging.getLogger("causal.stt.runner")

LOOK_AGAIN_S = 0.5
"""How often a lane that cannot go on looks whether something has changed."""
PATIENCE_S = 3.0
"""How long the local engine may take to appear before it is an error."""
KNOCK_S = 1.0
"""A door that does not open costs nobody anything: it is tried again so soon."""
REST_S = 30.0
"""The longest wait for a service whose sessions die without a word, again and again: they cost money."""
ENGINE_KNOCK_S = 0.25
"""That of the local engine, which is restarted within a second."""
ENGINE_REST_S = 5.0
"""The longest wait for a local engine whose sessions die without a word, as often as that may be."""
PERMIT_S = 45.0
"""So long a permission that was not used holds: also over the wait of a service that is asked for too much."""
UNSAID_ENDS = 3
"""So often a service may leave `Termination` out, without a new final, before what it told is taken for all."""
CUT_ENDS = 10
"""So often the connection may be lost after `Terminate`, without a new final: that is no chance any more."""
DIVIDE_RUN = SEARCH_CHUNKS + OVERLAP_CHUNKS
"""Chunks in a row that a new lane needs to begin with."""
GIVE_WAY_EVERY_S = 300.0
"""A lane gives way to new speech once in so long a time: where the network is too slow for what is said, it helps
nobody, and sessions cost money."""
GIVE_WAY_WITHIN_S = 2.0
"""So soon another session must be permitted: a connection that lives is better than none."""
ASK_TO_GIVE_WAY_S = 30.0
"""Nothing is sent while it asks, so it does not ask again before."""
PREROLL_CHUNKS = 10
"""So much of a silence is sent before the speech that ends it."""
YIELD_CHUNKS = 100
"""A silence that is passed over is covered in such pieces."""


class Runner:
    """One lane and its connections, one after the other. The `live` one has the stream's open lane, changes to a new
    one where the stream is divided, and sleeps through long silences."""

    def __init__(
        self, queue: FinalQueue, home: Home, around: Surroundings, health: Health, backoff: Backoff, *, live: bool
    ) -> None:
        self.queue = queue
        self.health = health
        self.said = False
        """Everything has been said, or will never be: the stream has ended, and the service refuses it for good."""
        self._home = home
        self._around = around
        self._backoff = backoff
        self._live = live
        self._target: Target | None = None
        self._permitted_to_s = 0.0
        self._idle = False
        self._unsaid_ends = self._cut_ends = 0
        self._limited = 0
        """Failures in a row that may not come more often than so many times."""
        self._blocked_s: float | None = None
        self._give_way_s = 0.0
        self._resume_at = 0
        """The first chunk for which it is worth connecting again."""

    async def run(self) -> None:
        """Transcribes the lane; returns when that is done, or the stream must end."""
        while not self._home.must_end:
            over = await self._go_on()
            mine = self.queue
            if self._live:
                self.queue = self._home.take_open()
            if over and self.queue is mine:
                self.said = True
                self.health.show("idle")
                return

    # --- what an attempt tells ---

    @property
    def must_end(self) -> bool:
        return self._home.must_end

    async def begin(self) -> tuple[Lane, Scribe]:
        """The session is live."""
        self._permitted_to_s = 0.0
        self._backoff.begun(clock.now_s())
        if self._live:
            patient = self._target is not None and self._target.is_engine
            self.queue = await self._home.divide(self.queue, patient=patient)
        lane = self.queue.lane
        lane.begin_connection()
        self.health.show("live")
        facts = self._home.assignment
        return lane, Scribe(
            StreamName.parse(facts.stream),
            lane,
            prefix=self._home.next_turn_prefix(lane.name),
            started_unix_ns=facts.started_unix_ns,
            engine=facts.engine,
            language=facts.language,
        )

    async def cut(self) -> bool:
        return self._live and await self._home.cut(self.queue)

    async def give_way(self) -> None:
        now_s = clock.now_s()
        if not self._live or self._target is None or now_s < self._give_way_s or not self._home.may_cut(self.queue):
            return
        permitted = await self._permitted(self._target, within_s=GIVE_WAY_WITHIN_S)
        given = permitted and await self._home.cut(self.queue)
        self._give_way_s = now_s + (GIVE_WAY_EVERY_S if given else ASK_TO_GIVE_WAY_S)

    def heard(self, *, words: bool) -> None:
        self.health.well()
        if words:
            self._backoff.proved()

    def sent(self, recorded: Recorded) -> None:
        self._home.sent(recorded)

    def show(self, event: TranscriptPartial | TranscriptVoid) -> None:
        if not self._home.must_end:
            self._around.emit(event)

    def final(self, event: TranscriptFinal | None, tile: Tile) -> None:
        self._unsaid_ends = self._cut_ends = 0
        self._home.say(self.queue, event, tile)

    # --- one connection ---

    async def _go_on(self) -> bool:
        """Waits for a chunk and makes one connection for it. True when everything has been said."""
        if self.queue.lane.all_promised:
            return True
        try:
            self._target = self._around.choose(self._home.assignment)
        except CausalError as error:
            return await self._blocked(error)
        first = await self._first_chunk(self._target)
        if first is None or first.chunk.end:
            return first is not None
        self._blocked_s = None
        if self.health.speech == "idle":
            self.health.show("connecting")
        if not await self._permitted(self._target):
            return False
        attempt = Attempt(
            self._target,
            self._home.supply,
            self._around.timing,
            self,
            idle_close_s=self._idle_close_s(self._target),
            patient=self._target.is_engine or not self._home.has_live_speech,
        )
        return await self._consider(await attempt.run(), self._target)

    async def _first_chunk(self, target: Target) -> Recorded | None:
        """The chunk to begin with, as soon as it exists. In a long silence: once somebody speaks, a second before."""
        enough = round(self._idle_close_s(target) * 1000 / CHUNK_MS)
        supply = self._home.supply
        if self._resume_at:
            await supply.wait_for(self._resume_at, lambda: self._home.must_end)
            self._resume_at = 0
        if self._live and enough:
            await self._pass_over_silence(enough)
        # What the journal could not take is still to come; new speech need not wait for it.
        run = DIVIDE_RUN if self._live and self._home.has_live_speech else None
        return await supply.wait_for(self.queue.lane.promised_to, lambda: self._home.must_end, or_newest_of=run)

    async def _pass_over_silence(self, enough: int) -> None:
        """Leaves out a silence of so many chunks, or one that has lasted already; waits for its end."""
        supply = self._home.supply
        first = index = self.queue.lane.promised_to
        while (known := supply.get(index)) or self._idle:
            if known is None:
                self.health.show("idle")
                known = await supply.wait_for(index, lambda: self._home.must_end)
            if known is None:
                return
            if known.chunk.active or known.chunk.end:
                self._skip_to(index if known.chunk.end else index - PREROLL_CHUNKS)
                break
            index += 1
            self._idle = self._idle or index - first >= enough
            if index % YIELD_CHUNKS == 0:
                self._skip_to(index - PREROLL_CHUNKS)
                await asyncio.sleep(0)
        self._idle = False

    def _skip_to(self, index: int) -> None:
        """Covers a silence that is not sent."""
        if self._idle and (tile := self.queue.lane.mark_to(index)):
            self._home.say(self.queue, None, tile)

    def _idle_close_s(self, target: Target) -> float:
        return 0.0 if target.is_engine else self._around.idle_close_s

    async def _permitted(self, target: Target, within_s: float = float("inf")) -> bool:
        until_s = clock.now_s() + within_s
        if target.is_engine or clock.now_s() < self._permitted_to_s:
            return True
        if not await self._around.permit(self._live, lambda: self._home.must_end or clock.now_s() >= until_s):
            return False
        self._permitted_to_s = clock.now_s() + PERMIT_S
        return True

    async def _consider(self, outcome: Outcome, target: Target) -> bool:
        """What follows a connection's end. True when everything has been said."""
        if outcome.opened:
            self._permitted_to_s = 0.0
        failure = outcome.failure
        if failure is None:
            self._backoff.finished()
            self._finish(outcome)
            return outcome.reached_end
        self._unsaid_ends += failure.only_unsaid
        self._cut_ends += outcome.terminated and outcome.answered  # one that was silent may have heard nothing
        if outcome.reached_end and (self._unsaid_ends >= UNSAID_ENDS or self._cut_ends >= CUT_ENDS):
            log.warning("%s: the service ends without Termination; taken as complete", self._home.assignment.stream)
            self._finish(outcome)
            return True
        if self._home.must_end:
            return False
        self.queue.lane.begin_connection()  # what was sent and not heard is behind again
        return await self._back_off(from_engine(failure) if target.is_engine else failure, outcome, target)

    def _finish(self, outcome: Outcome) -> None:
        """A connection that ended in good order has heard everything that it was sent."""
        lane = self.queue.lane
        done_to = lane.to_chunk if outcome.reached_end else None
        if outcome.idle or outcome.starved:
            self._idle = True
            self.health.show("idle")
            done_to = lane.next_index - (0 if outcome.starved else PREROLL_CHUNKS)
        if done_to is not None and (tile := lane.mark_to(done_to)):
            self._home.say(self.queue, None, tile)

    async def _back_off(self, failure: Failure, outcome: Outcome, target: Target) -> bool:
        longest_s = _longest_wait_s(outcome.opened, target.is_engine)
        if outcome.opened:
            wait_s = self._backoff.ended(
                clock.now_s(), at_least_s=failure.wait_s, at_most_s=longest_s, at_once=failure.at_once
            )
        else:
            wait_s = self._backoff.shut(at_least_s=failure.wait_s, at_most_s=longest_s)
        self._limited = self._limited + 1 if failure.max_tries is not None else 0
        given_up = failure.max_tries is not None and self._limited > failure.max_tries
        if given_up or not failure.retryable:
            self.health.complain(Fault(code=failure.code, message=failure.message, hint=failure.hint), "failed")
            return await self._give_up(target)
        if failure.on_speech:
            self.health.show("idle")
            self._resume_at = self._home.supply.next_index if self._live else 0
        elif not failure.at_once:
            fault = Fault(code=failure.code, message=failure.message, hint=failure.hint, retrying=True)
            self.health.complain(fault, "reconnecting")
        await self._rest(wait_s)
        return False

    async def _give_up(self, target: Target) -> bool:
        """Until the settings lead elsewhere (another key, say), or the stream has ended: its audio stays in the
        journal."""
        while not self._home.must_end:
            await self._rest(LOOK_AGAIN_S)
            if self._has_ended():
                return True
            try:
                if self._around.choose(self._home.assignment) != target:
                    return False
            except CausalError:
                continue
        return False

    async def _blocked(self, error: CausalError) -> bool:
        """There is nowhere to connect to. The engine will come; a missing key or a wrong setting may."""
        now_s = clock.now_s()
        self._blocked_s = self._blocked_s or now_s
        waiting = error.code == "engine-failed"
        if not waiting or now_s - self._blocked_s >= PATIENCE_S:
            fault = Fault(code=error.code, message=error.message, hint=error.hint, retrying=waiting)
            self.health.complain(fault, "connecting" if waiting else "failed")
        else:
            self.health.show("connecting")
        await self._rest(LOOK_AGAIN_S)
        return not waiting and self._has_ended()

    def _has_ended(self) -> bool:
        """Whether the stream was stopped and its end mark has come."""
        supply = self._home.supply
        last = supply.get(supply.next_index - 1) if self._home.assignment.stop else None
        return last is not None and last.chunk.end

    async def _rest(self, wait_s: float) -> None:
        """Sleeps, but not when the stream must end."""
        until_s = clock.now_s() + wait_s
        while not self._home.must_end and (left_s := until_s - clock.now_s()) > 0:
            await asyncio.sleep(min(left_s, LOOK_AGAIN_S))


def _longest_wait_s(opened: bool, is_engine: bool) -> float:
    """Before the next connection, unless the service wants a longer one."""
    if opened:
        return ENGINE_REST_S if is_engine else REST_S
    return ENGINE_KNOCK_S if is_engine else KNOCK_S
