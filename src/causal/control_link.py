"""A service's line to the controller: says how it is, hears what to do."""

from __future__ import annotations

import itertools
import logging
import os
import secrets
from collections.abc import Callable
from typing import Any

import zmq

from causal import wire
from causal.errors import WireError
from causal.loop import Timer, receive_all, send_now
from causal.messages.control import PROTOCOL_VERSION, Assignments, Work
from causal.service import Service
from causal.usage import Usage

log = logging.getLogger("causal.control_link")

PERIOD_S = 1.0

Report = Callable[[], dict[str, Any]]
"""The fields of `Assignments` that the service knows: streams, queues, latency_ms, devices, fault."""
OnWork = Callable[[Work], None]
"""Gets the same object again as long as nothing has changed."""


class ControlLink:
    """Polls the controller each `period_s`, at once when the doorbell rings, and when told that something changed."""

    def __init__(self, me: Service[Any], report: Report, on_work: OnWork | None = None) -> None:
        self._me = me
        self._incarnation = secrets.token_hex(8)
        self._report = report
        self._on_work = on_work
        self._usage = Usage()
        self._reply: dict[str, Any] = {}
        self._work = Work()
        self._numbers = itertools.count(1)
        self._waiting = ""
        self._nudged = False
        self._socket = me.context.socket(zmq.DEALER)
        self._socket.linger = 0
        self._socket.sndhwm = 1  # one poll waits for a controller that is away: more would be out of date
        me.connect(self._socket, "control")
        self._doorbell = me.context.socket(zmq.SUB)
        self._doorbell.subscribe(b"")
        me.connect(self._doorbell, "doorbell")
        me.loop.on_readable(self._socket, self._receive)
        me.loop.on_readable(self._doorbell, self._ring)
        self._timer: Timer = me.loop.every(PERIOD_S, self._poll)
        me.on_end(self._poll)  # a worker that has finished its streams says so before it goes

    @property
    def period_s(self) -> float:
        """How often the controller is asked when nothing happens."""
        return self._timer.period_s

    @period_s.setter
    def period_s(self, period_s: float) -> None:
        self._timer.period_s = period_s

    def nudge(self) -> None:
        """Something changed that the controller should know: polls as soon as it has answered the last poll."""
        self._nudged = True
        if not self._waiting:
            self._timer.hurry()

    def close(self) -> None:
        self._socket.close()
        self._doorbell.close()

    def _poll(self) -> None:
        self._nudged = False
        poll_id = f"{self._incarnation}-{next(self._numbers)}"
        self._usage.look()
        request = Assignments(
            service=self._me.name,
            instance=self._me.instance,
            incarnation=self._incarnation,
            pid=os.getpid(),
            cpu_percent=self._usage.cpu_percent,
            rss_bytes=self._usage.rss_bytes,
            **self._report(),
        )
        fields = wire.to_map(request) | {"v": PROTOCOL_VERSION, "id": poll_id}
        if send_now(self._socket, [b"", wire.pack_map(fields)]):
            self._waiting = poll_id
        else:
            self._nudged = True  # when the one that waits is answered
        self._me.loop.look_again(self._socket)

    def _ring(self) -> None:
        receive_all(self._doorbell)
        self._poll()

    def _receive(self) -> None:
        for parts in receive_all(self._socket):
            try:
                self._understand(wire.unpack_map(parts[-1]))
            except WireError as error:
                log.warning("an answer of the controller is dropped: %s", error)

    def _understand(self, reply: dict[str, Any]) -> None:
        if reply.pop("id", None) != self._waiting:
            return
        self._waiting = ""
        if self._nudged:
            self._timer.hurry()
        if not reply.get("ok"):
            log.warning("the controller refuses the poll: %s", reply.get("error"))
            return
        if reply != self._reply:
            self._work = wire.convert(reply, Work)
            self._reply = reply
        if self._on_work is not None:
            self._on_work(self._work)
        if self._work.shutdown:
            self._me.stop()
