"""Replies that may be wanted again: a client that hears nothing asks once more, with the same id."""

from __future__ import annotations

from collections import OrderedDict

from .effects import RequestId, Ticket

MAX_REPLIES = 1000
MAX_BYTES = 4 << 20
MAX_WAITING = 100


class Replies:
    """Remembers replies by their id, at most 1000 and 4 MiB of them, the oldest go first; and who waits for one that is
    under way, at most 100 for each, more are turned away. So a request that is sent twice is done once. One writer."""

    def __init__(self) -> None:
        self._done: OrderedDict[RequestId, bytes] = OrderedDict()
        self._size = 0
        self._under_way: dict[RequestId, list[Ticket]] = {}

    @property
    def under_way(self) -> bool:
        """Whether anybody waits for a reply."""
        return bool(self._under_way)

    def is_new(self, ticket: Ticket) -> bool:
        """Whether the request has to be done."""
        if ticket.id in self._done or ticket.id in self._under_way:
            return False
        self._under_way[ticket.id] = [ticket]
        return True

    def known(self, ticket: Ticket) -> bytes | None:
        """The reply, if the request is done."""
        return self._done.get(ticket.id)

    def wait(self, ticket: Ticket) -> bool:
        """Has the reply of a request that is under way go to this ticket too. False when too many wait for it."""
        waiting = self._under_way[ticket.id]
        if len(waiting) >= MAX_WAITING:
            return False
        waiting.append(ticket)
        return True

    def settle(self, ticket: Ticket, reply: bytes) -> list[Ticket]:
        """Takes the reply in; returns the tickets that wait for it."""
        if ticket.id not in self._under_way:
            return [ticket]
        self.remember(ticket.id, reply)
        return self._under_way.pop(ticket.id)

    def remember(self, request_id: RequestId, reply: bytes) -> None:
        """Has a reply ready for a request that may come again."""
        self._size += len(reply) - len(self._done.pop(request_id, b""))
        self._done[request_id] = reply
        while self._done and (len(self._done) > MAX_REPLIES or self._size > MAX_BYTES):
            _, oldest = self._done.popitem(last=False)
            self._size -= len(oldest)
