"""A signal in which every sample says which one it is, and what became of it on its way.

Sample i of the first channel is i / 2**24, which float32 holds exactly; the second channel is its negative. So gaps,
repeats, wrong order, gain and swapped channels all show. It begins at 1, since 0 is silence. (Not for a downmix: the
sum of the two channels is nothing.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SCALE = float(1 << 24)


def counter(frames: int, channels: int = 2, start: int = 1) -> npt.NDArray[np.float32]:
    """The samples `start` … `start + frames - 1`, shape `(frames, channels)`."""
    values = np.arange(start, start + frames, dtype=np.float64) / SCALE
    signs = np.array([1.0, -1.0])[np.arange(channels) % 2]
    signal: npt.NDArray[np.float32] = (values[:, None] * signs).astype(np.float32)
    return signal


@dataclass(frozen=True)
class Heard:
    """What arrived of a counter signal."""

    silent_before: int
    """Zero frames before it began."""
    first: int
    last: int
    exact: bool
    """Every frame is a frame of the signal, unchanged, or zero."""
    breaks: tuple[tuple[int, int], ...]
    """(frame after which it breaks, difference to the expected next frame)."""

    @property
    def whole(self) -> bool:
        """Nothing is missing, repeated, changed or out of order between `first` and `last`."""
        return self.exact and not self.breaks


def analyse(samples: npt.NDArray[np.float32]) -> Heard:
    """What became of a counter signal. Raises `ValueError` when there is none."""
    scaled = samples.astype(np.float64) * SCALE
    numbers = scaled[:, 0]
    sounding = np.flatnonzero(numbers)
    if not len(sounding):
        raise ValueError(f"{len(samples)} frames of silence")
    run = numbers[sounding[0] : sounding[-1] + 1]
    exact = bool(np.all(run == np.round(run)))
    if samples.shape[1] > 1:
        exact = exact and bool(np.all(scaled[:, 1] == -numbers))
    steps = np.diff(run)
    breaks = tuple((int(sounding[0] + at), int(steps[at]) - 1) for at in np.flatnonzero(steps != 1))
    return Heard(int(sounding[0]), int(run[0]), int(run[-1]), exact, breaks)
