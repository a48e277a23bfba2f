"""One stream on its way through the speech service, from its first chunk to its last final.

    claim the lane ──▶ wait for a chunk ──▶ connect, send, hear ──▶ all said? ──yes──▶ all stored? ──yes──▶ done
          ▲                   ▲                                        │no                 │refused
          │                   └────────────── back off ◀───────────────┘                   │
          └────────────────────────────────────────────────────────────────────────────────┘

Whatever goes wrong, the next connection begins with the first chunk that no final covers.
"""

from __future__ import annotations

import asyncio
import logging

from causal import clock
from causal.errors import CausalError
from causal.journal_record import Recorded
from causal.messages import StreamName, TranscriptFinal, TranscriptPartial, TranscriptVoid
from causal.messages.control import Assignment, Fault, StreamReport
from causal.messages.log import Claimed, Refused, Stored

from .attempt import Attempt, Outcome
from .backoff import Backoff
from .failures import Failure, from_engine
from .finals import FinalQueue, Send
from .health import Health
from .lane import CHUNK_MS, SAMPLES_PER_MS, Lane, Tile
from .supply import Supply
from .surroundings import Surroundings
from .target import Target
from .transcript import Scribe

log = logging.getLogger("causal.stt.stream")

LANE = "0"
BEHIND_CHUNKS = 30
"""More than three seconds behind is catching up."""
LOOK_AGAIN_S = 0.5
"""How often a stream that cannot go on looks whether something has changed."""
PATIENCE_S = 3.0
"""How long the local engine may take to appear before it is an error."""
BAD_ENDS = 3
"""So often a service may end without `Termination` and without a new final before its word is taken for the last."""


class SpeechStream:
    """One stream, in one epoch. `run` ends when all that was said is stored, another worker has it, or we must end."""

    def __init__(self, assignment: Assignment, supply: Supply, backoff: Backoff, around: Surroundings) -> None:
        self.assignment = assignment
        self.supply = supply
        self.superseded = False
        """Another worker has the lane: nothing of this stream is ours any more."""
        self.done = False
        """Everything was said and is stored."""
        self._backoff = backoff
        self._around = around
        self._claim_lane(0)
        self._claimed: asyncio.Future[Claimed] | None = None
        self._settled = asyncio.Event()
        self._health = Health(assignment.stream, around.changed)
        self._sent_ms: int | None = None
        self._final_ms: int | None = None
        self._connections = 0
        self._bad_ends = 0
        self._blocked_s: float | None = None
        self._out_of_step = False
        self._finish_now = False

    # --- what the gateway tells ---

    def update(self, assignment: Assignment) -> None:
        """The controller's facts, in the same epoch."""
        self.assignment = assignment

    def claimed(self, claimed: Claimed) -> None:
        """The broker's answer to a claim."""
        if self._claimed is not None and not self._claimed.done():
            self._claimed.set_result(claimed)

    def settled(self, answer: Stored | Refused) -> None:
        """The broker's answer to a final."""
        verdict, send = self._finals.settle(answer)
        if verdict == "stored":
            self._final_ms = self._lane.covered_to_ms() or self._final_ms
        else:
            log.warning("%s: the broker refused a final: %s", self.assignment.stream, answer)
            self.superseded = verdict == "superseded"
            self._out_of_step = verdict == "out-of-step"
        self._send(send)
        self._settled.set()
        self.supply.wake()

    def finish_now(self) -> None:
        """The gateway is about to end: get the last words of what was sent."""
        self._finish_now = True
        self.supply.wake()
        self._settled.set()

    def report(self) -> StreamReport:
        """How it is, for the controller."""
        behind = 0 if self.done else max(0, self.supply.next_index - self._lane.next_index)
        speech = self._health.speech
        catching_up = speech == "live" and behind > BEHIND_CHUNKS
        return StreamReport(
            stream=self.assignment.stream,
            epoch=self.assignment.epoch,
            speech="catching-up" if catching_up else speech,
            sent_ms=self._sent_ms,
            final_ms=self._final_ms,
            backlog_ms=behind * CHUNK_MS,
            done=self.done,
            fault=self._health.fault,
        )

    # --- its life ---

    async def run(self) -> None:
        """Transcribes the stream. Cancelled when the controller takes it away."""
        self._out_of_step = True
        while not self._over:
            if self._out_of_step:
                await self._ask_for_lane()
            elif await self._go_on() and await self._all_stored():
                self.done = True
                self._health.show("idle")
                return

    @property
    def must_end(self) -> bool:
        """Whether a connection shall end before the stream does."""
        return self._over or self._out_of_step

    def live(self) -> None:
        """A session began."""
        self._backoff.begun(clock.now_s())
        self._health.show("live")

    def heard(self) -> None:
        """The service has said that it hears us: nothing is wrong any more."""
        self._health.well()

    def sent(self, recorded: Recorded) -> None:
        """A chunk goes out."""
        self._sent_ms = max(self._sent_ms or 0, _end_ms(recorded))
        if recorded.chunk.index + BEHIND_CHUNKS >= self.supply.newest_index:
            age_ms = (clock.now_ns() - recorded.chunk.captured_ns) / clock.NS_PER_MS - CHUNK_MS
            self._around.sending.add(age_ms)

    def show(self, event: TranscriptPartial | TranscriptVoid) -> None:
        """A partial came, or is taken back."""
        if not self.superseded:
            self._around.emit(event)

    def final(self, event: TranscriptFinal, tile: Tile) -> None:
        """A final came. After a refusal its tile would be wrong, and it will be said again."""
        self._bad_ends = 0
        if not (self._out_of_step or self.superseded):
            self._send(self._finals.add(event, tile))

    @property
    def _over(self) -> bool:
        return self.superseded or self._finish_now

    async def _ask_for_lane(self) -> None:
        """Where to begin, by the broker. What was promised and not stored is forgotten: it will be said again."""
        self._claimed = asyncio.get_running_loop().create_future()
        self._around.claim(self.assignment.stream, LANE, self.assignment.epoch)
        claimed = await self._claimed
        self.superseded = claimed.epoch > self.assignment.epoch
        self._claim_lane(claimed.covered_to)
        self._out_of_step = False
        if self.superseded:
            log.warning("%s: another worker has it, in epoch %d", self.assignment.stream, claimed.epoch)
            text = f"another gateway has taken {self.assignment.stream} over (epoch {claimed.epoch})"
            self._health.complain(
                Fault(code="internal", message=text, hint="restart causal-control if this stays"), "failed"
            )
        elif last := self.supply.get(claimed.covered_to - 1) if claimed.covered_to else None:
            self._final_ms = _end_ms(last)

    def _claim_lane(self, covered_to: int) -> None:
        self._lane = Lane(LANE, covered_to)
        self._finals = FinalQueue(self.assignment.stream, self._lane, self.assignment.epoch)

    async def _go_on(self) -> bool:
        """Waits for a chunk and makes one connection for it. True when everything has been said."""
        first = await self.supply.wait_for(self._lane.promised_to, lambda: self.must_end)
        if first is None or first.chunk.end:
            return first is not None
        try:
            target = self._around.choose(self.assignment)
        except CausalError as error:
            return await self._blocked(error)
        self._blocked_s = None
        if self._health.speech == "idle":
            self._health.show("connecting")
        attempt = Attempt(target, self._lane, self.supply, self._scribe(), self._around.timing, self)
        return await self._consider(await attempt.run(), target)

    def _scribe(self) -> Scribe:
        self._connections += 1
        facts = self.assignment
        return Scribe(
            StreamName.parse(facts.stream),
            self._lane,
            prefix=f"{LANE}-{facts.epoch}-{self._connections}",
            started_unix_ns=facts.started_unix_ns,
            engine=facts.engine,
            language=facts.language,
        )

    async def _consider(self, outcome: Outcome, target: Target) -> bool:
        """What follows a connection's end. True when everything has been said."""
        failure = outcome.failure
        if failure is None:
            self._backoff.ended(clock.now_s(), at_once=True)
            return outcome.reached_end
        self._bad_ends += outcome.terminated
        if outcome.reached_end and self._bad_ends >= BAD_ENDS:
            log.warning("%s: the service ends without Termination; taken as complete", self.assignment.stream)
            return True
        if self._over:
            return False
        return await self._back_off(from_engine(failure) if target.is_engine else failure, target)

    async def _back_off(self, failure: Failure, target: Target) -> bool:
        wait_s = self._backoff.ended(clock.now_s(), at_least_s=failure.wait_s, at_once=failure.at_once)
        given_up = failure.max_tries is not None and self._backoff.tries > failure.max_tries
        if given_up or not failure.retryable:
            self._health.complain(Fault(code=failure.code, message=failure.message, hint=failure.hint), "failed")
            return await self._give_up(target)
        if failure.on_speech:
            self._health.show("idle")
        elif not failure.at_once:
            fault = Fault(code=failure.code, message=failure.message, hint=failure.hint, retrying=True)
            self._health.complain(fault, "reconnecting")
        await self._rest(wait_s)
        return False

    async def _give_up(self, target: Target) -> bool:
        """Until the settings lead elsewhere (another key, say), or the stream has ended: its audio stays in the
        journal."""
        while not self._over:
            await self._rest(LOOK_AGAIN_S)
            if self._has_ended():
                return True
            try:
                if self._around.choose(self.assignment) != target:
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
            self._health.complain(fault, "connecting" if waiting else "failed")
        else:
            self._health.show("connecting")
        await self._rest(LOOK_AGAIN_S)
        return not waiting and self._has_ended()

    def _has_ended(self) -> bool:
        """Whether the stream was stopped and its end mark has come."""
        last = self.supply.get(self.supply.next_index - 1) if self.assignment.stop else None
        return last is not None and last.chunk.end

    async def _all_stored(self) -> bool:
        """Waits until the broker has every final. False when one was refused."""
        while len(self._finals) and not self.must_end:
            self._settled.clear()
            await self._settled.wait()
        return not self.must_end

    async def _rest(self, wait_s: float) -> None:
        """Sleeps, but not when the gateway is about to end."""
        until_s = clock.now_s() + wait_s
        while not self.must_end and (left_s := until_s - clock.now_s()) > 0:
            await asyncio.sleep(min(left_s, LOOK_AGAIN_S))

    def _send(self, send: Send | None) -> None:
        if send is not None:
            self._around.publish(send.event, send.coverage)


def _end_ms(recorded: Recorded) -> int:
    """Where on the stream's time line a chunk's last heard sample lies."""
    return (recorded.chunk.position + recorded.chunk.valid) // SAMPLES_PER_MS
