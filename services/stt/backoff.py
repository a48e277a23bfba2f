"""How long to wait before the next connection."""

from __future__ import annotations

import random

LATER = 1.04
"""A wait that the service asks for takes up to so many times as long."""


class Backoff:
    """Waits that double from `first_s` on, each shortened by chance, so that many gateways do not come back in step.

    Sessions cost money and the account's permissions, so each that dies unproven doubles the next wait. One that
    brought words, or lasted `lasting_s` after its `Begin`, is proven and sets the wait back: what ended it is news.
    Without words that takes long, for there are services that say Begin, hear nothing and break five seconds later,
    again and again.

    A door that does not open costs nothing: those waits double by themselves, and say nothing about sessions.
    """

    def __init__(self, chance: random.Random, *, first_s: float = 0.5, lasting_s: float = 10.0) -> None:
        self._chance = chance
        self._first_s = first_s
        self._lasting_s = lasting_s
        self.tries = 0
        """Sessions in a row that died unproven."""
        self._knocks = 0
        """Doors in a row that did not open."""
        self._begun_s: float | None = None
        self._proven = False

    def begun(self, now_s: float) -> None:
        """A session began."""
        self._begun_s = now_s

    def proved(self) -> None:
        """The session did what it is there for."""
        self._proven = True

    def finished(self) -> None:
        """A connection ended in good order: there is nothing to wait for, and what was before is forgotten."""
        self.tries, self._knocks, self._begun_s, self._proven = 0, 0, None, False

    def shut(self, *, at_most_s: float, at_least_s: float = 0.0) -> float:
        """A connection did not open: how long to wait now."""
        self._knocks += 1
        return max(self._spread_s(at_least_s), self._wait_s(self._knocks, at_most_s))

    def ended(self, now_s: float, *, at_most_s: float, at_least_s: float = 0.0, at_once: bool = False) -> float:
        """A connection that had opened ended: how long to wait now. `at_once` is for ends that are no failure; it
        holds once in a row."""
        lasted = self._begun_s is not None and now_s - self._begun_s >= self._lasting_s
        self.tries = 0 if lasted or self._proven else self.tries + 1
        self._knocks, self._begun_s, self._proven = 0, None, False
        if at_once and self.tries <= 1:
            return at_least_s
        return max(self._spread_s(at_least_s), self._wait_s(self.tries, at_most_s))

    def _spread_s(self, at_least_s: float) -> float:
        """Whoever shall wait for a time shall not come back in step with all others who shall."""
        return at_least_s * self._chance.uniform(1.0, LATER)

    def _wait_s(self, count: int, at_most_s: float) -> float:
        """The wait after so many in a row."""
        longest_s = min(at_most_s, self._first_s * 2.0 ** min(max(count - 1, 0), 16))
        return longest_s * self._chance.uniform(0.5, 1.0)
