"""A service's line to the broker: publishes, claims lanes, resends until answered."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

import zmq

from causal import topics, wire
from causal.errors import WireError
from causal.loop import AnyLoop, receive_all, send_now
from causal.messages import EVENT_TYPES, Event, Message, QueueDepth, StreamName, TranscriptFinal
from causal.messages.log import HEARD_SILENCE, Claim, Claimed, Coverage, Hello, Publish, Refused, Stored
from causal.outbox import Outbox
from causal.service import Service

log = logging.getLogger("causal.broker_link")

KIND_OF = {event: kind for kind, event in EVENT_TYPES.items()}
TICK_S = 0.5
HELLO_S = 1.0
CLAIM_AGAIN_S = 1.0
SEND_MARK = 200
"""Messages that wait while the broker is away: ephemeral events are soon too old to be worth more."""

OnSettled = Callable[[Publish, Stored | Refused], None]
OnClaimed = Callable[[Claimed], None]


class BrokerLink:
    """One DEALER to the broker. Never blocks; what cannot be sent now is sent again from the timer."""

    def __init__(
        self, me: Service[Any], on_settled: OnSettled | None = None, on_claimed: OnClaimed | None = None
    ) -> None:
        self.outbox = Outbox()
        self._loop: AnyLoop = me.loop
        self._publisher = f"{me.name}-{me.instance}"
        self._keys = f"{self._publisher}-{secrets.token_hex(4)}"
        self._numbers = itertools.count()
        self._claims: dict[tuple[str, str], tuple[Claim, float]] = {}
        self._hello_s = float("-inf")
        self._said_bye = False
        self._overflowing = False
        self._not_emitted = 0
        self._on_settled = on_settled
        self._on_claimed = on_claimed
        self._socket = me.context.socket(zmq.DEALER)
        self._socket.linger = 300
        self._socket.sndhwm = SEND_MARK
        me.connect(self._socket, "log")
        me.loop.on_readable(self._socket, self._receive)
        me.loop.every(TICK_S, self._tick)

    def publish(self, event: Event, coverage: Coverage | None = None, key: str | None = None) -> str:
        """Sends a durable event, again and again until it is stored or refused. The same `key` is stored once.

        Those of a session go in order, each after the answer to the one before. A final that cannot be stored goes out
        without a number meanwhile. Returns the key, which `on_settled` gets back.
        """
        return self._offer(key, KIND_OF[type(event)], wire.to_map(event), coverage)

    def mark(self, coverage: Coverage) -> str:
        """Sends a `heard-silence` mark like a durable event. Returns its key."""
        session, source = StreamName.parse(coverage.stream)
        return self._offer(None, HEARD_SILENCE, {"session": session, "source": source}, coverage)

    def emit(self, event: Event) -> None:
        """Sends an ephemeral event, once. What does not go out is counted."""
        if not self._send(topics.event(KIND_OF[type(event)], event.session, event.source), event):
            self._not_emitted += 1

    def claim(self, claim: Claim) -> None:
        """Asks for a lane until the broker answers; the answer goes to `on_claimed`."""
        self._claims[claim.stream, claim.lane] = (claim, time.monotonic())
        self._send(topics.CLAIM, claim)

    def forget_claim(self, stream: str, lane: str) -> None:
        """Asks no more."""
        self._claims.pop((stream, lane), None)

    @property
    def idle(self) -> bool:
        """Whether everything has been answered."""
        return not self.outbox and not self._claims

    def queues(self) -> dict[str, QueueDepth]:
        """For `status`: the durable events that are not stored yet, and the ephemeral ones, which wait in the socket;
        how many do, ZeroMQ does not tell."""
        box = self.outbox
        return {
            "events": QueueDepth(depth=len(box), capacity=box.capacity, dropped=box.dropped),
            "ephemeral": QueueDepth(depth=0, capacity=SEND_MARK, dropped=self._not_emitted),
        }

    def say_bye(self) -> None:
        """Tells the broker that nothing more will come."""
        self._said_bye = True
        self._send(topics.BYE, Hello(publisher=self._publisher))

    def close(self) -> None:
        self._socket.close()

    def _offer(self, key: str | None, kind: str, event: dict[str, Any], coverage: Coverage | None) -> str:
        publish = Publish(id=key or f"{self._keys}-{next(self._numbers)}", kind=kind, event=event, coverage=coverage)
        taken = self.outbox.offer(publish)
        if not taken and not self._overflowing:
            log.error("the broker has been away for too long: events are dropped, the first is a %s", publish.kind)
        self._overflowing = not taken
        self._flush()
        return publish.id

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s - self._hello_s >= HELLO_S and not self._said_bye:
            self._hello_s = now_s
            self._send(topics.HELLO, Hello(publisher=self._publisher))
        self._flush()
        for key, (claim, asked_s) in list(self._claims.items()):
            if now_s - asked_s >= CLAIM_AGAIN_S:
                self._claims[key] = (claim, now_s)
                self._send(topics.CLAIM, claim)

    def _flush(self) -> None:
        now_s = time.monotonic()
        for publish in self.outbox.due(now_s):
            if not self._send(topics.PUBLISH, publish):
                return
            self.outbox.mark_sent(publish.id, now_s)
        for publish in self.outbox.untold(now_s):
            self.emit(wire.convert(publish.event, TranscriptFinal))

    def _send(self, topic: bytes, message: Message) -> bool:
        sent = send_now(self._socket, wire.pack(topic, message))
        self._loop.look_again(self._socket)
        return sent

    def _receive(self) -> None:
        for parts in receive_all(self._socket):
            try:
                self._understand(parts)
            except WireError as error:
                log.warning("an answer of the broker is dropped: %s", error)
        self._flush()

    def _understand(self, parts: list[bytes]) -> None:
        match parts[0]:
            case topics.STORED:
                self._settle(wire.unpack(parts, Stored))
            case topics.REFUSED:
                self._settle(wire.unpack(parts, Refused))
            case topics.CLAIMED:
                self._settle_claim(wire.unpack(parts, Claimed))

    def _settle(self, answer: Stored | Refused) -> None:
        publish = self.outbox.settle(answer.id)
        if publish is not None and self._on_settled is not None:
            self._on_settled(publish, answer)

    def _settle_claim(self, claimed: Claimed) -> None:
        claim, _ = self._claims.get((claimed.stream, claimed.lane), (None, 0.0))
        if claim is None or claimed.epoch < claim.epoch:  # the answer to an earlier question
            return
        del self._claims[claim.stream, claim.lane]
        if self._on_claimed is not None:
            self._on_claimed(claimed)
