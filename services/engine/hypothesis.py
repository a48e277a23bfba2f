"""What the speech model hears, and in what units."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME_SAMPLES = 384
"""What one frame of the model's encoder covers: 24 ms."""

Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """What the model reads out of a piece of audio."""

    tokens: tuple[int, ...] = ()
    confidences: tuple[float, ...] = ()
    """For each token, the probability that the model gave it: 0 to 1."""
    attention: Samples = field(default_factory=lambda: np.zeros((0, 0, 0), np.float32))
    """Shape (heads, tokens, frames of 24 ms): where each token was heard."""
    complete: bool = True
    """False when the reading was given up before the end."""


NOTHING = Hypothesis()
