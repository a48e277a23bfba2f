"""When it is worth taking what a device has delivered."""

from __future__ import annotations

from causal.messages.audio import CHUNK_RATE_HZ, CHUNK_SAMPLES

HELD_BACK_S = 0.045
"""The resampler's filter says the end of a chunk when it has heard so much more (soxr: 20 to 40 ms)."""


class Portion:
    """Counts the frames of one device in chunks.

    Ten large blocks a second cost half of twenty small ones, all the way to the resampler; taken at the right moment,
    no chunk waits longer for them.
    """

    def __init__(self, rate_hz: int) -> None:
        self._chunk = max(1, rate_hz * CHUNK_SAMPLES // CHUNK_RATE_HZ)
        self._held_back = round(rate_hz * HELD_BACK_S)
        self._wanted = self._held_back

    def is_enough(self, frame: int) -> bool:
        """Whether the frames before this one may complete a chunk that was not complete when they were `taken`."""
        return frame >= self._wanted

    def taken(self, frame: int, run_frames: int) -> None:
        """All frames before this one are taken; the last `run_frames` of them are one run, cut into chunks."""
        chunks = (run_frames - self._held_back) // self._chunk + 1
        self._wanted = frame - run_frames + self._held_back + chunks * self._chunk
