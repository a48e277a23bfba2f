"""Durable events on their way to the broker, kept until it has stored them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from causal.messages.log import Publish

RESEND_AFTER_S = 1.0


@dataclass
class _Waiting:
    publish: Publish
    sent_s: float | None = None


class Outbox:
    """Holds at most `capacity` unstored events, in order. When full, the newest is refused and counted: what a
    restart would bring back (finals by coverage, gaps by the journal) is then brought back by it. One writer."""

    def __init__(self, capacity: int = 10_000) -> None:
        self.capacity = capacity
        self.dropped = 0
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, publish: Publish) -> bool:
        """Takes an event in. False when the box is full."""
        if len(self._waiting) >= self.capacity:
            self.dropped += 1
            return False
        self._waiting[publish.id] = _Waiting(publish)
        return True

    def due(self, now_s: float, limit: int = 100) -> list[Publish]:
        """What should be sent now: new ones, and those without an answer for a second."""
        due = []
        for waiting in self._waiting.values():
            if waiting.sent_s is None or now_s - waiting.sent_s >= RESEND_AFTER_S:
                due.append(waiting.publish)
                if len(due) == limit:
                    break
        return due

    def mark_sent(self, publish_id: str, now_s: float) -> None:
        if waiting := self._waiting.get(publish_id):
            waiting.sent_s = now_s

    def settle(self, publish_id: str) -> Publish | None:
        """Forgets an event that was stored or refused; None for one that is not waiting."""
        waiting = self._waiting.pop(publish_id, None)
        return waiting.publish if waiting else None
