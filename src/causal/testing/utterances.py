"""Utterances that cannot be mistaken for one another: three words of `oracle_speech`, the third checks the other two.

Each voice has ten thousand of them, so whoever loses, repeats or misplaces one in some hours of speech is found out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .oracle_speech import PAUSE_MS, WORD_MS, silence, speak

Words = tuple[int, int, int]

STEP_MS = WORD_MS + PAUSE_MS
"""From the beginning of a word to that of the next."""
LENGTH_MS = 2 * STEP_MS + WORD_MS
EVERY_MS = 2200
"""From the beginning of an utterance to that of the next: the silence between them ends a turn."""


@dataclass(frozen=True)
class Utterance:
    """What was said, and when."""

    source: str
    number: int
    words: Words
    start_ms: float
    """On the session's time line."""
    sure: bool = True
    """False: the loudspeaker went or stood still meanwhile, so nobody can say whether it was to be heard."""
    timed: bool = True
    """False: the loudspeaker stumbled, so nobody can say when to some milliseconds, and a word may have been cut."""
    early_ms: float = 0.0
    """By so much too early its first word may be said to start."""
    late_ms: float = 0.0
    """By so much its words may come later: the loudspeaker stood still, or the machine slept."""

    @property
    def end_ms(self) -> float:
        return self.start_ms + LENGTH_MS

    def word_ms(self, which: int) -> float:
        """When a word begins."""
        return self.start_ms + which * STEP_MS

    def distance_ms(self, which: int, start_ms: float) -> float:
        """How far a time is from those at which a word may begin."""
        word_ms = self.word_ms(which)
        early_ms = 0.0 if which else self.early_ms
        return max(0.0, word_ms - early_ms - start_ms, start_ms - word_ms - self.late_ms)


def words_of(number: int, voice: int) -> Words:
    """The words of an utterance."""
    first, second = number // 100 % 100, number % 100
    return first, second, (7 * first + 13 * second + 31 * voice + 5) % 100


def sound_of(number: int, voice: int, rate_hz: int) -> npt.NDArray[np.float32]:
    """An utterance and the silence after it: `EVERY_MS` of float32, mono."""
    spoken = speak(words_of(number, voice), rate_hz)
    return np.concatenate([spoken, silence(EVERY_MS, rate_hz)[len(spoken) :]])
