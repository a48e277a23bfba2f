"""When the host of a virtual machine takes its processors away: everything stands still then, each process for itself,
and what is measured says as much about the host as about what runs here.

    with StolenTime() as stolen:
        ...
    if stolen.spells(since_ns):
        ...

Linux counts what is taken (`steal` in /proc/stat); elsewhere nothing is ever told.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import psutil

from causal import clock

from .meanwhile import Meanwhile

LOOK_S = 0.5
MUCH = 0.25
"""Of the time of all processors, between two looks: the sound server's thread is late then by more than it has in hand.
An undisturbed guest has less than 0.02."""


ENOUGH_S = 1.0
"""In spells that are so long together whatever waits for something else may have waited in vain."""


@dataclass(frozen=True)
class Spell:
    """A time in which the host took much. On the capture clock."""

    begin_ns: int
    end_ns: int
    share: float
    """Of the time of all processors, in the worst look."""


@dataclass(frozen=True)
class Look:
    """What the system has counted since its start, in seconds of all processors together."""

    at_ns: int
    all_s: float
    taken_s: float


class StolenTime(Meanwhile):
    """Looks from `__enter__` to `__exit__`. `spells` may be asked by any thread, also while it looks."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._looks = [look()]

    def spells(self, since_ns: int = 0) -> list[Spell]:
        """All until now, as far as they reach beyond `since_ns`."""
        found = spells(self._look())
        return [replace(one, begin_ns=max(one.begin_ns, since_ns)) for one in found if one.end_ns > since_ns]

    def work(self) -> None:
        while not self.ending.wait(LOOK_S):
            self._look()

    def _look(self) -> list[Look]:
        """One look more; all until now."""
        with self._lock:
            self._looks.append(look())
            return list(self._looks)


def look() -> Look:
    """What is counted now."""
    times = psutil.cpu_times()
    # A guest's guests are counted as its own time too.
    counted = {name: value for name, value in times._asdict().items() if not name.startswith("guest")}
    return Look(clock.now_ns(), sum(counted.values()), counted.get("steal", 0.0))


def spells(looks: Iterable[Look]) -> Iterator[Spell]:
    """The spells that a row of looks shows. Looks in a row that show much are one spell."""
    current: Spell | None = None
    before: Look | None = None
    for now in looks:
        share = (now.taken_s - before.taken_s) / max(now.all_s - before.all_s, 1e-3) if before else 0.0
        if before and share >= MUCH:
            current = Spell(
                current.begin_ns if current else before.at_ns, now.at_ns, max(share, current.share if current else 0.0)
            )
        elif current:
            yield current
            current = None
        before = now
    if current:
        yield current


def excuse(found: Sequence[Spell]) -> str:
    """Why what failed meanwhile says nothing about what runs here; empty when it does."""
    length_s = sum(spell.end_ns - spell.begin_ns for spell in found) / clock.NS_PER_S
    if length_s < ENOUGH_S:
        return ""
    share = max(spell.share for spell in found)
    return f"the host of this machine took up to {share:.0%} of it in {length_s:.1f} s meanwhile"
