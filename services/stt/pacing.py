"""How fast audio may go out: as fast as it comes when live, not much faster when there is a backlog."""

from __future__ import annotations

from causal.messages.audio import CHUNK_RATE_HZ, CHUNK_SAMPLES

CHUNK_MS = CHUNK_SAMPLES * 1000 // CHUNK_RATE_HZ

SERVICE_RATE = 1.25
"""How much faster than real time AssemblyAI takes audio in; the rest it would only buffer."""
SERVICE_BURST_MS = 4000
"""What a new lane may begin with: the search for its seam, and the second before it."""
SERVICE_AHEAD_MS = 60_000
"""A fifth of what it buffers before it closes."""
ENGINE_AHEAD_MS = 20_000
"""The local engine works as fast as it can and says how far it is."""


class Pacer:
    """Says when the next chunk of one connection may go.

    `rate`: at most so many times real time, with `burst_ms` at once at the start or after a pause; `None`: no such
    limit. `ahead_ms`: at most so much more than the service says it has taken in. A service that paces by rate and
    never says so is trusted; one without a rate must say so.
    """

    def __init__(self, now_s: float, *, rate: float | None, ahead_ms: int, burst_ms: int = SERVICE_BURST_MS) -> None:
        self._rate = rate
        self._ahead_ms = ahead_ms
        self._burst_ms = burst_ms
        self._credit_ms = float(burst_ms)
        self._counted_s = now_s
        self._sent_ms = 0
        self._received_ms: int | None = None if rate is not None else 0

    @classmethod
    def for_service(cls, now_s: float) -> Pacer:
        return cls(now_s, rate=SERVICE_RATE, ahead_ms=SERVICE_AHEAD_MS)

    @classmethod
    def for_engine(cls, now_s: float) -> Pacer:
        return cls(now_s, rate=None, ahead_ms=ENGINE_AHEAD_MS)

    def sent(self, now_s: float) -> None:
        """One chunk went out."""
        self._count(now_s)
        self._credit_ms -= CHUNK_MS
        self._sent_ms += CHUNK_MS

    def received(self, received_ms: int) -> None:
        """The service has taken in so much audio of this connection."""
        self._received_ms = max(self._received_ms or 0, received_ms)

    def wait_s(self, now_s: float) -> float | None:
        """How long until the next chunk may go: 0 for now, `None` for as long as the service says nothing."""
        if self._received_ms is not None and self._sent_ms + CHUNK_MS - self._received_ms > self._ahead_ms:
            return None
        if self._rate is None:
            return 0.0
        self._count(now_s)
        return max(0.0, (CHUNK_MS - self._credit_ms) / (1000 * self._rate))

    def _count(self, now_s: float) -> None:
        if self._rate is not None:
            earned_ms = (now_s - self._counted_s) * 1000 * self._rate
            self._credit_ms = min(self._burst_ms, self._credit_ms + earned_ms)
        self._counted_s = now_s
