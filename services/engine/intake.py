"""The client's audio, as frames that the engine works on."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from .segmenter import FRAME_SAMPLES, RATE_HZ


class Intake:
    """Takes 16-bit mono PCM at the client's rate, gives frames of 512 samples at 16 kHz, -1 to 1.

    Holds back less than one frame, and what the resampler needs.
    """

    def __init__(self, rate_hz: int) -> None:
        self._resampler = None if rate_hz == RATE_HZ else soxr.ResampleStream(rate_hz, RATE_HZ, 1, dtype="float32")
        self._rest = np.zeros(0, np.float32)

    def push(self, data: bytes) -> list[NDArray[np.float32]]:
        """The frames that are full now."""
        samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
        if self._resampler is not None:
            samples = self._resampler.resample_chunk(samples)
        self._rest = np.concatenate([self._rest, samples])
        full = len(self._rest) // FRAME_SAMPLES * FRAME_SAMPLES
        frames = list(self._rest[:full].reshape(-1, FRAME_SAMPLES))
        self._rest = self._rest[full:]
        return frames

    def take_rest(self) -> NDArray[np.float32]:
        """What does not fill a frame; the next frame begins behind it."""
        rest, self._rest = self._rest, np.zeros(0, np.float32)
        return rest
