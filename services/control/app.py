"""`causal-control`: answers requests, tells the services what to do.

causal-ctl, services ──REQ/DEALER──▶ control (ROUTER), one MessagePack map a frame
                                     doorbell (PUB) ──▶ services: ask anew
                                     events by way of the broker
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import reprlib
import secrets
import sqlite3
import sys
import time
from functools import partial
from importlib.metadata import version
from typing import Any

import click
import psutil
import zmq

from causal import clock, service, settings, topics, wire
from causal.broker_link import BrokerLink
from causal.errors import WireError
from causal.loop import Loop, receive_all, send_now
from causal.messages import QueueDepth
from causal.messages import log as log_messages
from causal.messages.control import PROTOCOL_VERSION, Assignments, Fault, Request
from causal.service import Options, Service
from causal.usage import Usage

from . import exporter
from .clerk import Clerk
from .crew import Now
from .desk import Desk, Facts
from .effects import (
    Answer,
    Close,
    Effect,
    Emit,
    MintToken,
    Publish,
    ReadSession,
    RequestId,
    Ring,
    Save,
    SaveGrants,
    Ticket,
    refuse,
)
from .engine_choice import NEED_KEY
from .key_search import KeySearch
from .replies import Replies
from .store import Pending, SessionStore
from .token import mint

log = logging.getLogger("causal.control")

TICK_S = 0.5
WAITING_TICK_S = 0.1
"""While somebody waits for an answer, or a stream for a worker."""
SELF_POLL_S = 1.0
STOP_WITHIN_S = 3.0
LAST_EVENTS_S = 0.5
MAX_ID_LENGTH = 200
MAX_ERROR_LENGTH = 500


@click.command("causal-control")
@service.options
def main(options: Options) -> None:
    """Knows which sessions exist, and which worker does what."""
    with service.opened("control", options, Loop()) as me, contextlib.closing(_control(me)):
        me.loop.run()


def _control(me: Service[Loop]) -> Control:
    try:
        return Control(me)
    except sqlite3.Error as error:
        folder = me.paths.data
        raise SystemExit(
            f"causal-control: the sessions in {folder} cannot be opened: {error}. Make room on the disk, or move the "
            "files sessions.sqlite* away."
        ) from error


class Control:
    """The sockets around the desk."""

    def __init__(self, me: Service[Loop]) -> None:
        self._me = me
        self._key = KeySearch()
        self._store = SessionStore(me.paths.data / "sessions.sqlite")
        self._unsaved = Pending(me.paths.data)
        self._replies = Replies()
        self._tokens = Clerk("tokens")
        self._transcripts = Clerk("transcripts")
        self._usage = Usage()
        self._closing_s: float | None = None
        self._router = me.context.socket(zmq.ROUTER)
        me.bind(self._router, "control")
        self._doorbell = me.context.socket(zmq.PUB)
        me.bind(self._doorbell, "doorbell")
        self._broker = BrokerLink(me, on_settled=self._on_settled)
        self._desk = Desk(self._facts(), self._store.unsettled(), self._store.grants())
        self._remember_starts()
        self._timer = me.loop.every(TICK_S, self._tick)
        self._carry_out(self._desk.open(_now()))
        me.loop.on_readable(self._router, self._receive)
        me.loop.every(SELF_POLL_S, self._poll_self)
        me.on_stop(lambda: self._carry_out(self._desk.stop_all(_now(), STOP_WITHIN_S)))

    def close(self) -> None:
        self._store.close()

    def _receive(self) -> None:
        for *envelope, frame in receive_all(self._router):
            ticket, request = _understood(tuple(envelope), frame)
            if isinstance(request, Answer):
                self._send(ticket, _frame(ticket, request.fields))
            elif isinstance(request, Assignments) or self._replies.is_new(ticket):
                self._do(ticket, request)
            elif known := self._replies.known(ticket):
                self._send(ticket, known)
            elif not self._replies.wait(ticket):
                text = "this request is asked over and over while its reply is on the way"
                self._send(ticket, _frame(ticket, refuse(None, "busy", text, "Wait for the reply.").fields))

    def _do(self, ticket: Ticket, request: Request) -> None:
        try:
            effects = self._desk.request(ticket, request, _now())
        except sqlite3.Error as error:
            effects = [refuse(ticket, "internal", f"the sessions cannot be read: {error}", "See the controller's log.")]
        self._carry_out(effects)

    def _tick(self) -> None:
        for ticket, fields in itertools.chain(self._tokens.made(), self._transcripts.made()):
            self._reply(ticket, fields)
        self._carry_out(self._desk.tick(_now()))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Answer(ticket, fields):
                    self._reply(ticket, fields)
                case Save(session):
                    self._unsaved.write(f"session {session.id}", partial(self._store.save, session))
                case SaveGrants(granted_s):
                    self._unsaved.write("grants", partial(self._store.save_grants, granted_s))
                case Publish(event, once):
                    self._broker.publish(event, key=once)
                case Emit(event):
                    self._broker.emit(event)
                case Ring():
                    send_now(self._doorbell, [topics.DOORBELL])
                case MintToken(ticket, expires_in_s):
                    key = self._key.known().value or ""
                    self._tokens.ask(ticket, partial(mint, self._me.settings.stt_url, key, expires_in_s))
                case ReadSession(ticket):
                    self._transcripts.ask(ticket, partial(exporter.read, self._me.paths, effect))
                case Close():
                    self._close()
        waiting = self._replies.under_way or self._desk.is_waiting
        self._timer.period_s = WAITING_TICK_S if waiting else TICK_S

    def _on_settled(self, publish: log_messages.Publish, _answer: log_messages.Stored | log_messages.Refused) -> None:
        """A session is settled when its end is in the event log."""
        if publish.kind == "session-status" and publish.event["state"] == "ended":
            session = publish.event["session"]
            self._unsaved.write(f"end of {session}", partial(self._store.settle, session))

    def _remember_starts(self) -> None:
        """A `start` that is asked again after the controller's restart begins no second session."""
        for session in reversed(self._store.newest()):
            if session.request_id is not None:
                ticket = Ticket((), session.request_id)
                self._replies.remember(session.request_id, _frame(ticket, session.answer()))

    def _reply(self, ticket: Ticket | None, fields: dict[str, Any]) -> None:
        if ticket is not None:
            frame = _frame(ticket, fields)
            for other in self._replies.settle(ticket, frame):
                self._send(other, frame)

    def _send(self, ticket: Ticket, frame: bytes) -> None:
        send_now(self._router, [*ticket.envelope, frame])

    def _poll_self(self) -> None:
        """The controller stands in its own list of services."""
        self._unsaved.retry()
        self._usage.look()
        poll = Assignments(
            service="control",
            instance=self._me.instance,
            incarnation="",
            pid=os.getpid(),
            cpu_percent=self._usage.cpu_percent,
            rss_bytes=self._usage.rss_bytes,
            queues=self._queues(),
            fault=self._fault(),
        )
        self._carry_out(self._desk.request(None, poll, _now()))

    def _queues(self) -> dict[str, QueueDepth]:
        return {
            "requests": self._desk.queue(),
            "tokens": self._tokens.queue(),
            "transcripts": self._transcripts.queue(),
            **self._broker.queues(),
        }

    def _fault(self) -> Fault | None:
        """What cannot be saved; or a key that may be there, and cannot be had. Who is content with the local engine is
        not told of that."""
        if self._unsaved.fault is not None:
            return self._unsaved.fault
        problem = self._key.known().problem
        if problem is None or self._me.settings.engine not in NEED_KEY:
            return None
        return Fault(code=problem.code, message=problem.message, hint=problem.hint)

    def _close(self) -> None:
        """Ends when the broker has the last events, or does not take them for half a second."""
        self._closing_s = self._closing_s or time.monotonic()
        if self._broker.idle or time.monotonic() - self._closing_s > LAST_EVENTS_S:
            self._broker.say_bye()
            self._me.loop.stop()

    def _facts(self) -> Facts:
        chosen = self._me.settings
        return Facts(
            stack=_stack(),
            file_exists=os.path.isfile,
            about={
                "version": version("causal-audio"),
                "directories": {
                    "runtime": str(self._me.paths.runtime),
                    "data": str(self._me.paths.data),
                    "cache": str(self._me.paths.cache),
                    "settings": str(settings.user_file()),
                },
            },
            engine=chosen.engine,
            language=chosen.language or None,
            keyterms=chosen.keyterms,
            key=self._key.known,
            new_sessions_per_minute=chosen.new_sessions_per_minute,
            new_id=_new_id,
            history=self._store.newest,
        )


def _understood(envelope: tuple[bytes, ...], frame: bytes) -> tuple[Ticket, Request | Answer]:
    """The request in a frame, or what is answered to one that is not as agreed."""
    request_id: RequestId = None
    try:
        fields = wire.unpack_map(frame)
        found = fields.get("id")
        if not isinstance(found, str | int) or isinstance(found, bool) or len(str(found)) > MAX_ID_LENGTH:
            raise WireError(f"a request needs an id, a text of at most {MAX_ID_LENGTH} characters or a number")
        request_id = found
        if fields.get("v") != PROTOCOL_VERSION:
            raise WireError(f"version {reprlib.repr(fields.get('v'))}, expected {{v: {PROTOCOL_VERSION}, id, op, …}}")
        request: Request = wire.convert(fields, Request)  # type: ignore[arg-type]
    except WireError as error:
        hint = "docs/protocol.md has all requests and their fields."
        return Ticket(envelope, request_id), refuse(None, "bad-request", str(error)[:MAX_ERROR_LENGTH], hint)
    return Ticket(envelope, request_id), request


def _frame(ticket: Ticket, fields: dict[str, Any]) -> bytes:
    return wire.pack_map({"v": PROTOCOL_VERSION, "id": ticket.id} | fields)


def _now() -> Now:
    return Now(time.monotonic(), clock.now_ns(), time.time_ns())


def _new_id(unix_ns: int) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(unix_ns // clock.NS_PER_S)) + f"-{secrets.token_hex(2)}"


def _stack() -> str:
    """Names this run of the stack: whoever restarts the controller, its parent or supervisor, outlives it. On Linux
    a process's start is reckoned from the machine's, which moves when the wall clock is set; elsewhere it is kept."""
    parent = psutil.Process(os.getppid())
    began_s = parent.create_time() - (psutil.boot_time() if sys.platform == "linux" else 0.0)
    return f"{parent.pid}-{began_s:.2f}"
