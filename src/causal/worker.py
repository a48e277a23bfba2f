"""What a worker and its parent have in common on all systems. `worker_posix` and `worker_windows` have the rest."""

from __future__ import annotations

from enum import Enum, auto

PARENT_VARIABLE = "CAUSAL_PARENT_PIPES"
"""Tells a worker where its ends of the two pipes are: descriptors on Unix, handles on Windows."""


class Sign(Enum):
    """What comes from a worker."""

    BEAT = auto()
    NOTHING = auto()
    END = auto()
