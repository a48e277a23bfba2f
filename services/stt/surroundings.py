"""What a stream needs of the gateway that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from causal.latency import Latency
from causal.messages import Event, TranscriptFinal
from causal.messages.control import Assignment
from causal.messages.log import Coverage

from .session import Timing
from .target import Target


@dataclass(frozen=True)
class Surroundings:
    """The gateway, as its streams see it."""

    choose: Callable[[Assignment], Target]
    """Where to connect. Raises `CausalError`."""
    claim: Callable[[str, str, int], None]
    """Asks the broker for a lane: stream, lane, epoch."""
    publish: Callable[[TranscriptFinal, Coverage], None]
    emit: Callable[[Event], None]
    changed: Callable[[], None]
    """The report has news."""
    sending: Latency
    """From a chunk's last sample to its way out, while live."""
    timing: Timing
