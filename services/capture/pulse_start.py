"""When a stream's first sample was captured, by what the sound server answers about its latency. Opens nothing."""

from __future__ import annotations

from collections import deque
from statistics import median_low

from causal.clock import NS_PER_S

TIMING_EVERY_S = 0.4
"""Less than half of what the sample clock waits before it believes that samples are missing: one wrong answer of the
server, which stands until the next, breaks no run."""
FIRST_TIMINGS = 3
TIMING_WITHIN_S = 0.5
"""A server that does not answer in this time gets no more patience: then arrival stands for time."""


class Start:
    """The capture clock at sample 0 of a stream. Holds the last three answers.

    An answer that comes late says a time that is late, so of the first ones the earliest counts. After that a single
    wrong one is outvoted, for seconds of sound may be read by it at once, when the process or the machine stood still.
    """

    def __init__(self) -> None:
        self.ns: int | None = None
        """None as long as nothing is known."""
        self._answers: deque[int] = deque(maxlen=FIRST_TIMINGS)
        self._count = 0
        self._asked_ns = 0
        self._patient_since_ns: int | None = None

    def forget(self) -> None:
        """What comes now does not follow what came before."""
        self.ns = self._patient_since_ns = None
        self._answers.clear()
        self._count = self._asked_ns = 0

    def asks(self, now_ns: int) -> bool:
        """Whether the server shall be asked now. Ask it then: the next question comes later."""
        if self._patient_since_ns is None:
            self._patient_since_ns = now_ns
        if self._count >= FIRST_TIMINGS and now_ns - self._asked_ns < TIMING_EVERY_S * NS_PER_S:
            return False
        self._asked_ns = now_ns
        return True

    def learn(self, start_ns: int) -> bool:
        """An answer. True for the one with which enough is known."""
        self._count += 1
        self._answers.append(start_ns)
        self.ns = min(self._answers) if self._count <= FIRST_TIMINGS else median_low(self._answers)
        return self._count == FIRST_TIMINGS

    def is_known(self, now_ns: int) -> bool:
        """Whether enough is known, or has been waited for long enough."""
        patient_since_ns = now_ns if self._patient_since_ns is None else self._patient_since_ns
        return self._count >= FIRST_TIMINGS or now_ns - patient_since_ns >= TIMING_WITHIN_S * NS_PER_S
