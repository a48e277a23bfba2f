"""Where speech begins and ends: frames with their probability of speech in, segments out.

            4 frames of speech in a row            silence of `silence_s` (after 8 s a shorter one), or `cut`
    QUIET ─────────────────────────────▶ SPEAKING ─────────────────────────────────────────────────────────▶ QUIET
                                          │    ▲
                                          └────┘ 12 s are full: cut at the frame least like speech

Halfway into the silence it says `Rested`: what was said may be complete, and is worth reading with the care of a final.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME_SAMPLES = 512

SPEECH_FRAMES = 4
"""So many frames of speech in a row begin a segment: 128 ms."""
HYSTERESIS = 0.15
"""Speech ends below a probability this much lower than the one at which it begins."""
PRE_ROLL_SAMPLES = RATE_HZ * 3 // 10
"""What a segment holds from before the decision that it is one."""
TAIL_SAMPLES = RATE_HZ // 4
"""The silence that stays at a segment's end."""
LONG_SAMPLES = RATE_HZ * 8
LONG_SILENCE_S = 0.1
"""A segment of 8 s ends at the next short pause: that is better than to cut it in speech, and less is read again."""
MAX_SAMPLES = RATE_HZ * 12
"""The model invents words when it hears more than this at once."""
CUT_FRAMES = 90
"""A segment that is full is cut in its last 2.9 s."""

Samples = NDArray[np.float32]


@dataclass(eq=False)
class Segment:
    """Samples from the beginning of an utterance.

    Room for ``MAX_SAMPLES`` and the pre-roll; the segmenter alone writes, only ever behind what is there: so a slice
    that was handed out never changes.
    """

    start: int
    """Its first sample, counted from the stream's beginning."""
    length: int = 0
    _samples: Samples = field(
        default_factory=lambda: np.empty(MAX_SAMPLES + PRE_ROLL_SAMPLES + FRAME_SAMPLES, np.float32)
    )

    def append(self, samples: Samples) -> None:
        """Puts ``samples`` at the end."""
        self._samples[self.length : self.length + len(samples)] = samples
        self.length += len(samples)

    def heard(self, length: int | None = None) -> Samples:
        """The first ``length`` samples, or all; not copied."""
        return self._samples[: self.length if length is None else length]


@dataclass(frozen=True, eq=False)
class Speaking:
    """The segment grew: all of it may be read so far."""

    segment: Segment
    samples: Samples


@dataclass(frozen=True, eq=False)
class Rested:
    """A short silence: if it lasts, these samples are what `Ended` will hold."""

    segment: Segment
    samples: Samples


@dataclass(frozen=True, eq=False)
class Ended:
    """The segment is complete."""

    segment: Segment
    samples: Samples


Event = Speaking | Rested | Ended


class Segmenter:
    """Follows one stream. ``silence_s`` and ``threshold`` may be changed at any time."""

    def __init__(self, silence_s: float = 0.5, threshold: float = 0.5) -> None:
        self.silence_s = silence_s
        self.threshold = threshold
        self._position = 0
        self._before = np.zeros(0, np.float32)
        self._segment: Segment | None = None
        self._speech_frames = 0
        self._silent_samples = 0
        self._probabilities: list[float] = []

    def push(self, frame: Samples, probability: float) -> list[Event]:
        """The next frame."""
        self._position += len(frame)
        if self._segment is None:
            return self._wait(frame, probability)
        return self._follow(self._segment, frame, probability)

    def cut(self, rest: Samples) -> list[Event]:
        """Ends the open segment here. ``rest`` are the samples since the last whole frame."""
        self._position += len(rest)
        if self._segment is None:
            self._before = np.concatenate([self._before, rest])[-PRE_ROLL_SAMPLES:]
            return []
        self._segment.append(rest)
        if self._silent_samples:
            self._silent_samples += len(rest)
        return self._end(self._segment)

    def _wait(self, frame: Samples, probability: float) -> list[Event]:
        self._before = np.concatenate([self._before, frame])[-PRE_ROLL_SAMPLES:]
        self._speech_frames = self._speech_frames + 1 if probability > self.threshold else 0
        if self._speech_frames < SPEECH_FRAMES:
            return []
        self._segment = Segment(self._position - len(self._before))
        self._segment.append(self._before)
        self._silent_samples = 0
        self._probabilities = []
        return [Speaking(self._segment, self._segment.heard())]

    def _follow(self, segment: Segment, frame: Samples, probability: float) -> list[Event]:
        segment.append(frame)
        self._probabilities.append(probability)
        rested = self._silent_samples >= TAIL_SAMPLES
        if probability > self.threshold:
            self._speech_frames += 1
        if probability < self.threshold - HYSTERESIS:
            self._silent_samples += len(frame)
        else:
            self._silent_samples = 0
        silence_s = self.silence_s if segment.length < LONG_SAMPLES else min(self.silence_s, LONG_SILENCE_S)
        if self._silent_samples >= silence_s * RATE_HZ:
            return self._end(segment)
        if segment.length >= MAX_SAMPLES:
            return self._divide(segment)
        if not self._speech_frames:
            return []
        if self._silent_samples >= TAIL_SAMPLES:
            return [] if rested else [Rested(segment, segment.heard(self._end_of_speech(segment)))]
        return [Speaking(segment, segment.heard())]

    def _end(self, segment: Segment) -> list[Event]:
        length = self._end_of_speech(segment)
        self._before = segment.heard()[length:][-PRE_ROLL_SAMPLES:].copy()
        spoken = self._speech_frames > 0
        self._segment = None
        self._speech_frames = 0
        return [Ended(segment, segment.heard(length))] if spoken else []

    def _end_of_speech(self, segment: Segment) -> int:
        """The segment's length without the silence that is more than the tail."""
        return segment.length - max(0, self._silent_samples - TAIL_SAMPLES)

    def _divide(self, segment: Segment) -> list[Event]:
        recent = self._probabilities[-CUT_FRAMES:]
        kept_frames = len(recent) - 1 - recent.index(min(recent))
        length = segment.length - kept_frames * FRAME_SAMPLES
        spoken = self._speech_frames > 0
        self._segment = Segment(segment.start + length)
        self._segment.append(segment.heard()[length:])
        self._probabilities = recent[len(recent) - kept_frames :]
        self._speech_frames = sum(probability > self.threshold for probability in self._probabilities)
        self._silent_samples = min(self._silent_samples, self._segment.length)
        return [Ended(segment, segment.heard(length))] if spoken else []
