"""Judges what was understood of recordings that were played one after the other. No I/O.

    heard = hear(spoken, finals, plain)
    wrong = compare(heard, usual)          # with what was understood of the same recordings without faults

Real speech is never understood perfectly, so what counts is the difference: two words or more in a row that are missing
or too many where they usually are not, and times that differ from the usual ones.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from causal.messages import TranscriptFinal, Word

RUN = 2
"""A single word may be misheard; so many in a row are lost, or said again."""
TIMED_WORDS = 4
"""The time of a final is judged by the median over its words, if it has so many: each alone varies by frames."""

Plain = Callable[[str], str]
"""A word without its spelling: lower case, no full stop, numbers as digits."""
Usual = Mapping[tuple[str, str], "Heard"]
"""By source and name of the recording."""


@dataclass(frozen=True)
class Spoken:
    """A recording as it was played."""

    source: str
    name: str
    words: tuple[str, ...]
    """Plain."""
    start_ms: float
    """On the session's time line."""
    end_ms: float
    sure: bool = True
    """False: the loudspeaker stood still meanwhile, so nobody can say what was to be heard."""
    timed: bool = True
    """False: the loudspeaker stumbled, so nobody can say when to some milliseconds."""


@dataclass(frozen=True)
class Place:
    """A word that was understood."""

    at_ms: float
    """From the recording's start."""
    final: int
    """Which final of the source has it."""


@dataclass(frozen=True)
class Heard:
    """What was understood of a recording that was played."""

    spoken: Spoken
    text: str
    errors: int
    """Words to put in, take out or change to get what was said."""
    found: dict[int, Place] = field(default_factory=dict)
    """The words that were understood right, by their place in what was said."""
    missing: frozenset[int] = frozenset()
    """What was said and not heard, two words or more in a row."""
    extra: frozenset[int] = frozenset()
    """Before which word, two words or more in a row were heard that were not said."""


@dataclass
class Difference:
    """What is wrong with some recordings, one line each, and how well the times fit."""

    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    shifts_ms: list[float] = field(default_factory=list)
    """How much later than usual the words of a final seem to begin: the median, of each final that was judged."""


def hear(spoken: Sequence[Spoken], finals: Iterable[TranscriptFinal], plain: Plain) -> list[Heard]:
    """What was understood of each: a word belongs to the nearest recording."""
    shares: dict[Spoken, list[tuple[int, Word]]] = defaultdict(list)
    for number, final in enumerate(in_order(finals)):
        mine = [one for one in spoken if one.source == final.source]
        for word in final.words:
            middle_ms = (word.start_ms + word.end_ms) / 2
            shares[min(mine, key=lambda one: max(one.start_ms - middle_ms, middle_ms - one.end_ms))].append(
                (number, word)
            )
    return [_align(one, shares[one], plain) for one in spoken]


def compare(heard: Iterable[Heard], usual: Usual) -> Difference:
    """What was understood worse than usual."""
    difference = Difference()
    for one in heard:
        if not one.spoken.sure:
            continue
        as_usual = usual[one.spoken.source, one.spoken.name]
        what = f"{one.spoken.source} {one.spoken.name} at {one.spoken.start_ms / 1000:.1f} s: {one.text!r}"
        if one.missing - as_usual.missing:
            difference.lost.append(what)
        if one.extra - as_usual.extra:
            difference.repeated.append(what)
        if one.spoken.timed and as_usual.spoken.timed:
            difference.shifts_ms += _shifts(one, as_usual)
    return difference


def error_rate(heard: Iterable[Heard]) -> float:
    """Wrong words in a hundred."""
    known = list(heard)
    return 100 * sum(one.errors for one in known) / max(1, sum(len(one.spoken.words) for one in known))


def out_of_order(finals: Iterable[TranscriptFinal]) -> list[str]:
    """Words that begin before the one before them does, in finals sorted by their start: none, in one source's."""
    words = [word for final in in_order(finals) for word in final.words]
    return [
        f"{two.text} at {two.start_ms} ms after {one.text} at {one.start_ms} ms"
        for one, two in pairwise(words)
        if two.start_ms < one.start_ms
    ]


def in_order(finals: Iterable[TranscriptFinal]) -> list[TranscriptFinal]:
    return sorted(finals, key=lambda final: (final.start_ms, final.seq or 0))


def _align(spoken: Spoken, share: Sequence[tuple[int, Word]], plain: Plain) -> Heard:
    """The fewest changes that make what was heard to what was said."""
    import jiwer  # of the extra `test`

    heard = [(part, number, word) for number, word in share for part in plain(word.text).split()]
    text = " ".join(word.text for _, word in share)
    if not heard:
        return Heard(spoken, text, len(spoken.words), missing=frozenset(range(len(spoken.words))))
    output = jiwer.process_words(" ".join(spoken.words), " ".join(part for part, _, _ in heard))
    found: dict[int, Place] = {}
    missing: set[int] = set()
    extra: set[int] = set()
    for chunk in output.alignments[0]:
        said, got = range(chunk.ref_start_idx, chunk.ref_end_idx), range(chunk.hyp_start_idx, chunk.hyp_end_idx)
        if chunk.type == "equal":
            for at, (_, number, word) in zip(said, (heard[i] for i in got), strict=True):
                found[at] = Place(word.start_ms - spoken.start_ms, number)
        elif chunk.type == "delete" and len(said) >= RUN:
            missing |= set(said)
        elif chunk.type == "insert" and len(got) >= RUN:
            extra.add(said.start)
    errors = output.substitutions + output.deletions + output.insertions
    return Heard(spoken, text, errors, found, frozenset(missing), frozenset(extra))


def _shifts(one: Heard, usual: Heard) -> list[float]:
    by_final: dict[int, list[float]] = defaultdict(list)
    for at, place in one.found.items():
        if at in usual.found:
            by_final[place.final].append(place.at_ms - usual.found[at].at_ms)
    return [statistics.median(shifts) for shifts in by_final.values() if len(shifts) >= TIMED_WORDS]
