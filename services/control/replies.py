"""Replies that may be wanted again: a client that hears nothing asks once more, with the same id."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

REMEMBERED = 1000


class Replies:
    """Remembers the last 1000 replies by their id, so that a request sent twice is done once. The oldest go first."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._under_way: dict[str, list[list[Any]]] = {}

    def is_new(self, ticket: list[Any]) -> bool:
        """Whether the request has to be done; if it is under way already, its reply goes to this ticket too."""
        key = repr(ticket[-1])
        if ticket[-1] is None or not (key in self._done or key in self._under_way):
            self._under_way[key] = [ticket]
            return True
        if key in self._under_way:
            self._under_way[key].append(ticket)
        return False

    def known(self, ticket: list[Any]) -> dict[str, Any] | None:
        return self._done.get(repr(ticket[-1]))

    def settle(self, ticket: list[Any], fields: dict[str, Any]) -> list[list[Any]]:
        """The tickets that wait for this reply."""
        key = repr(ticket[-1])
        waiting = self._under_way.pop(key, None)
        if waiting is None:
            return [ticket]
        if ticket[-1] is not None:
            self._done[key] = fields
            while len(self._done) > REMEMBERED:
                self._done.popitem(last=False)
        return waiting
