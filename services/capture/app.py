"""`causal-capture`: opens devices and passes on what they deliver.

    device ─▶ driver's thread ─▶ ring ─▶ this loop ──PUSH──▶ resample-<i>.in
                                           ▲◀───────SUB──── resample-<i>.next
The drivers' threads never touch a socket: they wake the loop.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

import click
import zmq

from causal import service, topics, wire
from causal.clock import NS_PER_MS, NS_PER_S
from causal.control_link import ControlLink
from causal.errors import SourceError, WireError
from causal.latency import Latency
from causal.loop import Loop, receive_all
from causal.messages import Next
from causal.messages.audio import CHUNK_RATE_HZ
from causal.messages.control import Assignment, Fault, StreamReport, Work
from causal.service import Options, Service
from causal.waker import Waker

from .backend import load_backends
from .choice import choose
from .condition import Condition
from .hub import Hub
from .outlet import Outlet

log = logging.getLogger("causal.capture")

TICK_S = 0.2
IDLE_TICK_S = 0.5
STOP_TICK_S = 0.05
ACTIVE_PERIOD_S = 0.2
IDLE_PERIOD_S = 1.0
STOP_WITHIN_S = 1.0

STEP_BACK_S = 0.5
"""A file goes on so much before the journal's end: the resampler warms up, and leaves out what it has."""


@click.command("causal-capture")
@service.options
def main(options: Options) -> None:
    """Hears devices and files."""
    with service.opened("capture", options, Loop()) as me:
        Capture(me)
        me.loop.run()


class Capture:
    """The sockets around the hub."""

    def __init__(self, me: Service[Loop]) -> None:
        self._me = me
        self._waker = Waker()
        settings = me.settings
        self._hub = Hub(choose(load_backends(settings.block_ms), settings.backend, sys.platform), self._waker.wake)
        self._outlets: dict[str, Outlet] = {}
        self._waiting: set[str] = set()
        self._latency = Latency()
        self._bad_messages = 0
        self._shown: object = None
        self._work: Work | None = None
        self._stop_s: float | None = None
        self._next = me.context.socket(zmq.SUB)
        self._next.linger = 0
        self._peers: set[str] = set()
        self._link = ControlLink(me, report=self._report, on_work=self._on_work)
        me.loop.on_readable(self._waker.fd, self._on_wake)
        me.loop.on_readable(self._next, self._on_next)
        self._timer = me.loop.every(TICK_S, self._tick)
        me.on_stop(self._stop)

    # What the controller says

    def _on_work(self, work: Work) -> None:
        if work is self._work:
            return
        self._work = work
        assigned = {assignment.stream: assignment for assignment in work.streams}
        for stream, outlet in list(self._outlets.items()):
            assignment = assigned.get(stream)
            if assignment is None or assignment.epoch != outlet.assignment.epoch:
                self._drop(stream)
        for assignment in assigned.values():
            self._carry_on(assignment)
        self._link.period_s = ACTIVE_PERIOD_S if self._outlets else IDLE_PERIOD_S
        if self._stop_s is None:
            self._timer.period_s = TICK_S if self._outlets else IDLE_TICK_S
        self._hub.tick()
        self._pump()

    def _carry_on(self, assignment: Assignment) -> None:
        stream = assignment.stream
        if stream not in self._outlets:
            if self._stop_s is not None:
                return
            self._begin(assignment)
        outlet = self._outlets[stream]
        outlet.assign(assignment)
        self._subscribe(outlet.peer)
        if assignment.stop and not outlet.ring.ended:
            self._waiting.discard(stream)
            until_ns = assignment.stopped_ns if self._hub.is_live(assignment.device) else None
            self._hub.remove(stream, until_ns)
            outlet.ring.end(until_ns)

    def _begin(self, assignment: Assignment) -> None:
        stream = assignment.stream
        self._outlets[stream] = Outlet(assignment, self._me.context, self._me.lines)
        self._next.subscribe(topics.next_block(stream))
        if assignment.stop:
            return
        if self._hub.is_live(assignment.device):
            self._hear(stream)
        else:
            self._waiting.add(stream)

    def _hear(self, stream: str, start_ns: int = 0) -> None:
        outlet = self._outlets[stream]
        assignment = outlet.assignment
        self._hub.add(stream, assignment.device, outlet.ring, origin_ns=assignment.started_ns, start_ns=start_ns)

    def _drop(self, stream: str) -> None:
        self._waiting.discard(stream)
        self._hub.remove(stream)
        self._outlets.pop(stream).close()
        self._next.unsubscribe(topics.next_block(stream))

    def _subscribe(self, peer: str | None) -> None:
        if peer is not None and peer not in self._peers:
            self._peers.add(peer)
            self._me.connect(self._next, f"resample-{peer}.next")

    # What moves

    def _on_wake(self) -> None:
        self._waker.rest()
        if self._hub.stirred:
            self._tick()
        else:
            self._pump()

    def _on_next(self) -> None:
        self._measure()  # before anything is released
        now_s = time.monotonic()
        for parts in receive_all(self._next):
            try:
                message = wire.unpack(parts, Next)
            except WireError as error:
                self._bad_messages += 1
                log.warning("a message of the resampler is dropped: %s", error)
                continue
            outlet = self._outlets.get(message.stream)
            if outlet is None:
                continue
            outlet.on_next(message, now_s)
            if message.stream in self._waiting:
                self._waiting.discard(message.stream)
                heard_ns = message.position * NS_PER_S // CHUNK_RATE_HZ
                self._hear(message.stream, max(0, heard_ns - round(STEP_BACK_S * NS_PER_S)))
                self._hub.tick()
        self._pump()

    def _pump(self) -> None:
        for outlet in self._outlets.values():
            outlet.send(self._latency)

    def _measure(self) -> None:
        for stream in self._outlets:
            self._hub.measure(stream)

    def _tick(self) -> None:
        self._hub.tick()
        self._pump()
        self._measure()
        shown = (self._hub.devices, [(s, self._told(s, o)) for s, o in self._outlets.items()])
        if shown != self._shown:
            self._shown = shown
            self._link.nudge()
        if self._stop_s is not None:
            self._check_end(self._stop_s)

    def _told(self, stream: str, outlet: Outlet) -> tuple[object, ...]:
        condition = self._condition(stream, outlet)
        return condition.state, condition.hint, condition.device, outlet.sender.done

    # What the controller hears

    def _report(self) -> dict[str, Any]:
        summary = self._latency.summary()
        return {
            "streams": tuple(self._stream_report(stream, outlet) for stream, outlet in self._outlets.items()),
            "queues": {f"ring {stream}": outlet.queue() for stream, outlet in self._outlets.items()},
            "latency_ms": {"capture": summary} if summary else {},
            "devices": self._hub.devices,
            "fault": _fault(self._hub.problem, retrying=True),
        }

    def _stream_report(self, stream: str, outlet: Outlet) -> StreamReport:
        condition = self._condition(stream, outlet)
        level = self._hub.measure(stream)
        drift_ppm = self._hub.drift_ppm(stream)
        rms_dbfs, peak_dbfs = level.take() if level else (None, None)
        fault = _fault(condition.error, condition.retrying) or outlet.overflow(time.monotonic())
        return StreamReport(
            stream=stream,
            epoch=outlet.assignment.epoch,
            device=condition.device,
            state=condition.state,
            hint=condition.hint or None,
            captured_ms=outlet.ring.heard_ns // NS_PER_MS,
            rms_dbfs=rms_dbfs,
            peak_dbfs=peak_dbfs,
            drift_ppm=None if drift_ppm is None else round(drift_ppm, 1),
            done=outlet.sender.done,
            fault=fault,
        )

    def _condition(self, stream: str, outlet: Outlet) -> Condition:
        if stream in self._waiting:
            return Condition(None, "starting")
        condition = self._hub.condition(stream)
        if condition.state == "stopped" and not outlet.sender.done:
            return Condition(condition.device, "stopping")
        return condition

    # The end

    def _stop(self) -> None:
        self._stop_s = time.monotonic()
        self._timer.period_s = STOP_TICK_S
        self._waiting.clear()
        self._hub.close()
        for outlet in self._outlets.values():
            outlet.ring.end()
        self._pump()

    def _check_end(self, stop_s: float) -> None:
        if all(outlet.sender.done for outlet in self._outlets.values()) or time.monotonic() - stop_s >= STOP_WITHIN_S:
            self._leave()
            self._me.loop.stop()

    def _leave(self) -> None:
        """Closes what nothing waits in: libzmq would wait for a resampler that has gone already."""
        self._me.loop.forget(self._next)
        self._next.close()
        for outlet in self._outlets.values():
            if outlet.sender.done:
                outlet.close()


def _fault(error: SourceError | None, retrying: bool) -> Fault | None:
    if error is None:
        return None
    return Fault(code=error.code, message=error.message, hint=error.hint, retrying=retrying)
