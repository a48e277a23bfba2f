"""What goes wrong when: the same faults at the same times for the same seed. No I/O.

    for fault in plan(seed=7, minutes=3):
        ...  at fault.at_s: do fault.kind to fault.target, for fault.length_s

A fault ends before the next begins, but for `kill-two`, whose second kill falls into the restart after the first.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
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
    "unplug": ("speakers", "microphone"),
    "suspend": ("speakers", "microphone"),
    "sound-server": ("",),
    "disk-full": ("",),
}
"""To what each kind of fault may be done."""

LENGTHS_S: dict[str, tuple[float, float]] = {
    "kill-two": (0.05, 1.0),
    "freeze": (1.0, 8.0),
    "freeze-all": (1.0, 8.0),
    "refuse": (1.0, 15.0),
    "silence": (1.0, 8.0),
    "stall": (1.0, 8.0),
    "nonsense": (1.0, 5.0),
    "unplug": (1.0, 5.0),
    "suspend": (1.0, 5.0),
    "sound-server": (0.2, 3.0),
    "disk-full": (1.0, 5.0),
}
"""How long each kind lasts; what is not here is over at once. Of `kill-two`: until the second kill."""

SPACING_S = (5.0, 15.0)
REST_S = 2.0
"""After a fault's end, before the next."""
FIRST_S = 5.0
LAST_S = 10.0
"""Before the end no fault begins."""

DEVICE_FAULTS = frozenset({"unplug", "suspend", "sound-server", "freeze-all"})
"""They may cost a gap; so may whatever happens to capture."""


@dataclass(frozen=True)
class Fault:
    at_s: float
    kind: str
    target: str = ""
    length_s: float = 0.0

    @property
    def costs_a_gap(self) -> bool:
        return self.kind in DEVICE_FAULTS or "capture" in self.target

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.target)))


def plan(seed: int, minutes: float, kinds: Sequence[str] = tuple(TARGETS)) -> list[Fault]:
    """Faults for so many minutes, one every 5 to 15 s. Each kind comes once before any comes again."""
    chance = random.Random(seed)
    faults: list[Fault] = []
    bag: list[str] = []
    at_s = FIRST_S
    while at_s <= 60 * minutes - LAST_S:
        if not bag:
            bag = chance.sample(list(kinds), len(kinds))
        kind = bag.pop()
        length_s = chance.uniform(*LENGTHS_S.get(kind, (0.0, 0.0)))
        fault = Fault(round(at_s, 2), kind, chance.choice(TARGETS[kind]), round(length_s, 2))
        faults.append(fault)
        at_s = max(at_s + chance.uniform(*SPACING_S), at_s + length_s + REST_S)
    return faults
