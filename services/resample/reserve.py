"""The last room of a disk, into which no sound is written: the transcript needs it more.

On a full disk the event log gives its ballast up, and what becomes free is anybody's. Sound would fill it within
seconds, and then no final could be stored; so for sound a disk is full before that.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

RESERVE_BYTES = 32 << 20
"""Twice the event log's ballast: the ballast alone that was given up is no room for sound."""
PART = 4
"""A small disk keeps this part of itself at most."""
LOOK_EVERY_S = 1.0


class Room(NamedTuple):
    """A disk's size, and what of it this user may still write."""

    total_bytes: int
    free_bytes: int


def room_of(folder: Path) -> Room:
    """The room on the disk of `folder`, which need not be there yet. Raises `OSError` where nothing is told."""
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), folder)
    usage = shutil.disk_usage(there)
    return Room(usage.total, usage.free)


class Reserve:
    """Gives away what a disk has beyond its reserve. Between two looks what was given is counted; others write too, so
    looks are what it goes by. One thread."""

    def __init__(self, look: Callable[[], Room]) -> None:
        self._look = look
        self._looked_s = -math.inf
        self._total_bytes = 0
        """The greatest size that was seen: a disk that shares its room with others becomes smaller as they grow."""
        self._spare_bytes: float | None = None

    def tick(self, now_s: float) -> None:
        """Looks at the disk, once a second."""
        if now_s - self._looked_s >= LOOK_EVERY_S:
            self._looked_s = now_s
            self.look()

    def look(self) -> None:
        """Sees how much there is now. A disk that does not tell is written until it refuses."""
        try:
            room = self._look()
        except OSError:
            self._spare_bytes = math.inf
        else:
            self._total_bytes = max(self._total_bytes, room.total_bytes)
            self._spare_bytes = room.free_bytes - self._reserve_bytes

    def is_reached(self) -> bool:
        """Looks whether there is less than the reserve."""
        self.look()
        return not self.take(0)

    def take(self, size_bytes: int, last_words: bool = False) -> bool:
        """Whether so much may be written now. `last_words`: of a process that ends and keeps nothing in memory any
        more; they may have half of the reserve."""
        if self._spare_bytes is None:
            self.look()
        assert self._spare_bytes is not None
        spare_bytes = self._spare_bytes + (self._reserve_bytes // 2 if last_words else 0)
        if size_bytes > spare_bytes:
            return False
        self._spare_bytes -= size_bytes
        return True

    @property
    def _reserve_bytes(self) -> int:
        return min(RESERVE_BYTES, self._total_bytes // PART)
