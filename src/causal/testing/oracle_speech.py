"""Speech for tests, which a few lines of arithmetic understand: a transcript of it depends on the audio that arrived.

A word is a burst of two tones; the pair of frequencies is a number from 0 to 99, spelled `n17`. It survives another
rate, stereo, a different gain and 16 bits. A burst that is cut in two is heard as two words, one that lost most of
itself as none: as with speech, whoever loses or repeats audio finds it in the text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE_HZ = 16_000
"""The rate that `Decoder` hears."""
LOW_HZ = tuple(600 + 60 * n for n in range(10))
HIGH_HZ = tuple(1500 + 120 * n for n in range(10))

WORD_MS = 240
PAUSE_MS = 160
AMPLITUDE = 0.2
FADE_MS = 5

HOP = RATE_HZ // 100
"""The decoder works in steps of 10 ms, so the edges of a word are right to that."""
MIN_BURST_HOPS = 6
CLOSING_HOPS = 3
"""A burst is over after so many hops without tones."""
FLOOR = 1e-3
"""Quieter than -60 dBFS is silence."""
TONAL = 0.6
"""So much of a burst's power must be in its two tones."""


@dataclass(frozen=True)
class SpokenWord:
    """A number, and where in the audio it is."""

    number: int
    start_ms: int
    end_ms: int

    @property
    def text(self) -> str:
        return spell(self.number)


def spell(number: int) -> str:
    """A number as a word."""
    return f"n{number}"


def speak(
    numbers: Iterable[int], rate_hz: int = RATE_HZ, *, word_ms: int = WORD_MS, pause_ms: int = PAUSE_MS
) -> npt.NDArray[np.float32]:
    """The numbers as sound: float32, mono, a pause after each word."""
    gap = silence(pause_ms, rate_hz)
    pieces = [piece for number in numbers for piece in (_burst(number, rate_hz, word_ms), gap)]
    return np.concatenate(pieces) if pieces else silence(0, rate_hz)


def silence(length_ms: int, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float32]:
    """Zeros."""
    return np.zeros(rate_hz * length_ms // 1000, np.float32)


def to_s16(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Float samples as 16-bit ones."""
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def understand(samples: npt.NDArray[np.int16]) -> list[SpokenWord]:
    """All words in a piece of audio at 16 kHz."""
    decoder = Decoder()
    return decoder.push(samples) + decoder.flush()


class Decoder:
    """Hears words in a stream of 16 kHz int16 samples, whatever the sizes of the pieces.

    Holds the samples of the open burst, and less than a hop beside it.
    """

    def __init__(self) -> None:
        self._rest: npt.NDArray[np.float32] = np.zeros(0, np.float32)
        self._hops = 0
        self._burst: list[npt.NDArray[np.float32]] = []
        self._begin_hop = 0
        self._quiet_hops = 0

    @property
    def is_open(self) -> bool:
        """Whether a word has begun and not ended."""
        return bool(self._burst)

    def push(self, samples: npt.NDArray[np.int16]) -> list[SpokenWord]:
        """The words that ended within `samples`."""
        waiting = np.concatenate([self._rest, samples.astype(np.float32) / 32768])
        words: list[SpokenWord] = []
        whole = len(waiting) // HOP * HOP
        for hop in waiting[:whole].reshape(-1, HOP):
            words += self._hear(hop)
        self._rest = waiting[whole:]
        return words

    def flush(self) -> list[SpokenWord]:
        """Ends the open word, as the end of the audio does."""
        return self._close()

    def _hear(self, hop: npt.NDArray[np.float32]) -> list[SpokenWord]:
        number, self._hops = self._hops, self._hops + 1
        if _loud(hop):
            if not self._burst:
                self._begin_hop = number
            self._burst.append(hop)
            self._quiet_hops = 0
        elif self._burst:
            self._burst.append(hop)
            self._quiet_hops += 1
            if self._quiet_hops >= CLOSING_HOPS:
                return self._close()
        return []

    def _close(self) -> list[SpokenWord]:
        burst = self._burst[: len(self._burst) - self._quiet_hops]
        self._burst, self._quiet_hops = [], 0
        if len(burst) < MIN_BURST_HOPS:
            return []
        number = _number(np.concatenate(burst))
        if number is None:
            return []
        return [SpokenWord(number, self._begin_hop * 10, (self._begin_hop + len(burst)) * 10)]


def _burst(number: int, rate_hz: int, word_ms: int) -> npt.NDArray[np.float32]:
    tens, ones = divmod(number, 10)
    time_s = np.arange(rate_hz * word_ms // 1000) / rate_hz
    tones = np.sin(2 * np.pi * LOW_HZ[tens] * time_s) + np.sin(2 * np.pi * HIGH_HZ[ones] * time_s)
    fade = np.clip(np.minimum(time_s, time_s[::-1]) * 1000 / FADE_MS, 0, 1)
    return (AMPLITUDE * tones * fade).astype(np.float32)


def _loud(hop: npt.NDArray[np.float32]) -> bool:
    return float(np.sqrt(np.mean(hop * hop))) > FLOOR


def _number(burst: npt.NDArray[np.float32]) -> int | None:
    """The number whose two tones hold most of the power, or nothing where they do not."""
    tens, low = _strongest(burst, LOW_HZ)
    ones, high = _strongest(burst, HIGH_HZ)
    total = float(np.mean(burst * burst))
    if low + high < TONAL * total or min(low, high) < 0.1 * total:
        return None
    return 10 * tens + ones


def _strongest(burst: npt.NDArray[np.float32], frequencies_hz: tuple[int, ...]) -> tuple[int, float]:
    """Which frequency is strongest, and its power."""
    time_s = np.arange(len(burst)) / RATE_HZ
    turns = 2 * np.pi * np.outer(frequencies_hz, time_s)
    cosines, sines = np.cos(turns) @ burst, np.sin(turns) @ burst  # no complex exponential: Wine has none
    powers = 2 * (cosines**2 + sines**2) / len(burst) ** 2
    best = int(np.argmax(powers))
    return best, float(powers[best])
