"""Durable events on their way to the broker, kept until it has stored them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice

from causal.messages.log import Publish

RESEND_AFTER_S = 1.0
TOLD_AFTER_S = 1.5
"""An event that is not stored by then was sent twice: the broker hears, but cannot store (its disk is full)."""


@dataclass
class _Waiting:
    publish: Publish
    first_sent_s: float | None = None
    sent_s: float | None = None
    told: bool = False

    def due(self, now_s: float) -> bool:
        return self.sent_s is None or now_s - self.sent_s >= RESEND_AFTER_S


class Outbox:
    """Holds at most `capacity` unstored events. When full, the newest is refused and counted: what a restart would
    bring back (finals by coverage, gaps by the journal) is then brought back by it. One writer.

    The events of a session go one by one, each after the answer to the one before: what is lost with a killed broker
    and sent again would come behind its successor otherwise, and a final that is not the next one is refused.
    """

    def __init__(self, capacity: int = 10_000) -> None:
        self.capacity = capacity
        self.dropped = 0
        self._sessions: dict[str, OrderedDict[str, _Waiting]] = {}
        self._session_of: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._session_of)

    def offer(self, publish: Publish) -> bool:
        """Takes an event in; one that waits already stays where it is. False when the box is full."""
        if publish.id in self._session_of:
            return True
        if len(self) >= self.capacity:
            self.dropped += 1
            return False
        session = str(publish.event.get("session", "-"))
        self._session_of[publish.id] = session
        self._sessions.setdefault(session, OrderedDict())[publish.id] = _Waiting(publish)
        return True

    def due(self, now_s: float, limit: int = 100) -> list[Publish]:
        """What should be sent now: of each session the oldest, if it is new or without an answer for a second."""
        oldest = (next(iter(waiting.values())) for waiting in self._sessions.values())
        return [waiting.publish for waiting in islice((w for w in oldest if w.due(now_s)), limit)]

    def untold(self, now_s: float) -> list[Publish]:
        """The finals of sessions whose oldest event has not been stored in time, each once: whoever listens should not
        have to wait for them until the broker can store again."""
        untold = []
        for waiting in self._sessions.values():
            first_sent_s = next(iter(waiting.values())).first_sent_s
            if first_sent_s is not None and now_s - first_sent_s >= TOLD_AFTER_S:
                untold += [one for one in waiting.values() if one.publish.kind == "transcript-final" and not one.told]
        for one in untold:
            one.told = True
        return [one.publish for one in untold]

    def mark_sent(self, publish_id: str, now_s: float) -> None:
        if session := self._session_of.get(publish_id):
            waiting = self._sessions[session][publish_id]
            waiting.sent_s = now_s
            waiting.first_sent_s = waiting.first_sent_s or now_s

    def settle(self, publish_id: str) -> Publish | None:
        """Forgets an event that was stored or refused; None for one that is not waiting."""
        session = self._session_of.pop(publish_id, None)
        if session is None:
            return None
        waiting = self._sessions[session]
        settled = waiting.pop(publish_id)
        if not waiting:
            del self._sessions[session]
        return settled.publish
