"""`causal-broker`: takes events in, numbers and stores the durable ones, tells everybody.

services ──DEALER──▶ log (ROUTER): hello, publish, claim, replay, bye; ephemeral events pass straight through
                     events (XPUB) ──▶ sinks
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click
import zmq

from causal import service, topics, wire
from causal.control_link import ControlLink
from causal.errors import WireError
from causal.loop import Loop, receive_all, send_now
from causal.messages import EVENT_TYPES, Message, QueueDepth
from causal.messages.control import Fault
from causal.messages.log import Claim, Claimed, Head, Hello, LoggedEvent, Publish, Replay, Stored
from causal.service import Options, Service

from .ballast import Ballast
from .event_log import EventLog
from .presence import Presence

log = logging.getLogger("causal.broker")

T = TypeVar("T")

SEND_MARK = 20_000
"""Messages that wait for one slow subscriber; what is beyond is dropped, and it asks for a replay."""
HEAD_PERIOD_S = 1.0
BALLAST_PERIOD_S = 10.0
STOP_WITHIN_S = 3.6
STOP_CHECK_S = 0.05


@click.command("causal-broker")
@service.options
def main(options: Options) -> None:
    """Numbers, stores, publishes and replays events."""
    with service.opened("broker", options, Loop(), owns_data=True) as me, contextlib.closing(_broker(me)):
        me.loop.run()


def _broker(me: Service[Loop]) -> Broker:
    try:
        return Broker(me)
    except sqlite3.Error as error:
        folder = me.paths.data
        raise SystemExit(
            f"causal-broker: the event log in {folder} cannot be opened: {error}. Make room on the disk, or move the "
            "files events.sqlite* away: a new log begins then."
        ) from error


class Broker:
    """The sockets around the event log."""

    def __init__(self, me: Service[Loop]) -> None:
        self._me = me
        self._ballast = Ballast(me.paths.data / "events.ballast")
        self._log = self._on_a_full_disk_too(lambda: EventLog(me.paths.data / "events.sqlite"))
        self._presence = Presence()
        self._dropped = 0
        self._fault: Fault | None = None
        self._router = me.context.socket(zmq.ROUTER)
        me.bind(self._router, "log")
        self._events = me.context.socket(zmq.XPUB)
        self._events.sndhwm = SEND_MARK
        me.bind(self._events, "events")
        me.loop.on_readable(self._router, self._receive)
        me.loop.on_readable(self._events, lambda: _discard(self._events))
        me.loop.every(HEAD_PERIOD_S, self._tell_head)
        me.loop.every(BALLAST_PERIOD_S, self._ballast.lay)
        self._control = ControlLink(me, report=self._report)
        me.on_stop(self._drain)

    def close(self) -> None:
        self._log.close()

    def _receive(self) -> None:
        batch: list[tuple[bytes, Publish]] = []
        for sender, *parts in receive_all(self._router):
            try:
                self._understand(sender, parts, batch)
            except WireError as error:
                self._dropped += 1
                log.warning("a message is dropped: %s", error)
        self._store(batch)

    def _understand(self, sender: bytes, parts: list[bytes], batch: list[tuple[bytes, Publish]]) -> None:
        match parts[0] if parts else b"":
            case topics.PUBLISH:
                batch.append((sender, wire.unpack(parts, Publish)))
            case topics.CLAIM:
                claim = wire.unpack(parts, Claim)
                self._store(batch)  # what came before counts before
                self._answer(sender, topics.CLAIMED, lambda: self._claim(claim))
            case topics.REPLAY:
                replay = wire.unpack(parts, Replay)
                self._store(batch)
                self._answer(sender, topics.REPLAYED, lambda: self._log.replay(replay))
            case topics.HELLO:
                self._presence.hello(wire.unpack(parts, Hello).publisher, time.monotonic())
            case topics.BYE:
                self._presence.bye(wire.unpack(parts, Hello).publisher)
            case topic if topics.kind_of(topic) in EVENT_TYPES:
                wire.unpack(parts, EVENT_TYPES[topics.kind_of(topic)])
                send_now(self._events, parts)
            case topic:
                raise WireError(f"nothing is known of topic {topic[:40]!r}")

    def _store(self, batch: list[tuple[bytes, Publish]]) -> None:
        """Stores and answers what is in the batch, and empties it."""
        if not batch:
            return
        waiting = batch.copy()
        batch.clear()
        try:
            stamped = self._on_a_full_disk_too(lambda: self._log.store([publish for _, publish in waiting]))
        except sqlite3.Error as error:
            self._fail(error)
            return
        self._mend()
        for (sender, _), result in zip(waiting, stamped, strict=True):
            topic = topics.STORED if isinstance(result.answer, Stored) else topics.REFUSED
            send_now(self._router, [sender, *wire.pack(topic, result.answer)])
            if result.news is not None:
                self._tell(result.news)

    def _claim(self, claim: Claim) -> Claimed:
        claimed = self._on_a_full_disk_too(lambda: self._log.claim(claim))
        self._mend()
        return claimed

    def _on_a_full_disk_too(self, write: Callable[[], T]) -> T:
        """Writes; when the disk is full, with the room that was kept for it."""
        try:
            return write()
        except sqlite3.Error as error:
            if not (_is_full(error) or self._ballast.is_disk_full()) or not self._ballast.spend():
                raise
            log.warning("the disk is full; the event log goes on with the room that was kept for it")
            return write()

    def _answer(self, sender: bytes, topic: bytes, look: Callable[[], Message]) -> None:
        try:
            answer = look()
        except sqlite3.Error as error:
            self._fail(error)
            return
        send_now(self._router, [sender, *wire.pack(topic, answer)])

    def _tell(self, news: LoggedEvent) -> None:
        topic = topics.event(news.kind, news.event["session"], news.event["source"])
        send_now(self._events, [topic, wire.VERSION, wire.pack_map(news.event)])

    def _tell_head(self, closing: bool = False) -> None:
        head = Head(seq=self._log.head_seq, oldest_seq=self._log.oldest_seq, closing=closing)
        send_now(self._events, wire.pack(topics.HEAD, head))

    def _fail(self, error: sqlite3.Error) -> None:
        """Nothing was stored and nobody was answered: the senders keep their events and send them again."""
        full = _is_full(error) or self._ballast.is_disk_full()
        if self._fault is None:
            log.error("the event log cannot be written: %s", error)
        self._fault = Fault(
            code="disk-full" if full else "internal",
            message=f"the event log cannot be written: {error}",
            hint=self._room_hint() if full else "See the broker's log.",
            retrying=True,
        )

    def _mend(self) -> None:
        if self._fault is not None:
            log.info("the event log can be written again")
            self._fault = None

    def _report(self) -> dict[str, Any]:
        return {
            "queues": {"log": QueueDepth(depth=0, capacity=SEND_MARK, dropped=self._dropped)},
            "fault": self._fault or (self._warning() if self._ballast.spent else None),
        }

    def _warning(self) -> Fault:
        text = "the disk is full; the event log lives on the room that was kept for it"
        return Fault(code="disk-full", message=text, hint=self._room_hint(), retrying=True)

    def _room_hint(self) -> str:
        return f"Make room on the disk of {self._me.paths.data}."

    def _drain(self) -> None:
        """Stays until all publishers have said bye, so that the last words are stored and told."""
        deadline_s = time.monotonic() + STOP_WITHIN_S

        def check() -> None:
            now_s = time.monotonic()
            if now_s >= deadline_s or not self._presence.anybody(now_s):
                self._tell_head(closing=True)
                self._me.loop.stop()

        self._me.loop.every(STOP_CHECK_S, check)


def _discard(socket: zmq.Socket[bytes]) -> None:
    """Reads the subscriptions off an XPUB, which does with them what is needed by itself."""
    receive_all(socket)


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
