"""How loud it is, and for how long it has been perfectly silent."""

from __future__ import annotations

import math

import numpy as np

from .backend import Samples

FLOOR_DBFS = -120.0

AUDIBLE = 0.001
"""Full scale 1.0: a microphone that is switched off in hardware may still hum below this."""


class Level:
    """Measures blocks of float32 samples, full scale 1.0."""

    def __init__(self) -> None:
        self.zeros_s = 0.0
        """Length of the digital silence that lasts until now. Zeros are information: a muted or forbidden device."""
        self._squares = 0.0
        self._count = 0
        self._peak = 0.0

    def add(self, samples: Samples, rate_hz: int) -> float:
        """Takes a block in; returns its peak."""
        flat = samples.ravel()
        if not len(flat):
            return 0.0
        peak = max(float(flat.max()), -float(flat.min()))
        self.zeros_s = self.zeros_s + len(samples) / rate_hz if peak == 0.0 else 0.0
        self._peak = max(self._peak, peak)
        self._squares += float(np.dot(flat, flat))
        self._count += len(flat)
        return peak

    def take(self) -> tuple[float, float]:
        """Root mean square and peak in dBFS since the last call; the floor when nothing came."""
        mean = self._squares / self._count if self._count else 0.0
        taken = (_dbfs(math.sqrt(mean)), _dbfs(self._peak))
        self._squares, self._count, self._peak = 0.0, 0, 0.0
        return taken


def audible_frames(samples: Samples) -> int:
    """How many frames there are up to the last that can be heard."""
    loud = np.flatnonzero(np.abs(samples).max(axis=1) > AUDIBLE)
    return int(loud[-1]) + 1 if len(loud) else 0


def _dbfs(amplitude: float) -> float:
    return max(FLOOR_DBFS, round(20 * math.log10(amplitude), 1)) if amplitude > 0 else FLOOR_DBFS
