"""`causal-resample`: blocks in, chunks out; the journal in between.

capture ──PUSH──▶ resample-i.in (PULL)          journal on disk ┄┄▶ gateways read what they miss
        ◀──SUB── resample-i.next (PUB)          PUSH ──▶ stt-j.in, dropped when the gateway does not keep up
"""

from __future__ import annotations

import logging
import time
from typing import Any

import click
import numpy as np
import zmq

from causal import clock, service, topics, wire
from causal.broker_link import BrokerLink
from causal.control_link import ControlLink
from causal.errors import WireError
from causal.journal_retention import delete_finished
from causal.latency import Latency
from causal.loop import Loop, receive_all, send_now
from causal.messages import Block, QueueDepth, StreamName
from causal.messages.audio import CHUNK_SAMPLES
from causal.messages.control import Assignment, Fault, StreamReport, Work
from causal.service import Options, Service

from .background import Background
from .duty import Duty
from .resampler import Floats
from .reserve import Reserve, room_of
from .shelf import CAPACITY
from .stream import Action, KeepChunk, PublishGap
from .timeline import SAMPLES_PER_MS
from .trim import trim

log = logging.getLogger("causal.resample")

RECEIVE_MARK = 1000
SEND_MARK = 200
"""Chunks that wait for one gateway. It reads from the journal what it did not get."""
TICK_S = 0.2
IDLE_TICK_S = 1.0
DRAIN_TICK_S = 0.02
END_MARKS_WITHIN_S = 1.5
BROKER_WITHIN_S = 0.5
LINGER_S = 3.0
"""An ended stream answers its sender for so long after the controller has closed it."""
RETENTION_PERIOD_S = 600.0
FULL_PERIOD_S = 10.0
"""While the disk is full."""
RECORD_PERIOD_S = 1.0
CHUNK_MS = 100


@click.command("causal-resample")
@service.options
def main(options: Options) -> None:
    """Turns what devices deliver into 16 kHz mono chunks, and keeps them."""
    with service.opened("resample", options, Loop()) as me:
        Resample(me)
        me.loop.run()


class Resample:
    """The sockets around the duties, one duty for each stream."""

    def __init__(self, me: Service[Loop]) -> None:
        self._me = me
        self._duties: dict[str, Duty] = {}
        self._unopened: dict[str, StreamReport] = {}
        self._leaving_s: dict[str, float] = {}
        self._gateways: dict[str, zmq.Socket[bytes]] = {}
        self._background = Background()
        self._reserve = Reserve(lambda: room_of(me.paths.journal))
        self._latency = Latency()
        self._sessions: frozenset[str] | None = None
        """All that have not ended, also those of other resamplers; None before the controller has said so."""
        self._bad_messages = 0
        self._waiting_blocks = 0
        self._reached: set[str | None] = set()
        """The gateways that have had a chunk."""
        self._chunks_not_sent = 0
        self._drain_until_s: float | None = None
        self._inbox = me.context.socket(zmq.PULL)
        self._inbox.rcvhwm = RECEIVE_MARK
        me.bind(self._inbox, f"resample-{me.instance}.in")
        self._next = me.context.socket(zmq.PUB)
        me.bind(self._next, f"resample-{me.instance}.next")
        me.loop.on_readable(self._inbox, self._receive)
        self._timer = me.loop.every(IDLE_TICK_S, self._tick)
        self._retention = me.loop.every(RETENTION_PERIOD_S, self._delete_old)
        me.loop.every(RECORD_PERIOD_S, self._record)
        self._broker = BrokerLink(me)
        self._control = ControlLink(me, report=self._report, on_work=self._on_work)
        me.on_stop(self._begin_to_stop)

    # --- what the controller wants ---

    def _on_work(self, work: Work) -> None:
        now_s = time.monotonic()
        if self._sessions is None:
            self._retention.hurry()
        self._sessions = frozenset(work.sessions)
        for assignment in work.streams:
            duty = self._duties.get(assignment.stream) or self._open(assignment, now_s)
            if duty is not None:
                self._leaving_s.pop(assignment.stream, None)
                duty.assign(assignment, now_s)
        named = {assignment.stream for assignment in work.streams}
        for name in self._duties.keys() - named:
            self._leave(name, now_s)
        self._unopened = {name: report for name, report in self._unopened.items() if name in named}
        self._timer.period_s = TICK_S if self._duties else IDLE_TICK_S

    def _open(self, assignment: Assignment, now_s: float) -> Duty | None:
        name = assignment.stream
        try:
            duty = Duty(assignment, self._me.paths, self._background.sync, self._reserve, now_s)
        except (OSError, ValueError) as error:
            report = _no_journal(assignment, error)
            if self._unopened.get(name) != report:
                log.error("%s", error)
            self._unopened[name] = report
            return None
        self._unopened.pop(name, None)
        self._duties[name] = duty
        log.info("%s: the journal ends at %d ms", name, duty.stream.position // SAMPLES_PER_MS)
        return duty

    def _leave(self, name: str, now_s: float) -> None:
        """The stream is not ours any more. One that has ended goes on answering for a while."""
        duty = self._duties[name]
        if duty.stream.ended and now_s < self._leaving_s.setdefault(name, now_s + LINGER_S):
            return
        self._leaving_s.pop(name, None)
        del self._duties[name]
        self._close(duty)

    def _close(self, duty: Duty) -> None:
        duty.close()
        if duty.recording is not None:
            self._background.do_once(duty.recording.close)

    def _report(self) -> dict[str, Any]:
        duties = self._duties.values()
        latency = self._latency.summary()
        return {
            "streams": (*(duty.report() for duty in duties), *self._unopened.values()),
            "queues": {
                "blocks": QueueDepth(depth=self._waiting_blocks, capacity=RECEIVE_MARK, dropped=self._bad_messages),
                # what waits in a socket is not told by ZeroMQ; what does not fit into it is counted
                "chunks": QueueDepth(depth=0, capacity=SEND_MARK, dropped=self._chunks_not_sent),
                "memory": QueueDepth(
                    depth=sum(duty.shelf.depth for duty in duties),
                    capacity=CAPACITY * len(duties),
                    dropped=sum(duty.shelf.dropped for duty in duties),
                ),
                "disk": self._background.queue(),
                **self._broker.queues(),
            },
            "latency_ms": {"capture-journal": latency} if latency else {},
        }

    # --- sound ---

    def _receive(self) -> None:
        messages = receive_all(self._inbox)
        self._waiting_blocks = len(messages)
        now_s = time.monotonic()
        for parts in messages:
            try:
                block, samples = _unpacked(parts)
            except WireError as error:
                self._bad_messages += 1
                log.warning("a block is dropped: %s", error)
                continue
            if (duty := self._duties.get(block.stream)) is not None:
                self._carry_out(duty, duty.hear(block, samples, now_s))
                self._tell(duty, now_s)

    def _carry_out(self, duty: Duty, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case KeepChunk(chunk, samples):
                    heard_ns = chunk.captured_ns + CHUNK_MS * clock.NS_PER_MS * chunk.valid // CHUNK_SAMPLES
                    if chunk.valid and (delay_ns := clock.now_ns() - heard_ns) >= 0:
                        self._latency.add(delay_ns / clock.NS_PER_MS)
                    parts = wire.pack(topics.CHUNK, chunk, *([] if chunk.end else [samples]))
                    gateway = self._gateway(duty.stt)
                    if gateway is not None and send_now(gateway, parts):
                        self._reached.add(duty.stt)
                    elif duty.stt in self._reached:  # before, the line is only being made: the journal has it
                        self._chunks_not_sent += 1
                    if chunk.end:
                        self._control.nudge()
                case PublishGap(gap, key):
                    self._broker.publish(gap, key=key)

    def _tell(self, duty: Duty, now_s: float) -> None:
        told = duty.tell(now_s)
        if told is not None:
            send_now(self._next, wire.pack(topics.next_block(told.stream), told))

    def _gateway(self, instance: str | None) -> zmq.Socket[bytes] | None:
        if instance is not None and instance not in self._gateways:
            socket = self._me.context.socket(zmq.PUSH)
            socket.immediate = True
            socket.sndhwm = SEND_MARK
            socket.linger = 0
            self._me.connect(socket, f"stt-{instance}.in")
            self._gateways[instance] = socket
        return self._gateways.get(instance) if instance is not None else None

    # --- time ---

    def _tick(self) -> None:
        now_s = time.monotonic()
        for duty in self._duties.values():
            self._carry_out(duty, duty.tick(now_s))
            self._tell(duty, now_s)
        full = any(duty.is_disk_full for duty in self._duties.values())
        self._retention.period_s = FULL_PERIOD_S if full else RETENTION_PERIOD_S

    def _record(self) -> None:
        for duty in self._duties.values():
            if duty.recording is not None:
                self._background.do(duty.recording.step)

    def _delete_old(self) -> None:
        """Not before it is known which sessions live: by a clock that was just set, all may look old."""
        if self._sessions is None:
            return
        root, keep_s = self._me.paths.journal, self._me.settings.journal_hours * 3600
        live = self._sessions | {StreamName.parse(name).session for name in self._duties}
        needed_from = {duty.folder: duty.needed_from for duty in self._duties.values()}

        def work() -> None:
            reserve = Reserve(lambda: room_of(root))
            for name in delete_finished(root, keep_s, time.time(), live=live, is_full=reserve.is_reached):
                log.info("the journal of session %s is deleted", name)
            for path in trim(needed_from, keep_s, time.time(), is_full=reserve.is_reached):
                log.info("%s is deleted, which is transcribed", path)

        self._background.do(work)

    # --- the end ---

    def _begin_to_stop(self) -> None:
        self._drain_until_s = time.monotonic() + END_MARKS_WITHIN_S
        self._me.loop.every(DRAIN_TICK_S, self._drain)

    def _drain(self) -> None:
        """Waits for the end marks, then for the broker, then goes."""
        now_s = time.monotonic()
        assert self._drain_until_s is not None
        if now_s < self._drain_until_s and any(not duty.stream.ended for duty in self._duties.values()):
            return
        for duty in self._duties.values():
            self._carry_out(duty, duty.flush())
        if not self._broker.idle and now_s < self._drain_until_s + BROKER_WITHIN_S:
            return
        for duty in self._duties.values():
            self._close(duty)
        self._duties.clear()
        self._broker.say_bye()
        self._background.close()
        self._me.loop.stop()


def _no_journal(assignment: Assignment, error: Exception) -> StreamReport:
    fault = Fault(
        code="internal",
        message=f"the journal of {assignment.stream} cannot be opened: {error}",
        hint="Look at the owner and the rights of this folder; it is tried again every second.",
        retrying=True,
    )
    return StreamReport(stream=assignment.stream, epoch=assignment.epoch, fault=fault)


def _unpacked(parts: list[bytes]) -> tuple[Block, Floats]:
    """A block and its samples. Raises `WireError` when they are not as agreed."""
    block = wire.unpack(parts, Block)
    sound = parts[3] if len(parts) > 3 else b""
    if len(sound) % 4:
        raise WireError(f"{len(sound)} bytes are no float32 samples")
    return block, np.frombuffer(sound, "<f4")
