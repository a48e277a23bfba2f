"""From a device's rate to 16 kHz, in whole numbers: counting is exact, however long a stream runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from causal.messages.audio import CHUNK_RATE_HZ

NS_PER_S = 1_000_000_000

WARM_UP_SAMPLES = 1600
"""Output that a resampler which starts amid sound throws away. After 160 samples (8 kHz, the slowest to settle; 120
from 11 kHz on) it differs from one that has heard everything by less than 0.1 LSB; this is ten times as long."""


@dataclass(frozen=True)
class Ratio:
    """Frames of a device at `rate_hz` against samples at 16 kHz, both counted from the start of a run."""

    rate_hz: int

    @property
    def step_frames(self) -> int:
        """The fewest frames that are a whole number of samples."""
        return self.rate_hz // gcd(self.rate_hz, CHUNK_RATE_HZ)

    def samples(self, frames: int) -> int:
        """The samples that `frames` become: rounded, half upwards, as soxr counts when it is flushed."""
        return (2 * frames * CHUNK_RATE_HZ + self.rate_hz) // (2 * self.rate_hz)

    def ns(self, frames: int) -> int:
        """The time that `frames` take."""
        return (2 * frames * NS_PER_S + self.rate_hz) // (2 * self.rate_hz)

    def frames_in(self, ns: int) -> int:
        """The frames that fit into a time: of `ns(frames)`, just `frames`."""
        return (2 * ns * self.rate_hz + NS_PER_S) // (2 * NS_PER_S)

    def step_before(self, frames: int) -> int:
        """The last whole step at or before `frames`."""
        return frames // self.step_frames * self.step_frames

    def step_after(self, frames: int) -> int:
        """The first whole step at or after `frames`."""
        return -(-frames // self.step_frames) * self.step_frames

    def restart_frame(self, samples: int) -> int:
        """Where a new resampler must begin so that it is exact (1 LSB) from output sample `samples` on."""
        frames = max(0, samples - WARM_UP_SAMPLES) * self.rate_hz // CHUNK_RATE_HZ
        return self.step_before(frames)
