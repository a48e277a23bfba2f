"""Capture's hub with a fake source, and time that stands until it is told."""

from __future__ import annotations

import numpy as np

from causal.capture.hub import Hub
from causal.capture.ring import Ring
from causal.clock import NS_PER_S

from .fake_source import FakeSource

BLOCK_FRAMES = 2400
BLOCK_NS = NS_PER_S // 20
"""The devices of `FakeSource` have 48 kHz."""


class HubBench:
    """One source `fake`, whose devices the test adds and lets speak; `rings` has what each stream heard."""

    def __init__(self, *, live: bool = True) -> None:
        self.now_ns = 100 * NS_PER_S
        self.source = FakeSource(live=live)
        self.rings: dict[str, Ring] = {}
        self.hub = Hub({"fake": self.source}, wake=lambda: None, now_ns=lambda: self.now_ns)

    def add(self, stream: str, source: str) -> Ring:
        ring = self.rings[stream] = Ring(10.0)
        self.hub.add(stream, source, ring, origin_ns=self.now_ns)
        self.hub.tick()
        return ring

    def hear(self, device: str, blocks: int = 1, level: float = 0.5) -> None:
        for _ in range(blocks):
            self.now_ns += BLOCK_NS
            self.source.deliver(device, np.full((BLOCK_FRAMES, 1), level, np.float32), self.now_ns - BLOCK_NS)
            self.hub.tick()
            for stream in self.rings:
                self.hub.measure(stream)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.now_ns += NS_PER_S // 10
            self.hub.tick()

    def stand_still(self, seconds: float) -> None:
        """The whole process, as when the machine sleeps."""
        self.now_ns += round(seconds * NS_PER_S)
        self.hub.tick()

    def state(self, stream: str) -> str:
        return self.hub.condition(stream).state

    def segments(self, stream: str) -> list[str]:
        """Why each segment began; the first for no reason."""
        ring = self.rings[stream]
        held = [ring.held(n) for n in range(ring.tail, ring.head)]
        return [h.gap_reason for i, h in enumerate(held) if not i or h.segment != held[i - 1].segment]
