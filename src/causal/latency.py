"""How long a hop takes: the median and the slowest hundredth of the last thousand."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from causal.messages import HopLatency

KEPT = 1000


class Latency:
    """Holds the last 1000 values, in their order and by size; the oldest go first. One writer."""

    def __init__(self) -> None:
        self._values_ms: deque[float] = deque()
        self._sorted_ms: list[float] = []

    def add(self, value_ms: float) -> None:
        if len(self._values_ms) == KEPT:
            del self._sorted_ms[bisect_left(self._sorted_ms, self._values_ms.popleft())]
        self._values_ms.append(value_ms)
        insort(self._sorted_ms, value_ms)

    def summary(self) -> HopLatency | None:
        """None as long as nothing was measured."""
        count = len(self._sorted_ms)
        if not count:
            return None
        return HopLatency(p50=self._sorted_ms[count // 2], p99=self._sorted_ms[min(count - 1, count * 99 // 100)])
