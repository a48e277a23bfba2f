"""What the processes of a stack hold: memory and descriptors, of workers and of their parents."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from .stack import Stack

SERVICES = ("broker", "control", "engine", "resample", "stt", "capture", "sink")


@dataclass(frozen=True)
class Vital:
    """One process at one moment."""

    at_s: float
    service: str
    is_worker: bool
    """Else it is a worker's parent, which no fault ends."""
    pid: int
    age_s: float
    rss_mb: float
    descriptors: int


def vitals(stack: Stack, begun_s: float) -> Iterator[Vital]:
    """Of each process now; `begun_s` is when the run began, on the monotonic clock."""
    now_s, at_s = time.time(), time.monotonic() - begun_s
    for process in stack.leftovers():
        with contextlib.suppress(psutil.Error), process.oneshot():
            words = process.cmdline()
            service = next((name for name in SERVICES for word in words if Path(word).name == f"causal-{name}"), "")
            if service:
                yield Vital(
                    at_s,
                    service,
                    "--no-respawn" in words,
                    process.pid,
                    now_s - process.create_time(),
                    process.memory_info().rss / 1e6,
                    process.num_fds(),
                )
