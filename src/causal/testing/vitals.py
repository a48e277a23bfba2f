"""What the processes of a stack hold: memory and descriptors, of workers and of their parents."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
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


def growth(found: Sequence[Vital], what: str) -> float:
    """How much more all processes together held in the last quarter of a run than in the second, as a share; medians.
    Raises `ValueError` where there is nothing to compare."""
    sums = sums_of(found)
    second, last = (
        [float(getattr(one, what)) for one in sums if quarter_of(found, one) == quarter] for quarter in (1, 3)
    )
    if not (second and last):
        raise ValueError("the run was too short to compare its quarters")
    return statistics.median(last) / statistics.median(second) - 1


def sums_of(found: Iterable[Vital]) -> list[Vital]:
    """All processes of a moment as one."""
    moments: dict[float, list[Vital]] = defaultdict(list)
    for vital in found:
        moments[vital.at_s].append(vital)
    return [
        Vital(at_s, "all", False, 0, 0.0, sum(v.rss_mb for v in every), sum(v.descriptors for v in every))
        for at_s, every in moments.items()
    ]


def quarter_of(found: Sequence[Vital], one: Vital) -> int:
    """In which quarter of the run, from 0."""
    return min(3, int(4 * one.at_s / (found[-1].at_s or 1.0)))
