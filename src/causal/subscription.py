"""A subscription to the broker's events: sockets around a `Feed`.

events (SUB) ──▶ ┌──────┐ ──▶ on_event
log (DEALER) ◀─▶ │ Feed │
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

import zmq

from causal import topics, wire
from causal.errors import WireError
from causal.feed import Action, Ask, Deliver, Feed, Forgotten, Replaced
from causal.loop import AnyLoop, receive_all, send_now
from causal.messages import DURABLE, EVENT_TYPES, Event
from causal.messages.log import Head, Replay, Replayed
from causal.paths import Paths
from causal.transport import PICK_UP_S, Lines

log = logging.getLogger("causal.subscription")

TICK_S = 0.5
RECEIVE_MARK = 10_000
"""Events that wait while the subscriber is busy; what is beyond is lost on the way, and a replay brings it."""

TRANSCRIPT = ("transcript-partial", "transcript-void")
"""The ephemeral types that belong to a transcript."""

OnEvent = Callable[[Event], None]


class Subscription:
    """Calls `on_event` with each durable event once and in order, and with ephemeral ones as they come.

    Runs on any loop. `begin` opens, `end` closes; both may be called again, also from within `on_event`.
    """

    def __init__(
        self,
        loop: AnyLoop,
        context: zmq.Context[zmq.Socket[bytes]],
        paths: Paths,
        on_event: OnEvent,
        *,
        session: str | None = None,
        source: str | None = None,
        ephemeral: Iterable[str] = TRANSCRIPT,
    ) -> None:
        """`session` and `source` choose what is told; an event that belongs to no one source passes a source."""
        self.heard_s = time.monotonic()
        """When the broker gave a sign of life for the last time."""
        self.feed = Feed(None)
        self.malformed = 0
        """Messages that were not as agreed."""
        self._loop = loop
        self._context = context
        self._lines = Lines(paths)
        self._on_event = on_event
        self._session = session
        self._source = source
        self._kinds = DURABLE | set(ephemeral)
        self._sockets: tuple[zmq.Socket[bytes], zmq.Socket[bytes]] | None = None
        loop.every(TICK_S, self._tick)
        loop.every(PICK_UP_S, self._lines.renew)

    @property
    def finished(self) -> bool:
        """Whether the broker is going down and has told everything."""
        return self.feed.closing and self.feed.caught_up

    def begin(self, seq: int | None) -> None:
        """Opens the sockets: durable events come from `seq` on; None means those from now on."""
        self.end()
        self.feed = Feed(seq, self._session)
        self.heard_s = time.monotonic()
        events = self._context.socket(zmq.SUB)
        events.linger = 0
        events.rcvhwm = RECEIVE_MARK
        for topic in (topics.HEAD, *(topics.subscription(kind) for kind in sorted(self._kinds))):
            events.subscribe(topic)
        self._lines.connect(events, "events")
        questions = self._context.socket(zmq.DEALER)
        questions.linger = 0
        questions.immediate = True  # while the broker is away nothing is asked, instead of once a second on its return
        self._lines.connect(questions, "log")
        self._sockets = (events, questions)
        self._loop.on_readable(events, lambda: self._receive(events, self._understand_event))
        self._loop.on_readable(questions, lambda: self._receive(questions, self._understand_answer))
        self._tick()

    def end(self) -> None:
        """Closes the sockets; nothing is told any more."""
        for socket in self._sockets or ():
            self._loop.forget(socket)
            socket.close()
        self._sockets = None

    def _tick(self) -> None:
        if self._sockets is not None:
            self._carry_out(self.feed.tick(time.monotonic()))

    def _receive(self, socket: zmq.Socket[bytes], understand: Callable[[list[bytes]], list[Action]]) -> None:
        feed = self.feed
        for parts in receive_all(socket):
            try:
                actions = understand(parts)
            except WireError as error:
                self.malformed += 1
                log.warning("a message of the broker is dropped: %s", error)
                continue
            self._carry_out(actions)
            if self.feed is not feed or self._sockets is None:
                return

    def _understand_event(self, parts: list[bytes]) -> list[Action]:
        self.heard_s = now_s = time.monotonic()
        if parts[0] == topics.HEAD:
            return self.feed.on_head(wire.unpack(parts, Head), now_s)
        kind = EVENT_TYPES.get(topics.kind_of(parts[0]))
        if kind is None:
            raise WireError(f"nothing is known of topic {parts[0][:40]!r}")
        return self.feed.on_live(wire.unpack(parts, kind), now_s)

    def _understand_answer(self, parts: list[bytes]) -> list[Action]:
        self.heard_s = now_s = time.monotonic()
        if parts[0] != topics.REPLAYED:
            return []
        return self.feed.on_replayed(wire.unpack(parts, Replayed), now_s)

    def _carry_out(self, actions: list[Action]) -> None:
        feed = self.feed
        for action in actions:
            match action:
                case Deliver(event) if self._is_wanted(event):
                    self._on_event(event)
                case Ask(replay):
                    self._ask(replay)
                case Forgotten(from_seq, to_seq):
                    log.warning("events %d to %d are not stored any more; going on behind them", from_seq, to_seq)
                case Replaced(seen_seq, head_seq):
                    log.warning(
                        "events up to %d were seen, but the event log ends at %d: it is another one; from its start",
                        seen_seq,
                        head_seq,
                    )
            if self.feed is not feed or self._sockets is None:
                return

    def _ask(self, replay: Replay) -> None:
        if self._sockets is not None and not send_now(self._sockets[1], wire.pack(topics.REPLAY, replay)):
            self.feed.on_unsent()

    def _is_wanted(self, event: Event) -> bool:
        if self._session not in (None, event.session):
            return False
        return self._source in (None, event.source) or event.source == "-"
