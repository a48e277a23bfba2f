"""When each word was said: from where the model looked while it wrote the word, and from how loud it was.

The path through (words, frames of 24 ms) that agrees best with both is found by dynamic programming: every token holds
one frame or more, in order; before, between and after words there may be silence. A token's frame earns what the
model's time-following heads saw there (as in Whisper's word times: smoothed by a median over frames, normalised over
tokens); silence earns by how far the frame is below the loudness of speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .hypothesis import FRAME_SAMPLES, RATE_HZ, Hypothesis
from .vocabulary import Vocabulary

HEAD_DELAYS = (0, 2, 2)
"""By how many frames each head of `convert.TIME_HEADS` looks late (measured)."""

MEDIAN_FRAMES = 5
QUIET_DB = 20.0
"""Speech that is this much weaker than the segment's loud frames is taken for silence …"""
NOISE_MARGIN_DB = 8.0
"""… or no more than this above the noise, when noise is what fills the pauses."""
SILENCE_PER_DB = 0.8
SILENCE_LIMIT = 5.0
"""What a frame of silence earns per dB below (or loses above) the threshold, and at most."""

SILENCE = -1

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Word:
    """One word of a segment. Times count from the segment's first sample."""

    text: str
    start_s: float
    end_s: float
    confidence: float
    """The lowest probability of the word's tokens: 0 to 1."""


def timed_words(samples: NDArray[np.float32], heard: Hypothesis, vocabulary: Vocabulary) -> list[Word]:
    """The words of ``heard``, each with its place in ``samples``."""
    spans = vocabulary.words(heard.tokens)
    if not spans:
        return []
    loud = loudness_db(samples, heard.attention.shape[-1])
    tokens = [(first, last) for _, first, last in spans]
    frames = align(token_scores(heard.attention), silence_scores(loud), tokens) or spread(loud, spans)
    frame_s = FRAME_SAMPLES / RATE_HZ
    length_s = len(samples) / RATE_HZ
    return [
        Word(text, start * frame_s, min(end * frame_s, length_s), min(heard.confidences[first:last]))
        for (text, first, last), (start, end) in zip(spans, frames, strict=True)
    ]


def loudness_db(samples: NDArray[np.float32], frames: int) -> Scores:
    """The level of each frame, in dB of full scale. A last frame that is not full is filled with silence."""
    padded = np.zeros(frames * FRAME_SAMPLES)
    padded[: len(samples)] = samples[: len(padded)]
    power: Scores = (padded.reshape(frames, FRAME_SAMPLES) ** 2).mean(1)
    return 10 * np.log10(power + 1e-9)


def silence_scores(loud: Scores) -> Scores:
    """What each frame earns when it is taken for silence; a threshold lies between noise and speech."""
    speech, noise = np.percentile(loud, 90), np.percentile(loud, 5)
    threshold = max(speech - QUIET_DB, noise + min(NOISE_MARGIN_DB, (speech - noise) / 2))
    scores: Scores = np.clip((threshold - loud) * SILENCE_PER_DB, -SILENCE_LIMIT, SILENCE_LIMIT)
    return scores


def token_scores(attention: NDArray[np.float32]) -> Scores:
    """What each frame earns when it is given to each token: shape (tokens, frames)."""
    around = MEDIAN_FRAMES // 2
    if attention.shape[-1] <= around:
        return np.zeros(attention.shape[1:])
    padded = np.pad(attention, ((0, 0), (0, 0), (around, around)), mode="reflect")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_FRAMES, axis=-1), axis=-1)
    normal = (smooth - smooth.mean(1, keepdims=True)) / (smooth.std(1, keepdims=True) + 1e-9)
    total = np.zeros(normal.shape[1:])
    for head, delay in zip(normal, HEAD_DELAYS, strict=True):
        total[:, : total.shape[1] - delay] += head[:, delay:]
    return total / len(HEAD_DELAYS)


def align(scores: Scores, silence: Scores, words: Sequence[tuple[int, int]]) -> list[tuple[int, int]] | None:
    """(first frame, frame after the last) of each word on the best path; None if there are fewer frames than tokens."""
    states = [SILENCE]
    for first, last in words:
        states += [*range(first, last), SILENCE]
    frames = len(silence)
    came_at, came_from, ends = best_paths(np.stack([silence if s == SILENCE else scores[s] for s in states]), states)

    state = len(states) - 1 if ends[-1] >= ends[-2] else len(states) - 2
    if not np.isfinite(ends[state]):
        return None
    spans: dict[int, tuple[int, int]] = {}
    end = frames
    while state >= 0:
        start = int(came_at[state, end - 1])
        spans[states[state]] = (start, end)
        state, end = int(came_from[state, start]), start
    return [(spans[first][0], spans[last - 1][1]) for first, last in words]


def best_paths(earned: Scores, states: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64], Scores]:
    """For each (state, frame): the frame at which the best path that is there entered the state; for each (state, entry
    frame): the state before it, -1 at the beginning; and for each state what the best path that ends there earned.

    A state follows the one before it, or the one before that if a silence lies between. Row by row, without a loop over
    frames: staying from entry ``e`` to ``f`` earns ``total[f] - total[e - 1]``, so the best entry is a running maximum.
    """
    count, frames = earned.shape
    came_at = np.zeros((count, frames), np.int64)
    came_from = np.full((count, frames), -1, np.int64)
    best = np.full((count, frames), -np.inf)
    for state in range(count):
        entry = np.full(frames, -np.inf)
        if state <= 1:
            entry[0] = 0.0
        for earlier in (state - 1, state - 2):
            if earlier < 0 or (earlier == state - 2 and states[state - 1] != SILENCE):
                continue
            better = best[earlier, :-1] > entry[1:]
            entry[1:][better] = best[earlier, :-1][better]
            came_from[state, 1:][better] = earlier
        total = np.cumsum(earned[state])
        gained = entry - (total - earned[state])
        running = np.maximum.accumulate(gained)
        came_at[state] = np.maximum.accumulate(
            np.where((gained == running) & np.isfinite(gained), np.arange(frames), 0)
        )
        best[state] = total + running
    return came_at, came_from, best[:, -1]


def spread(loud: Scores, spans: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
    """The loud frames, shared out by the number of letters: for audio that is too short to align."""
    voiced = np.flatnonzero(silence_scores(loud) <= 0)
    if not len(voiced):
        voiced = np.arange(len(loud))
    letters = np.cumsum([0, *(len(text) for text, _, _ in spans)])
    edges = letters * len(voiced) // letters[-1]
    last = len(voiced) - 1
    return [
        (int(voiced[min(start, last)]), int(voiced[min(max(end - 1, start), last)]) + 1)
        for start, end in pairwise(edges)
    ]
