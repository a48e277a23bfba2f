"""How long a hop takes: the median and the slowest hundredth of the last thousand."""

from __future__ import annotations

from collections import deque

from causal.messages import HopLatency


class Latency:
    """Holds the last 1000 values; the oldest go first. One writer."""

    def __init__(self) -> None:
        self._values_ms: deque[float] = deque(maxlen=1000)

    def add(self, value_ms: float) -> None:
        self._values_ms.append(value_ms)

    def summary(self) -> HopLatency | None:
        """None as long as nothing was measured."""
        if not self._values_ms:
            return None
        ordered = sorted(self._values_ms)
        return HopLatency(p50=ordered[len(ordered) // 2], p99=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)])
