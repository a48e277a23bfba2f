"""`causal-control`: answers requests, tells the services what to do.

causal-ctl, services ──REQ/DEALER──▶ control (ROUTER), one MessagePack map a frame
                                     doorbell (PUB) ──▶ services: ask anew
                                     events by way of the broker
"""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import threading
import time
from importlib.metadata import version
from typing import Any

import click
import psutil
import zmq

from causal import clock, service, settings, topics, wire
from causal.broker_link import BrokerLink
from causal.errors import CausalError, WireError
from causal.loop import Loop, receive_all, send_now
from causal.messages.control import PROTOCOL_VERSION, Assignments, Request
from causal.service import Options, Service

from . import key, token
from .desk import Desk, Facts, Now, refuse
from .effects import Answer, Close, Effect, Emit, MintToken, Publish, Ring, Save
from .replies import Replies
from .store import SessionStore

log = logging.getLogger("causal.control")

TICK_S = 0.1
SELF_POLL_S = 1.0
STOP_WITHIN_S = 3.0
LAST_EVENTS_S = 0.5
MAX_ID_LENGTH = 200


@click.command("causal-control")
@service.options
def main(options: Options) -> None:
    """Knows which sessions exist, and which worker does what."""
    with service.opened("control", options, Loop()) as me:
        Control(me)
        me.loop.run()


class Control:
    """The sockets around the desk."""

    def __init__(self, me: Service[Loop]) -> None:
        self._me = me
        self._key = key.find()
        self._store = SessionStore(me.paths.data / "sessions.sqlite")
        self._replies = Replies()
        self._process = psutil.Process()
        self._closing_s = 0.0
        self._router = me.context.socket(zmq.ROUTER)
        self._router.bind(me.paths.address("control"))
        self._doorbell = me.context.socket(zmq.PUB)
        self._doorbell.bind(me.paths.address("doorbell"))
        self._minted = me.context.socket(zmq.PULL)
        self._minted.bind("inproc://minted")
        self._broker = BrokerLink(me)
        self._desk = Desk(self._facts(), self._store.unfinished())
        self._carry_out(self._desk.open())
        me.loop.on_readable(self._router, self._receive)
        me.loop.on_readable(self._minted, self._receive_minted)
        me.loop.every(TICK_S, lambda: self._carry_out(self._desk.tick(_now())))
        me.loop.every(SELF_POLL_S, self._poll_self)
        me.on_stop(lambda: self._carry_out(self._desk.stop_all("stack-stopped", _now(), STOP_WITHIN_S)))

    def _receive(self) -> None:
        for parts in receive_all(self._router):
            fields: dict[str, Any] = {}
            try:
                fields = wire.unpack_map(parts[-1])
                request = _understood(fields)
            except WireError as error:
                hint = "docs/protocol.md has all requests and their fields."
                answer = refuse(None, "bad-request", str(error), hint)
                self._send(
                    [*parts[:-1], fields.get("id")], {"v": PROTOCOL_VERSION, "id": fields.get("id")} | answer.fields
                )
            else:
                self._take([*parts[:-1], fields["id"]], request)

    def _take(self, ticket: list[Any], request: Request) -> None:
        """Passes a request to the desk, unless it came before: then its reply is the same."""
        if not isinstance(request, Assignments) and not self._replies.is_new(ticket):
            if known := self._replies.known(ticket):
                self._send(ticket, known)
            return
        self._carry_out(self._desk.request(ticket, request, _now()))

    def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Answer(ticket):
                    self._reply(ticket, effect)
                case Save(session):
                    self._save(session)
                case Publish(event):
                    self._broker.publish(event)
                case Emit(event):
                    self._broker.emit(event)
                case Ring():
                    send_now(self._doorbell, [topics.DOORBELL])
                case MintToken(ticket, expires_in_s):
                    self._mint(ticket, expires_in_s)
                case Close():
                    self._close()

    def _save(self, session: Any) -> None:
        try:
            self._store.save(session)
        except sqlite3.Error as error:
            log.error("the session cannot be saved, and would not outlive this process: %s", error)

    def _reply(self, ticket: list[Any] | None, answer: Answer) -> None:
        if ticket is None:
            return
        fields = {"v": PROTOCOL_VERSION, "id": ticket[-1]} | answer.fields
        for other in self._replies.settle(ticket, fields):
            self._send(other, fields)

    def _send(self, ticket: list[Any], fields: dict[str, Any]) -> None:
        send_now(self._router, [*ticket[:-1], wire.pack_map(fields)])

    def _mint(self, ticket: list[Any], expires_in_s: int) -> None:
        """Asks the speech service in a thread: it may take a second."""

        def work() -> None:
            try:
                fields = {"ok": True} | token.mint(self._me.settings.stt_url, self._key or "", expires_in_s)
            except CausalError as error:
                fields = refuse(None, error.code, error.message, error.hint).fields
            with self._me.context.socket(zmq.PUSH) as socket:
                socket.connect("inproc://minted")
                socket.send_multipart([wire.pack_map({"ticket": ticket, "fields": fields})])

        threading.Thread(target=work, daemon=True).start()

    def _receive_minted(self) -> None:
        for (frame,) in receive_all(self._minted):
            minted = wire.unpack_map(frame)
            self._reply(minted["ticket"], Answer(None, minted["fields"]))

    def _poll_self(self) -> None:
        """The controller stands in its own list of services."""
        with self._process.oneshot():
            poll = Assignments(
                service="control",
                instance=self._me.instance,
                incarnation="",
                pid=os.getpid(),
                cpu_percent=self._process.cpu_percent(),
                rss_bytes=self._process.memory_info().rss,
            )
        self._carry_out(self._desk.request(None, poll, _now()))

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
            key=self._key,
            new_id=_new_id,
            history=self._store.newest,
        )


def _understood(fields: dict[str, Any]) -> Request:
    """The request in a map. Raises `WireError` for one that is not as agreed."""
    if fields.get("v") != PROTOCOL_VERSION:
        raise WireError(f"version {fields.get('v')!r}, expected {{v: {PROTOCOL_VERSION}, id, op, …}}")
    if not isinstance(fields.get("id"), str | int) or len(str(fields["id"])) > MAX_ID_LENGTH:
        raise WireError(f"a request needs an id, a text of at most {MAX_ID_LENGTH} characters or a number")
    request: Request = wire.convert(fields, Request)  # type: ignore[arg-type]
    return request


def _now() -> Now:
    return Now(time.monotonic(), clock.now_ns(), time.time_ns())


def _new_id(unix_ns: int) -> str:
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(unix_ns // clock.NS_PER_S)) + f"-{secrets.token_hex(2)}"


def _stack() -> str:
    """Names this run of the stack: whoever restarts the controller, its parent or supervisor, outlives it."""
    parent = psutil.Process(os.getppid())
    return f"{parent.pid}-{parent.create_time():.2f}"
