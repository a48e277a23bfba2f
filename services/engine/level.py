"""Loudness: very quiet input is raised before anything listens to it; everything else stays as it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUIETEST_DB = -40.0
"""Frames whose loudest neighbours are below this are raised towards it (dB of full scale, RMS)."""
MOST_GAIN_DB = 40.0
FALL_DB_PER_S = 3.0
"""How fast an earlier loud frame is forgotten, so that the gain does not pump between words."""
SILENCE_DB = -120.0


class Leveller:
    """Raises quiet frames. The loudest of the last seconds decides; a louder frame counts at once, before it is raised.

    The voice detector and the model work down to speech of about -54 dB; at -60 dB they begin to fail. Usual
    microphones and all loopback devices are far above, and their samples pass unchanged.
    """

    def __init__(self, frame_s: float) -> None:
        self._fall_db = FALL_DB_PER_S * frame_s
        self._loud_db = QUIETEST_DB

    def __call__(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The frame as it is, or raised."""
        power = float(frame @ frame) / len(frame)
        frame_db = 10 * np.log10(power) if power > 0 else SILENCE_DB
        self._loud_db = max(frame_db, self._loud_db - self._fall_db, SILENCE_DB)
        gain_db = min(QUIETEST_DB - self._loud_db, MOST_GAIN_DB)
        if gain_db <= 0:
            return frame
        return frame * np.float32(10 ** (gain_db / 20))
