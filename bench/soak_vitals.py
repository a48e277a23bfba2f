"""What the processes of a long run held, as tables: by quarter of the run, and by the age of a worker."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence

from causal.testing.vitals import SERVICES, Vital, growth, quarter_of, sums_of

QUARTERS = ("first quarter", "second", "third", "last")
HEAD = ["processes", *(f"{when}, {what}" for when in QUARTERS for what in ("MB", "descriptors"))]
AGE_HEAD = ["worker", "lives", "MB in its first minute", "MB later", "the longest life, min", "MB in its last minute"]
MINUTE_S = 60.0


def by_quarter(vitals: Sequence[Vital]) -> list[list[object]]:
    """A row a service's workers, one for all parents, one for the sum of all: median memory and descriptors."""
    groups = {name: [v for v in vitals if v.service == name and v.is_worker] for name in SERVICES}
    groups = {name: group for name, group in groups.items() if group}
    groups["a parent"] = [v for v in vitals if not v.is_worker]
    groups["all together"] = sums_of(vitals)
    return [[name, *_medians(vitals, group)] for name, group in groups.items()]


def change(vitals: Sequence[Vital], what: str) -> str:
    """How much more, or less, all processes together held in the last quarter than in the second."""
    try:
        return f"{100 * growth(vitals, what):+.1f} %"
    except ValueError:
        return "-"


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


def _medians(all_vitals: Sequence[Vital], some: Sequence[Vital]) -> list[object]:
    cells: list[object] = []
    for quarter in range(4):
        seen = [vital for vital in some if quarter_of(all_vitals, vital) == quarter]
        cells += [_median(v.rss_mb for v in seen), _median(float(v.descriptors) for v in seen)]
    return cells


def _median(values: Iterable[float]) -> object:
    known = list(values)
    return statistics.median(known) if known else "-"
