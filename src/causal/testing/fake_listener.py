"""A listener for the tests of a source: remembers what its driver tells."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from causal.errors import SourceError


class FakeListener:
    """What `causal.sources` talk to. `heard` are `(samples, captured_ns)`, copied."""

    def __init__(self, origin_ns: int = 0, start_ns: int = 0) -> None:
        self.origin_ns = origin_ns
        self.start_ns = start_ns
        self.formats: list[tuple[int, int]] = []
        self.heard: list[tuple[Any, int]] = []
        self.told: list[str] = []
        """Formats, blocks, holes, states, the end and the loss, in order."""
        self.lost: SourceError | None = None
        self.over = threading.Event()
        """Set by the end, or the loss."""

    def on_format(self, rate_hz: int, channels: int) -> None:
        self.formats.append((rate_hz, channels))
        self.told.append(f"format {rate_hz}/{channels}")

    def on_samples(self, samples: Any, captured_ns: int) -> None:
        self.heard.append((samples.copy(), captured_ns))
        self.told.append(f"{len(samples)} frames")

    def on_hole(self, reason: str) -> None:
        self.told.append(f"hole {reason}")

    def on_state(self, state: str, hint: str = "") -> None:
        self.told.append(f"{state}: {hint}" if hint else state)

    def on_end(self) -> None:
        self.told.append("end")
        self.over.set()

    def on_lost(self, error: SourceError) -> None:
        self.lost = error
        self.told.append(f"lost {error.code}")
        self.over.set()

    def has_room(self, frames: int) -> bool:
        return frames >= 0

    def run_frames(self) -> int:
        return 0
