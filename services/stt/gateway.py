"""The gateway: makes the streams that it runs match those that the controller assigns.

resample ──PUSH──▶ stt-<instance>.in (PULL): the fast way; the journal has what it loses
controller ◀─poll─ which streams, and the key      broker ◀─▶ claims, finals, partials
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from typing import Any

import numpy as np
import zmq

from causal import wire
from causal.async_loop import AsyncLoop
from causal.broker_link import BrokerLink
from causal.control_link import ControlLink
from causal.errors import WireError
from causal.journal import JournalReader
from causal.journal_record import Recorded, folder_of
from causal.latency import Latency
from causal.loop import receive_all
from causal.messages import Chunk, QueueDepth, TranscriptFinal
from causal.messages.audio import CHUNK_SAMPLES
from causal.messages.control import Assignment, Work
from causal.messages.log import Claimed, Coverage, Publish, Refused, Stored
from causal.service import Service

from . import finals, target
from .options import Key
from .permits import Permits
from .stream import SpeechStream
from .supply import Supply
from .surroundings import Surroundings
from .timing import Timing

log = logging.getLogger("causal.stt")

UNTOLD_S = 1.0
"""How often is looked for finals that wait for a broker that cannot store."""
STOP_CHECK_S = 0.05
END_MARKS_WITHIN_S = 2.0
"""How long a stopping gateway waits for the streams to end by themselves."""
STOP_WITHIN_S = 3.6


class Gateway:
    """The streams of this worker, each a task, and the sockets that they share."""

    def __init__(self, me: Service[AsyncLoop], timing: Timing) -> None:
        self._me = me
        self._timing = timing
        self._key: Key | None = None
        self._streams: dict[str, SpeechStream] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._dropped = 0
        self._sending = Latency()
        self._answering = Latency()
        self._published_s: dict[str, float] = {}
        self._inlet = me.context.socket(zmq.PULL)
        me.bind(self._inlet, f"stt-{me.instance}.in")
        me.loop.on_readable(self._inlet, self._receive)
        self._broker = BrokerLink(me, on_settled=self._on_settled, on_claimed=self._on_claimed)
        self._control = ControlLink(me, report=self._report, on_work=self._on_work)
        self._permits = Permits(secrets.token_hex(6), changed=self._control.nudge)
        self._around = Surroundings(
            choose=self._choose,
            claim=self._broker.claim,
            permit=lambda live, unless: self._permits.get(live=live, unless=unless),
            publish=self._publish,
            emit=self._broker.emit,
            changed=self._control.nudge,
            sending=self._sending,
            timing=timing,
            idle_close_s=me.settings.idle_close_s,
        )
        me.loop.every(UNTOLD_S, self._tell_untold)
        me.on_stop(self._spawn_stop)

    # --- audio ---

    def _receive(self) -> None:
        for parts in receive_all(self._inlet):
            try:
                self._take(parts)
            except WireError as error:
                self._dropped += 1
                log.warning("a chunk is dropped: %s", error)

    def _take(self, parts: list[bytes]) -> None:
        chunk = wire.unpack(parts, Chunk)
        stream = self._streams.get(chunk.stream)
        if stream is None:
            return  # not ours, or not yet: the journal has it
        data = bytes(2 * CHUNK_SAMPLES) if chunk.end else parts[-1]
        if len(data) != 2 * CHUNK_SAMPLES:
            raise WireError(f"chunk {chunk.index} of {chunk.stream} has {len(data)} bytes, not {2 * CHUNK_SAMPLES}")
        stream.supply.offer(Recorded(chunk, np.frombuffer(data, "<i2")))

    # --- the controller ---

    def _report(self) -> dict[str, Any]:
        latency = {"sending": self._sending.summary(), "storing": self._answering.summary()}
        return {
            "wishes": self._permits.wishes,
            "streams": tuple(stream.report() for stream in self._streams.values()),
            "queues": {
                "in": QueueDepth(depth=0, capacity=int(self._inlet.rcvhwm), dropped=self._dropped),
                "finals": QueueDepth(
                    depth=max((stream.waiting_finals for stream in self._streams.values()), default=0),
                    capacity=finals.CAPACITY,
                    dropped=self._broker.outbox.dropped,
                ),
                "ephemeral": self._broker.queues()["ephemeral"],
            },
            "latency_ms": {hop: summary for hop, summary in latency.items() if summary is not None},
        }

    def _on_work(self, work: Work) -> None:
        self._key = Key(work.key) if work.key else None
        self._permits.grant(work.granted)
        wanted = {assignment.stream: assignment for assignment in work.streams}
        for name, stream in list(self._streams.items()):
            if name not in wanted or wanted[name].epoch != stream.assignment.epoch:
                self._forget(name)
        for name, assignment in wanted.items():
            if name in self._streams:
                self._streams[name].update(assignment)
            elif not self._me.stopping:
                self._begin(assignment)

    def _begin(self, assignment: Assignment) -> None:
        try:
            folder = folder_of(self._me.paths.journal, assignment.stream)
        except ValueError as error:
            log.error("an assignment is ignored: %s", error)
            return
        supply = Supply(JournalReader(folder, assignment.stream))
        stream = SpeechStream(assignment, supply, self._around)
        self._streams[assignment.stream] = stream
        self._tasks[assignment.stream] = self._me.loop.spawn(self._run(stream))

    async def _run(self, stream: SpeechStream) -> None:
        try:
            await stream.run()
        finally:
            stream.supply.close()

    def _forget(self, name: str) -> None:
        """The stream is done, or another worker's."""
        stream = self._streams.pop(name)
        self._tasks.pop(name).cancel()
        self._broker.forget_claim(name, stream.asked_for)

    def _choose(self, assignment: Assignment) -> target.Target:
        return target.choose(assignment, self._me.settings, self._key, self._me.paths.engine_file)

    # --- the broker ---

    def _publish(self, event: TranscriptFinal | None, coverage: Coverage) -> None:
        if event is None:
            self._broker.mark(coverage)
        else:
            self._published_s[self._broker.publish(event, coverage)] = time.monotonic()

    def _on_settled(self, publish: Publish, answer: Stored | Refused) -> None:
        published_s = self._published_s.pop(publish.id, None)
        if published_s is not None:
            self._answering.add((time.monotonic() - published_s) * 1000)
        coverage = publish.coverage
        stream = self._streams.get(coverage.stream) if coverage else None
        if stream is not None and coverage is not None and coverage.epoch == stream.assignment.epoch:
            stream.settled(coverage, answer)

    def _on_claimed(self, claimed: Claimed) -> None:
        if stream := self._streams.get(claimed.stream):
            stream.claimed(claimed)

    def _tell_untold(self) -> None:
        for stream in self._streams.values():
            for event in stream.untold(time.monotonic()):
                self._broker.emit(event)

    # --- the end ---

    def _spawn_stop(self) -> None:
        self._me.loop.spawn(self._stop())

    async def _stop(self) -> None:
        """Lets the streams end, then makes them end, then leaves; what is not transcribed stays in the journal."""
        begun_s = time.monotonic()
        while self._working() and time.monotonic() < begun_s + END_MARKS_WITHIN_S:
            await asyncio.sleep(STOP_CHECK_S)
        for stream in self._streams.values():
            stream.finish_now()
        while (self._working() or self._broker.outbox) and time.monotonic() < begun_s + STOP_WITHIN_S:
            await asyncio.sleep(STOP_CHECK_S)
        self._broker.say_bye()
        self._me.loop.stop()

    def _working(self) -> bool:
        return any(not task.done() for task in self._tasks.values())
