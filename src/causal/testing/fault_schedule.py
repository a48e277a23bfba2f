"""What goes wrong when: the same faults at the same times for the same seed. No I/O.

    for fault in plan(seed=7, minutes=3):
        ...  at fault.at_s: do fault.kind to fault.target, for fault.length_s

A fault ends before the next begins, but for an `outage`, in which the others go on, but for those of the service. The
second kill of `kill-two` falls into the restart after the first.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WORKERS = ("broker", "control", "resample", "stt", "sink", "capture")

TARGETS: dict[str, tuple[str, ...]] = {
    "kill": WORKERS,
    "kill-two": tuple(f"{one} {two}" for one in WORKERS for two in WORKERS if one != two),
    "freeze": WORKERS,
    "freeze-all": ("",),
    "refuse": ("503", "429"),
    "close": ("1000", "1001", "1011", "1013"),
    "error": ("3005", "3008"),
    "abort": ("",),
    "silence": ("",),
    "stall": ("",),
    "nonsense": ("",),
    "outage": ("",),
    "unplug": ("speakers", "microphone"),
    "suspend": ("speakers", "microphone"),
    "sound-server": ("",),
    "disk-full": ("",),
    "clock-jump": ("-3600", "-0.5", "0", "0.5", "3600", "80000"),
    "sleep": ("5", "60", "3600"),
}
"""To what each kind of fault may be done. A clock jumps to so many seconds from the right time, and stays there until
the next jump. So many seconds the machine sleeps."""

ENGINE_TARGETS: dict[str, tuple[str, ...]] = {
    "kill": ("engine", "engine", "engine", "broker", "control", "resample", "stt"),
    "kill-two": tuple(f"engine {other}" for other in ("broker", "control", "resample", "stt", "engine")),
    "freeze": ("engine", "engine", "stt"),
}
"""What goes wrong around the local engine; what stands there more often comes more often."""

LENGTHS_S: dict[str, tuple[float, float]] = {
    "kill-two": (0.05, 1.0),
    "freeze": (1.0, 8.0),
    "freeze-all": (1.0, 8.0),
    "refuse": (1.0, 15.0),
    "silence": (1.0, 8.0),
    "stall": (1.0, 8.0),
    "nonsense": (1.0, 5.0),
    "outage": (40.0, 90.0),
    "unplug": (1.0, 5.0),
    "suspend": (1.0, 5.0),
    "sound-server": (0.2, 3.0),
    "disk-full": (1.0, 5.0),
    "sleep": (0.2, 0.2),
}
"""How long each kind lasts; what is not here is over at once. Of `kill-two`: until the second kill."""

SPACING_S = (5.0, 15.0)
REST_S = 2.0
"""After a fault's end, before the next."""
FIRST_S = 5.0
LAST_S = 10.0
"""Before the end no fault begins."""

DEVICE_FAULTS = frozenset({"unplug", "suspend", "sound-server", "freeze-all", "sleep"})
"""They may cost a gap; so may whatever happens to capture."""

SERVICE_FAULTS = frozenset({"refuse", "close", "error", "abort", "silence", "stall", "nonsense", "outage"})
LONG_FAULTS = frozenset({"outage"})
"""Others go on meanwhile."""
HOLDS_S = {"refuse 429": 30.0, "close 1013": 5.0}
"""So long the speech service wants no connection afterwards."""


@dataclass(frozen=True)
class Fault:
    at_s: float
    kind: str
    target: str = ""
    length_s: float = 0.0

    @property
    def is_long(self) -> bool:
        """Whether others go on meanwhile."""
        return self.kind in LONG_FAULTS

    @property
    def costs_a_gap(self) -> bool:
        return self.kind in DEVICE_FAULTS or "capture" in self.target

    @property
    def hold_s(self) -> float:
        """So long the speech service wants no connection afterwards."""
        return HOLDS_S.get(str(self), 0.0)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.target)))


def plan(
    seed: int, minutes: float, kinds: Sequence[str] = (), targets: Mapping[str, Sequence[str]] = TARGETS
) -> list[Fault]:
    """Faults for so many minutes, one every 5 to 15 s; all kinds in `targets`, or those that are named. Each kind comes
    once before any comes again, as far as an outage permits."""
    kinds = kinds or tuple(targets)
    chance = random.Random(seed)
    others = [kind for kind in kinds if kind not in SERVICE_FAULTS]
    faults: list[Fault] = []
    bag: list[str] = []
    at_s, away_until_s, end_s = FIRST_S, 0.0, 60 * minutes - LAST_S
    while at_s <= end_s:
        bag = bag or chance.sample(list(kinds), len(kinds))
        away = at_s < away_until_s
        possible = [kind for kind in bag if not (away and kind in SERVICE_FAULTS)] or others
        if not possible:
            at_s = away_until_s
            continue
        kind = chance.choice(possible)
        if kind in bag:
            bag.remove(kind)
        length_s = chance.uniform(*LENGTHS_S.get(kind, (0.0, 0.0)))
        over_s = at_s + length_s + REST_S
        faults.append(Fault(round(at_s, 2), kind, chance.choice(targets[kind]), round(length_s, 2)))
        if kind in LONG_FAULTS:
            away_until_s, over_s = over_s, at_s + REST_S
        at_s = max(at_s + chance.uniform(*SPACING_S), over_s)
    return faults
