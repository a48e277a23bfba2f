"""Any rate and channel count to 16 kHz mono."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from causal.messages.audio import CHUNK_RATE_HZ, CHUNK_SAMPLES

Floats = npt.NDArray[np.float32]

_NOTHING: Floats = np.zeros(0, np.float32)
_LOUDEST = np.float32(8.0)


class Resampler:
    """One soxr stream (HQ, float32) over one unbroken run of sound.

    What comes out, taken together, equals one-shot soxr of the mono signal to the bit, however the input is cut into
    blocks. It comes 6 to 115 ms late, for soxr works in bursts; `flush` brings the rest. At 16 kHz it passes as it is.

    Input waits here until it could complete the next chunk, for a few long calls of soxr cost half of many short
    ones: at most 100 ms of mono float32, plus the block that completes them.
    """

    def __init__(self, rate_hz: int, until_chunk: int = CHUNK_SAMPLES) -> None:
        """`until_chunk` samples of output complete the first chunk."""
        self._soxr = (
            None if rate_hz == CHUNK_RATE_HZ else soxr.ResampleStream(rate_hz, CHUNK_RATE_HZ, 1, "float32", "HQ")
        )
        self._rate_hz = rate_hz
        self._waiting: list[Floats] = []
        self._frames_in = 0
        self._samples_out = 0
        self._chunk_end = until_chunk

    def push(self, frames: Floats) -> Floats:
        """The samples that are ready after `frames`, shape `(n, channels)`."""
        mono = downmix(frames)
        if self._soxr is None:
            return _sane(mono)
        self._waiting.append(mono)
        self._frames_in += len(mono)
        chunk_may_be_full = self._frames_in * CHUNK_RATE_HZ >= self._chunk_end * self._rate_hz
        return self._resample(last=False) if chunk_may_be_full else _NOTHING

    def flush(self) -> Floats:
        """The samples that soxr still holds. The run is over."""
        return _NOTHING if self._soxr is None else self._resample(last=True)

    def _resample(self, last: bool) -> Floats:
        waiting, self._waiting = self._waiting, []
        mono = _sane(waiting[0] if len(waiting) == 1 else np.concatenate([_NOTHING, *waiting]))
        assert self._soxr is not None
        samples: Floats = self._soxr.resample_chunk(mono, last)
        self._samples_out += len(samples)
        while self._chunk_end <= self._samples_out:
            self._chunk_end += CHUNK_SAMPLES
        return samples


def downmix(frames: Floats) -> Floats:
    """The mean of the channels, in float32."""
    channels = frames.shape[1]
    if channels == 1:
        mono = frames[:, 0]
    else:
        mono = np.add(frames[:, 0], frames[:, 1])
        for channel in range(2, channels):
            mono += frames[:, channel]
        mono *= np.float32(1 / channels)
    return mono


def _sane(mono: Floats) -> Floats:
    """What is not a number becomes silence, and what is absurdly loud is limited: soxr would spread it."""
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.dot(mono, mono)):
            return mono
    return np.clip(np.nan_to_num(mono, nan=0.0), -_LOUDEST, _LOUDEST)
