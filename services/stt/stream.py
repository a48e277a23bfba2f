"""One stream on its way through the speech service, from its first chunk to its last final.

    claim ──▶ the open lane, live ──────────────────────▶ all said ──▶ all stored ──▶ done
      ▲       the lanes behind, one after the other, beside it ──▲         │refused
      └────────────────────────────────────────────────────────────────────┘

The broker knows the lanes, so whoever claims the stream finds them all. After an outage the session that comes first
takes what is said from now on, in a new lane; the lane that ends there follows on a connection of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random

from causal import clock
from causal.journal_record import Recorded
from causal.messages import TranscriptFinal
from causal.messages.control import Assignment, Fault, StreamReport
from causal.messages.log import Claim, Claimed, Coverage, LaneRange, Refused, Stored

from .backoff import Backoff
from .finals import FinalQueue, Send
from .health import Health
from .lane import CHUNK_MS, SAMPLES_PER_MS, Lane, Tile, level
from .lanes import Lanes
from .runner import Runner
from .seam import SEARCH_CHUNKS, seam
from .supply import Supply
from .surroundings import Surroundings

log = logging.getLogger("causal.stt.stream")

FIRST_LANE = LaneRange(lane="0", from_chunk=0, to_chunk=None, covered_to=0)
BEHIND_CHUNKS = 30
"""More than three seconds behind is catching up, and transcribed beside what is said now."""
ASK_AGAIN_S = 1.0
"""After an answer of the broker that cannot be used."""
CLAIM_WITHIN_S = 5.0
"""A new lane is not worth a longer wait, in which nothing is sent. Should it be granted later, the next final that does
not fit makes the stream ask anew."""
ENGINE_BEHIND_CHUNKS = 200
"""The local engine catches up on as much in a second or two, so it does so first."""


class SpeechStream:
    """One stream, in one epoch. `run` ends when all that was said is stored, another worker has it, or we must end."""

    def __init__(self, assignment: Assignment, supply: Supply, around: Surroundings) -> None:
        self.assignment = assignment
        self.supply = supply
        self.superseded = False
        """Another worker has the stream: nothing of it is ours any more."""
        self.done = False
        """Everything was said and is stored."""
        self.asked_for = ""
        """The lane of the last claim."""
        self._around = around
        self._answer: asyncio.Future[Claimed] | None = None
        self._news = asyncio.Event()
        self._lanes = Lanes(assignment.stream, assignment.epoch, [FIRST_LANE])
        self._live = self._runner(self._lanes.open, live=True)
        self._behind: Runner | None = None
        self._sent_ms: int | None = None
        self._final_ms: int | None = None
        self._connections = itertools.count(1)
        self._out_of_step = False
        self._finish_now = False

    # --- what the gateway tells ---

    def update(self, assignment: Assignment) -> None:
        """The controller's facts, in the same epoch."""
        self.assignment = assignment

    def claimed(self, claimed: Claimed) -> None:
        """The broker's answer to a claim."""
        if self._answer is not None and not self._answer.done() and claimed.lane == self.asked_for:
            self._answer.set_result(claimed)

    def settled(self, coverage: Coverage, answer: Stored | Refused) -> None:
        """The broker's answer to a final or a mark."""
        queue = self._lanes.get(coverage.lane)
        if queue is None or not queue.awaits(coverage):
            return  # said before the stream was claimed anew, and said again since
        verdict, send = queue.settle(answer)
        if verdict == "stored":
            self._final_ms = self._covered_to_ms()
        else:
            log.warning("%s: the broker refused a final: %s", self.assignment.stream, answer)
            self.superseded = self.superseded or verdict == "superseded"
            self._out_of_step = self._out_of_step or verdict == "out-of-step"
        self._send(send)
        self._wake()

    @property
    def waiting_finals(self) -> int:
        """In the fullest of the lanes."""
        return max(map(len, self._lanes))

    def untold(self, now_s: float) -> list[TranscriptFinal]:
        """Finals that wait behind one that the broker cannot store, each once: listeners should not wait with them."""
        return [event for queue in self._lanes for event in queue.untold(now_s)]

    def finish_now(self) -> None:
        """The gateway is about to end: get the last words of what was sent."""
        self._finish_now = True
        self._wake()

    def report(self) -> StreamReport:
        """How it is, for the controller."""
        backlog_ms = 0 if self.done else self._lanes.backlog_ms(self.supply.next_index)
        health = self._live.health
        speech, fault = health.speech, health.fault
        if self._behind is not None:
            fault = fault or self._behind.health.fault
            speech = self._behind.health.speech if self._live.said else speech
        if speech == "live" and (self._behind is not None or backlog_ms > BEHIND_CHUNKS * CHUNK_MS):
            speech = "catching-up"
        return StreamReport(
            stream=self.assignment.stream,
            epoch=self.assignment.epoch,
            speech=speech,
            sent_ms=self._sent_ms,
            final_ms=self._final_ms,
            backlog_ms=backlog_ms,
            covered_to=self._lanes.covered_to,
            done=self.done,
            fault=fault,
        )

    # --- its life ---

    async def run(self) -> None:
        """Transcribes the stream. Cancelled when the controller takes it away."""
        self._out_of_step = True
        while not self._over:
            if self._out_of_step:
                await self._take_lanes()
                continue
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run_live())
                group.create_task(self._catch_up())
            if await self._all_stored():
                self.done = True
                self._live.health.show("idle")
                return

    @property
    def must_end(self) -> bool:
        """Whether connections shall end before their lanes do."""
        return self._over or self._out_of_step

    @property
    def has_live_speech(self) -> bool:
        """Whether what comes now is worth more than what came before: not in a file with a speed of its own."""
        return not (self.assignment.device.startswith("file:") and "speed=" in self.assignment.device)

    async def divide(self, queue: FinalQueue, *, patient: bool) -> FinalQueue:
        """The lane for a session that has just begun: where much has piled up, a new one, in which new speech comes at
        once."""
        newest = self.supply.next_index
        many = ENGINE_BEHIND_CHUNKS if patient else BEHIND_CHUNKS
        missing = self.supply.get(queue.lane.promised_to) is None  # on a full disk the journal has not taken it yet
        if not self.has_live_speech or (newest - queue.lane.promised_to < many and not missing):
            return queue
        return await self._divide_before(newest, queue)

    def may_cut(self, queue: FinalQueue) -> bool:
        """Whether `cut` would find a place, and what comes now is worth it: the stream has not ended."""
        newest = self.supply.get(self.supply.newest_index)
        goes_on = newest is not None and not newest.chunk.end
        return goes_on and self._place_of_seam(queue.lane.next_index, queue.lane) is not None

    async def cut(self, queue: FinalQueue) -> bool:
        """Ends the lane amid speech, in the quietest chunk of what its session was sent last; a new lane goes on from
        there. False where that cannot be."""
        return await self._divide_before(queue.lane.next_index, queue) is not queue

    async def _divide_before(self, index: int, queue: FinalQueue) -> FinalQueue:
        """The new lane, which begins in the quietest of the chunks before `index`; the old one where there is none."""
        first = self._place_of_seam(index, queue.lane)
        if first is None or queue is not self._lanes.open:
            return queue
        try:
            async with asyncio.timeout(CLAIM_WITHIN_S):
                claimed = await self._ask(str(first), first)
        except TimeoutError:
            log.warning("%s: the broker does not answer; what has piled up goes first", self.assignment.stream)
            return queue
        new = next((lane for lane in claimed.lanes if lane.lane == self.asked_for), None)
        if new is None or self.must_end:
            return queue
        log.info("%s: new speech from chunk %d on, what is before it beside", self.assignment.stream, first)
        queue.lane.to_chunk = first
        self._news.set()
        return self._lanes.add(new)

    def take_open(self) -> FinalQueue:
        """The lane that has all that is to come. What is left of the one that the caller had follows beside."""
        self._news.set()
        return self._lanes.open

    def next_turn_prefix(self, lane: str) -> str:
        """Makes the turns of a connection unique in the stream."""
        return f"{lane}-{self.assignment.epoch}-{next(self._connections)}"

    def sent(self, recorded: Recorded) -> None:
        """A chunk goes out."""
        self._sent_ms = max(self._sent_ms or 0, _end_ms(recorded))
        if recorded.chunk.index + BEHIND_CHUNKS >= self.supply.newest_index:
            age_ms = (clock.now_ns() - recorded.chunk.captured_ns) / clock.NS_PER_MS - CHUNK_MS
            self._around.sending.add(age_ms)

    def say(self, queue: FinalQueue, event: TranscriptFinal | None, tile: Tile) -> None:
        """A final or a mark came. After a refusal its tile would be wrong, and it will be said again."""
        if queue.is_full:
            log.error(
                "%s: the broker has stored nothing for too long; what waits is said again", self.assignment.stream
            )
            self._out_of_step = True
            self._wake()
        if not (self._out_of_step or self.superseded):
            self._send(queue.add(event, tile))

    @property
    def _over(self) -> bool:
        return self.superseded or self._finish_now

    async def _take_lanes(self) -> None:
        """Where to begin, by the broker. What was promised and not stored is forgotten: it will be said again."""
        claimed = await self._ask(FIRST_LANE.lane, 0)
        if self.superseded:
            return
        if not claimed.lanes or claimed.lanes[-1].to_chunk is not None:
            self._live.health.complain(_no_open_lane(claimed), "failed")
            await asyncio.sleep(ASK_AGAIN_S)
            return
        self._out_of_step = False
        self._lanes = Lanes(self.assignment.stream, self.assignment.epoch, claimed.lanes)
        self._live = self._runner(self.take_open(), live=True, health=self._live.health)
        self._final_ms = self._covered_to_ms()

    async def _ask(self, lane: str, from_chunk: int) -> Claimed:
        self.asked_for = lane
        self._answer = asyncio.get_running_loop().create_future()
        stream, epoch = self.assignment.stream, self.assignment.epoch
        self._around.claim(Claim(stream=stream, lane=lane, epoch=epoch, from_chunk=from_chunk))
        claimed = await self._answer
        if claimed.epoch > epoch:
            self.superseded = True
            log.warning("%s: another worker has it, in epoch %d", stream, claimed.epoch)
            text = f"another gateway has taken {stream} over (epoch {claimed.epoch})"
            fault = Fault(code="internal", message=text, hint="restart causal-control if this stays")
            self._live.health.complain(fault, "failed")
        return claimed

    async def _run_live(self) -> None:
        await self._live.run()
        self._wake()

    async def _catch_up(self) -> None:
        """The lanes behind the open one, one after the other; ends with the open one."""
        given_up: list[FinalQueue] = []
        while not self.must_end:
            self._news.clear()
            behind = self._lanes.behind([*given_up, self._live.queue])
            if behind is not None:
                self._behind = self._runner(behind, live=False)
                self._around.changed()
                await self._behind.run()
                self._behind = None
                self._around.changed()
                given_up.append(behind)
            elif self._live.said:
                return
            else:
                await self._news.wait()

    async def _all_stored(self) -> bool:
        """Waits until the broker has every final. False when one was refused."""
        while not self._lanes.all_stored and not self.must_end:
            self._news.clear()
            await self._news.wait()
        return not self.must_end

    def _place_of_seam(self, index: int, lane: Lane) -> int | None:
        """Where a new lane shall begin, shortly before a chunk; `None` where it cannot."""
        first = index - SEARCH_CHUNKS
        last = [self.supply.get(n) for n in range(max(first, 0), index)]
        if first < 0 or any(recorded is None or recorded.chunk.end for recorded in last):
            return None
        place = seam([level(recorded.samples) for recorded in last if recorded], first)
        return place if place > lane.promised_to else None

    def _covered_to_ms(self) -> int | None:
        """Up to where everything is covered."""
        covered_to = self._lanes.covered_to
        last = self.supply.get(covered_to - 1) if covered_to else None
        return _end_ms(last) if last else self._final_ms

    def _runner(self, queue: FinalQueue, *, live: bool, health: Health | None = None) -> Runner:
        health = health or Health(self.assignment.stream, self._around.changed)
        return Runner(queue, self, self._around, health, Backoff(random.Random()), live=live)

    def _send(self, send: Send | None) -> None:
        if send is not None:
            self._around.publish(send.event, send.coverage)

    def _wake(self) -> None:
        """Something has changed that tasks may wait for."""
        self._news.set()
        self.supply.wake()


def _no_open_lane(claimed: Claimed) -> Fault:
    found = ", ".join(f"{lane.from_chunk} to {lane.to_chunk}" for lane in claimed.lanes) or "none"
    return Fault(
        code="internal",
        message=f"the broker's answer has no open lane of {claimed.stream}: found {found}, expected one without an end",
        hint="Is causal-broker of another release? Restart the whole stack; it is asked again every second.",
        retrying=True,
    )


def _end_ms(recorded: Recorded) -> int:
    """Where on the stream's time line a chunk's last heard sample lies."""
    return (recorded.chunk.position + recorded.chunk.valid) // SAMPLES_PER_MS
