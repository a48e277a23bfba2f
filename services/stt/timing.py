"""How long things may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """How long each step may take."""

    connect_s: float = 10.0
    begin_s: float = 10.0
    write_s: float = 10.0
    drain_s: float = 15.0
    """From `Terminate` to `Termination`; the service takes about a second."""
    ping_s: float = 5.0
    """Between a pong and the next ping."""
    pong_s: float = 5.0
    hold_s: float = 1.2
    """How long a plain final waits for its formatted version."""
    rollover_s: float = 120.0
    """How long before the session expires the next one is wanted."""
    pause_s: float = 60.0
    """How long a pause is waited for then; the session is cut amid speech after that."""
