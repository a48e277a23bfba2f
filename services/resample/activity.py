"""Whether a chunk is louder than the room."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

RISE_DB = 0.05
"""The floor rises by this much a chunk (0.5 dB a second), so that a pause of a word lasts for long sentences."""
FALL_SHARE = 0.5
"""Of the way down to a quieter chunk, at once."""
LOWEST_FLOOR_DBFS = -80.0
HIGHEST_FLOOR_DBFS = -35.0
"""Louder rooms count as active: in doubt, the connection stays open."""
ON_DB = 5.0
OFF_DB = 3.0
HANGOVER_CHUNKS = 10
LEARNING_CHUNKS = 10
SILENT_PEAK = 1
"""A device's digital silence, with its dither."""


class Activity:
    """Follows the noise floor of one stream, and calls a chunk active when it is 5 dB above it.

    It stays active until a second has passed below 3 dB. The first second of sound is active, for nothing is known
    yet. Digital silence is never active and says nothing about the room.
    """

    def __init__(self) -> None:
        self.floor_dbfs = HIGHEST_FLOOR_DBFS
        self._learned = 0
        self._loud = False
        self._hangover = 0

    def of(self, samples: npt.NDArray[np.int16], valid: int) -> bool:
        """Whether the chunk whose first `valid` samples were heard is active."""
        heard = samples[:valid].astype(np.float32)
        if not valid or np.abs(heard).max() <= SILENT_PEAK:
            self._loud = False
            self._hangover = 0
            return False
        level_dbfs = _rms_dbfs(heard)
        above_db = level_dbfs - self._follow(level_dbfs)
        self._loud = above_db > (OFF_DB if self._loud else ON_DB)
        self._hangover = HANGOVER_CHUNKS if self._loud else max(0, self._hangover - 1)
        self._learned += 1
        return self._loud or self._hangover > 0 or self._learned <= LEARNING_CHUNKS

    def _follow(self, level_dbfs: float) -> float:
        """The noise floor, after this chunk's level."""
        if level_dbfs < self.floor_dbfs:
            floor = self.floor_dbfs + FALL_SHARE * (level_dbfs - self.floor_dbfs)
        else:
            floor = self.floor_dbfs + RISE_DB
        self.floor_dbfs = min(max(floor, LOWEST_FLOOR_DBFS), HIGHEST_FLOOR_DBFS)
        return self.floor_dbfs


def _rms_dbfs(heard: npt.NDArray[np.float32]) -> float:
    return 10 * math.log10(float(np.dot(heard, heard)) / len(heard)) - 20 * math.log10(32768)
