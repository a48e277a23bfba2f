"""Samples in, chunks of exactly 100 ms out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from causal.messages.audio import CHUNK_SAMPLES

from .resampler import Floats

FULL_SCALE = np.float32(32768.0)
"""What devices divide int16 by; so sound at 16 kHz comes out as it went in."""


class Frame(NamedTuple):
    """A chunk's worth of sound."""

    segment_chunk: int
    valid: int
    samples: npt.NDArray[np.int16]


class Framer:
    """Cuts one unbroken run into chunks and rounds them to int16: the only rounding on the whole way.

    The buffer holds one chunk as float32; it is emptied as soon as it is full. One writer.
    """

    def __init__(self, chunks_before: int = 0) -> None:
        """`chunks_before` of the run are in the journal."""
        self._chunks = chunks_before
        self._buffer = np.zeros(CHUNK_SAMPLES, np.float32)
        self._filled = 0

    def push(self, samples: Floats) -> list[Frame]:
        """The chunks that `samples` complete."""
        frames = []
        taken = 0
        while taken < len(samples):
            part = samples[taken : taken + CHUNK_SAMPLES - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            taken += len(part)
            if self._filled == CHUNK_SAMPLES:
                frames.append(self._cut())
        return frames

    def flush(self) -> list[Frame]:
        """The last chunk of the run, filled up with silence; none when nothing is left."""
        if not self._filled:
            return []
        self._buffer[self._filled :] = 0.0
        return [self._cut()]

    def _cut(self) -> Frame:
        np.multiply(self._buffer, FULL_SCALE, out=self._buffer)
        np.rint(self._buffer, out=self._buffer)
        np.clip(self._buffer, -32768.0, 32767.0, out=self._buffer)
        frame = Frame(segment_chunk=self._chunks, valid=self._filled, samples=self._buffer.astype(np.int16))
        self._chunks += 1
        self._filled = 0
        return frame
