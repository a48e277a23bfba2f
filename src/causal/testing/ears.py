"""Ears on a sound server, for tests: capture's hub, with rings long enough to keep everything."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from causal import clock
from causal.capture.hub import Hub
from causal.capture.pulse import PulseBackend
from causal.capture.ring import Held, Ring
from causal.errors import SourceError
from causal.messages.events import CaptureState

TURN_S = 0.01


class Ears:
    """Listens to the server at an address as in PULSE_SERVER, until exit. Keeps 60 s of each stream."""

    def __init__(self, server: str) -> None:
        self.hub = Hub({"pulse": PulseBackend(50, server)}, wake=lambda: None)
        self.rings: dict[str, Ring] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hub.close()

    def listen(self, source: str, stream: str = "s/one") -> Ring:
        """Begins to hear a source."""
        ring = self.rings[stream] = Ring(60.0)
        self.hub.add(stream, source, ring, origin_ns=clock.now_ns())
        return ring

    def until(self, what: Callable[[], object], within_s: float = 10.0) -> None:
        """Turns the hub until `what` is true. Raises `TimeoutError` with the state of all streams."""
        until_s = time.monotonic() + within_s
        while not what():
            if time.monotonic() > until_s:
                raise TimeoutError(f"{within_s} s: {[self.hub.condition(stream) for stream in self.rings]}")
            self.hub.tick()
            for stream in self.rings:
                self.hub.measure(stream)
            time.sleep(TURN_S)

    def hear(self, seconds: float, stream: str = "s/one") -> None:
        """Until so much more was heard."""
        ring = self.rings[stream]
        goal_ns = ring.heard_ns + round(seconds * clock.NS_PER_S)
        self.until(lambda: ring.heard_ns >= goal_ns, seconds + 10.0)

    def state(self, stream: str = "s/one") -> CaptureState:
        return self.hub.condition(stream).state

    def device(self, stream: str = "s/one") -> str | None:
        return self.hub.condition(stream).device

    def error(self, stream: str = "s/one") -> SourceError:
        """What is wrong. Raises `AssertionError` when nothing is."""
        error = self.hub.condition(stream).error
        assert error is not None
        return error

    def blocks(self, stream: str = "s/one") -> list[Held]:
        ring = self.rings[stream]
        return [ring.held(n) for n in range(ring.tail, ring.head)]

    def sound(self, stream: str = "s/one") -> npt.NDArray[np.float32]:
        """All samples, shape `(frames, channels)`."""
        return np.concatenate([block.samples for block in self.blocks(stream)])

    def reasons(self, stream: str = "s/one") -> list[str]:
        """Why segments after the first one began."""
        return [block.gap_reason for block in self.blocks(stream) if block.gap_reason]
