"""Keeps one sink supplied: opens it, feeds it, and begins anew where it stopped when it could not go on."""

from __future__ import annotations

import errno
import logging
import os
import sys
import time
from typing import Any

from causal.control_link import ControlLink
from causal.errors import CausalError, ConfigError
from causal.feed import HELD_EVENTS
from causal.loop import Loop
from causal.messages import Event, QueueDepth
from causal.messages.control import Fault, Work
from causal.service import Service
from causal.subscription import TRANSCRIPT, Subscription

from .output import OutputBusy
from .place import Place
from .sink import Flushing, Holding, Reporting, Sink

log = logging.getLogger("causal.sink")

RETRY_S = 2.0
TICK_S = 0.5
DRAIN_TICK_S = 0.05
BROKER_GONE_S = 1.5
STOP_WITHIN_S = 4.0


class Keeper:
    """The event log is the sink's buffer: while the sink cannot write, nothing is subscribed and nothing kept here."""

    def __init__(
        self,
        me: Service[Loop],
        name: str,
        sink: Sink,
        begin: int | None,
        place: Place | None = None,
        *,
        session: str | None = None,
        source: str | None = None,
    ) -> None:
        """`begin` is where a sink that remembers nothing begins, if no worker before it has left a `place`."""
        self._me = me
        self._name = name
        self._sink = sink
        self._begin = begin
        self._place = place
        self._done_seq = place.last() if place else None
        self._is_open = False
        self._has_written = False
        self._retry_s = 0.0
        self._stop_s: float | None = None
        self._whole_stack_ends = False
        self._fault: Fault | None = None
        ephemeral = getattr(sink, "ephemeral", TRANSCRIPT)
        self._events = Subscription(
            me.loop, me.context, me.paths, self._on_event, session=session, source=source, ephemeral=ephemeral
        )
        self._control = ControlLink(me, self._report, self._on_work)
        me.on_stop(self._drain)
        self._timer = me.loop.every(TICK_S, self._tick)

    def open(self) -> ConfigError | None:
        """Opens the sink and subscribes. Returns what is wrong with the command, if anything: then it is over.

        Within a stack even that is tried again: the end of one process would end them all.
        """
        try:
            position = self._sink.open()
        except (OSError, CausalError) as error:
            if isinstance(error, ConfigError) and "HONCHO_PROCESS_NAME" not in os.environ and self._fault is None:
                return error
            self._fail(error)
            return None
        self._is_open, self._has_written = True, False
        if position is not None:
            self._done_seq = position
        self._events.begin(self._begin if self._done_seq is None else self._done_seq + 1)
        return None

    def close(self) -> None:
        """Ends in good order: the next sink of this name begins as it is told."""
        self._events.end()
        self._flush()
        self._close_sink()
        if self._place is not None:
            self._place.forget()

    def _on_event(self, event: Event) -> None:
        try:
            self._sink.write(event)
        except (OSError, CausalError) as error:
            if self._done_seq is None:
                self._done_seq = self._events.feed.position if event.seq is None else event.seq - 1
            self._fail(error)
            return
        self._has_written = True
        if not isinstance(self._sink, Flushing):
            self._mend()
            if event.seq is not None:
                self._remember(event.seq)
        elif self._done_seq is None and event.seq is not None:
            self._done_seq = event.seq - 1  # until it is stored

    def _flush(self) -> None:
        if not (self._is_open and isinstance(self._sink, Flushing)):
            return
        try:
            self._sink.flush()
        except (OSError, CausalError) as error:
            self._fail(error)
            return
        if self._has_written:
            self._mend()

    def _mend(self) -> None:
        if self._fault is not None:
            log.info("the sink %s works again", self._name)
            self._fault = None

    def _fail(self, error: OSError | CausalError) -> None:
        self._events.end()
        self._close_sink()
        self._retry_s = time.monotonic() + RETRY_S
        if isinstance(error, BrokenPipeError):
            self._me.loop.stop()  # whoever read the output is gone, and nobody wants to hear of it
            return
        fault = fault_of(self._name, error)
        if fault != self._fault:
            log.error("%s. %s It is tried again every %.0f s.", fault.message, fault.hint, RETRY_S)
        self._fault = fault
        self._control.nudge()

    def _close_sink(self) -> None:
        self._is_open = False
        try:
            self._sink.close()
        except OSError as error:
            log.debug("the sink %s cannot be closed: %s", self._name, error)

    def _tick(self) -> None:
        now_s = time.monotonic()
        self._flush()
        if self._is_open and (position := self._events.feed.position) is not None:
            self._remember(position)
        elif now_s >= self._retry_s and self._fault is not None:
            self.open()
        if self._stop_s is not None and self._is_drained(now_s):
            self._me.loop.stop()

    def _remember(self, seq: int) -> None:
        self._done_seq = seq
        if self._place is not None:
            self._place.keep(seq)

    def _drain(self) -> None:
        """The last words come until the broker closes. A person at a terminal does not wait for them, unless the
        whole stack ends."""
        self._stop_s = time.monotonic()
        self._timer.period_s = DRAIN_TICK_S
        if sys.stdout.isatty() and not self._whole_stack_ends:
            self._me.loop.stop()

    def _is_drained(self, now_s: float) -> bool:
        assert self._stop_s is not None
        return (
            not self._is_open
            or self._events.finished
            or now_s - self._events.heard_s > BROKER_GONE_S
            or now_s - self._stop_s > STOP_WITHIN_S
        )

    def _on_work(self, work: Work) -> None:
        self._whole_stack_ends = work.shutdown

    def _report(self) -> dict[str, Any]:
        feed = self._events.feed
        queues = {"held": QueueDepth(depth=feed.held, capacity=HELD_EVENTS, dropped=feed.dropped)}
        fault = self._fault
        if isinstance(self._sink, Holding):
            queues |= self._sink.queues()
        if isinstance(self._sink, Reporting):
            fault = fault or self._sink.fault()
        return {"queues": queues, "fault": fault}


def fault_of(name: str, error: OSError | CausalError) -> Fault:
    """What is wrong with a sink, for `status`."""
    if isinstance(error, CausalError):
        return Fault(code=error.code, message=error.message, hint=error.hint, retrying=True)
    what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    message = f"the sink {name} cannot write: {what}"
    if isinstance(error, OutputBusy):
        return Fault(code="internal", message=message, hint="Whoever reads its output has to go on.", retrying=True)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return Fault(code="disk-full", message=message, hint="Make room on the disk.", retrying=True)
        case errno.EACCES | errno.EPERM | errno.EROFS:
            hint = "Allow it, or give another file by --out."
            return Fault(code="permission-denied", message=message, hint=hint, retrying=True)
    return Fault(code="internal", message=message, hint="Mend it, or give another file by --out.", retrying=True)
