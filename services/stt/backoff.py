"""How long to wait before the next connection."""

from __future__ import annotations

import random


class Backoff:
    """Waits that double, each shortened by chance, so that many gateways do not come back in step.

    A session that lasted `lasting_s` after its `Begin` sets it back; one that died sooner does not, because a
    service that says Begin and then breaks would else be asked without end.
    """

    def __init__(
        self, chance: random.Random, *, first_s: float = 0.5, most_s: float = 30.0, lasting_s: float = 4.0
    ) -> None:
        self._chance = chance
        self._first_s = first_s
        self._most_s = most_s
        self._lasting_s = lasting_s
        self.tries = 0
        """Connections in a row that did not last."""
        self._begun_s: float | None = None

    def begun(self, now_s: float) -> None:
        """A session began."""
        self._begun_s = now_s

    def ended(
        self, now_s: float, *, at_least_s: float = 0.0, at_most_s: float | None = None, at_once: bool = False
    ) -> float:
        """A connection ended, or failed to begin: how long to wait now. `at_once` is for ends that are no failure;
        it holds once in a row. `at_most_s` is for doors that cost nothing to knock at."""
        lasted = self._begun_s is not None and now_s - self._begun_s >= self._lasting_s
        self._begun_s = None
        self.tries = 0 if lasted else self.tries + 1
        if at_once and self.tries <= 1:
            return at_least_s
        most_s = self._most_s if at_most_s is None else at_most_s
        longest_s = min(most_s, self._first_s * 2.0 ** min(self.tries, 16))
        return max(at_least_s, longest_s * self._chance.uniform(0.5, 1.0))
