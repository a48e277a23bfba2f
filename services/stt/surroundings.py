"""What a stream needs of the gateway that runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from causal.latency import Latency
from causal.messages import Event, TranscriptFinal
from causal.messages.control import Assignment
from causal.messages.log import Claim, Coverage

from .target import Target
from .timing import Timing


@dataclass(frozen=True)
class Surroundings:
    """The gateway, as its streams see it."""

    choose: Callable[[Assignment], Target]
    """Where to connect. Raises `CausalError`."""
    claim: Callable[[Claim], None]
    """Asks the broker for a stream's lanes."""
    publish: Callable[[TranscriptFinal | None, Coverage], None]
    """A final, or a mark."""
    permit: Callable[[bool, Callable[[], bool]], Awaitable[bool]]
    """Waits for permission to begin a session, for live speech or a backlog, unless something becomes true."""
    emit: Callable[[Event], None]
    changed: Callable[[], None]
    """The report has news."""
    sending: Latency
    """From a chunk's last sample to its way out, while live."""
    timing: Timing
    idle_close_s: float = 0.0
    """A silence of so many seconds ends a session of the speech service; 0: never."""
