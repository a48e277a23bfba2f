"""What the processes of a long run held, as tables: by quarter of the run, and by the age of a worker."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

from causal.testing.vitals import SERVICES, Vital

QUARTERS = ("first quarter", "second", "third", "last")
HEAD = ["processes", *(f"{when}, {what}" for when in QUARTERS for what in ("MB", "descriptors"))]
AGE_HEAD = ["worker", "lives", "MB in its first minute", "MB later", "the longest life, min", "MB in its last minute"]
MINUTE_S = 60.0


def by_quarter(vitals: Sequence[Vital]) -> list[list[object]]:
    """A row a service's workers, one for all parents, one for the sum of all: median memory and descriptors."""
    groups = {name: [v for v in vitals if v.service == name and v.is_worker] for name in SERVICES}
    groups = {name: group for name, group in groups.items() if group}
    groups["a parent"] = [v for v in vitals if not v.is_worker]
    groups["all together"] = _sums(vitals)
    return [[name, *_medians(vitals, group)] for name, group in groups.items()]


def change(vitals: Sequence[Vital], what: str) -> str:
    """How much more, or less, all processes together held in the last quarter than in the second."""
    sums = _sums(vitals)
    quarters = [[getattr(v, what) for v in sums if _quarter(vitals, v) == quarter] for quarter in (1, 3)]
    if not all(quarters):
        return "-"
    second, last = map(statistics.median, quarters)
    return f"{100 * (last / second - 1):+.1f} %"


def by_age(vitals: Sequence[Vital]) -> list[list[object]]:
    """A row a service: what its workers held when they were young, and when they were old."""
    rows: list[list[object]] = []
    for service in SERVICES:
        lives: dict[int, list[Vital]] = defaultdict(list)
        for vital in vitals:
            if vital.service == service and vital.is_worker:
                lives[vital.pid].append(vital)
        if lives:
            oldest = max(lives.values(), key=lambda life: life[-1].age_s)
            end_s = oldest[-1].age_s
            every = [vital for life in lives.values() for vital in life]
            rows.append(
                [
                    service,
                    len(lives),
                    _median(v.rss_mb for v in every if v.age_s < MINUTE_S),
                    _median(v.rss_mb for v in every if v.age_s >= MINUTE_S),
                    end_s / MINUTE_S,
                    _median(v.rss_mb for v in oldest if v.age_s > end_s - MINUTE_S),
                ]
            )
    return rows


def _sums(vitals: Sequence[Vital]) -> list[Vital]:
    """All processes of a moment as one."""
    moments: dict[float, list[Vital]] = defaultdict(list)
    for vital in vitals:
        moments[vital.at_s].append(vital)
    return [
        Vital(at_s, "all", False, 0, 0.0, sum(v.rss_mb for v in every), sum(v.descriptors for v in every))
        for at_s, every in moments.items()
    ]


def _medians(all_vitals: Sequence[Vital], some: Sequence[Vital]) -> list[object]:
    cells: list[object] = []
    for quarter in range(4):
        seen = [vital for vital in some if _quarter(all_vitals, vital) == quarter]
        cells += [_median(v.rss_mb for v in seen), _median(float(v.descriptors) for v in seen)]
    return cells


def _quarter(vitals: Sequence[Vital], vital: Vital) -> int:
    return min(3, int(4 * vital.at_s / (vitals[-1].at_s or 1.0)))


def _median(values: Iterable[float]) -> object:
    known = list(values)
    return statistics.median(known) if known else "-"
