"""Judges what became of what was said: every utterance heard once, in its place, or excused by a gap. No I/O.

    verdict = judge(said, finals, gaps)
    assert verdict.is_flawless, verdict.lost + verdict.repeated + verdict.misplaced

An utterance is found by its three words, whatever the time they are said to have; what remains of one that was cut is
found by word and time. Only a gap on the record that overlaps an utterance excuses its loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from causal.messages import Gap, TranscriptFinal, TranscriptPartial

from .live_delay import Span, in_spell
from .utterances import STEP_MS, Utterance, Words

DECODE_MS = 10
"""The tone decoder works in steps of 10 ms: a word may seem to begin so much too early."""
MAPPING_MS = 20
"""The promise on top of that."""
NEAR_MS = 1500
"""A single word belongs to the utterance that has it within this distance."""
TOGETHER_MS = 2 * STEP_MS + NEAR_MS
"""Three words of one utterance lie no farther apart; two that a gap left and one of another may look the same."""
EDGE_MS = 30
"""A gap so near to an utterance has touched it."""

EXPLAINED_MS = (1000, 12_000)
"""A gap may begin so long before the fault that costs it was seen to begin, and so long after its end."""


@dataclass
class Verdict:
    """On one session. The lists hold what is wrong, one entry an utterance."""

    spoken: int = 0
    heard: int = 0
    excused: int = 0
    unsure: int = 0
    """Said while the loudspeaker went or stood still: not judged."""
    lost: list[Utterance] = field(default_factory=list)
    repeated: list[Utterance] = field(default_factory=list)
    strays: list[tuple[str, int, int]] = field(default_factory=list)
    """Words that nobody said there: source, number, where. Next to a gap they are remains of a word that it cut."""
    timed: list[Timed] = field(default_factory=list)
    """Each utterance whose time could be judged."""

    @property
    def misplaced(self) -> list[Timed]:
        return [one for one in self.timed if one.beyond_ms > MAPPING_MS]

    @property
    def worst_error_ms(self) -> dict[str, float]:
        """By source, beyond what the decoder's steps and the source's own slack explain."""
        worst: dict[str, float] = {}
        for one in self.timed:
            source = one.utterance.source
            worst[source] = max(worst.get(source, 0.0), one.beyond_ms)
        return worst

    @property
    def is_flawless(self) -> bool:
        return not (self.lost or self.repeated or self.misplaced or self.strays)

    def parted(self, spells: Sequence[Span]) -> tuple[Verdict, Verdict]:
        """What is wrong outside those times, and in them. What was counted is the same in both."""
        return self._where(lambda ms: not in_spell(ms, spells)), self._where(lambda ms: in_spell(ms, spells))

    def _where(self, is_there: Callable[[float], bool]) -> Verdict:
        return replace(
            self,
            lost=[one for one in self.lost if is_there(one.start_ms)],
            repeated=[one for one in self.repeated if is_there(one.start_ms)],
            strays=[one for one in self.strays if is_there(one[2])],
            timed=[one for one in self.timed if is_there(one.utterance.start_ms)],
        )


@dataclass(frozen=True)
class Timed:
    """An utterance, and how late the word began that is farthest from its time."""

    utterance: Utterance
    error_ms: float
    beyond_ms: float
    """What the decoder's steps and the source's own slack do not explain of it."""


@dataclass(frozen=True)
class _Heard:
    number: int
    start_ms: int


@dataclass
class _Found:
    """Where the words of an utterance were heard, each time that it was."""

    whole: list[tuple[int, int, int]] = field(default_factory=list)
    pieces: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))


def judge(
    said: Sequence[Utterance],
    finals: Iterable[TranscriptFinal],
    gaps: Sequence[Gap],
    slack_ms: Mapping[str, float] | None = None,
    timed_words: Sequence[int] = (0, 1, 2),
) -> Verdict:
    """The verdict on all sources of one session.

    `slack_ms`: by source, how well the time of speaking is known. `timed_words`: by which words of an utterance its
    time is judged; the middle one, when the service's edges are wrong.
    """
    verdict = Verdict()
    finals = list(finals)
    for source in sorted({utterance.source for utterance in said}):
        mine = [utterance for utterance in said if utterance.source == source]
        holes = [gap for gap in gaps if gap.source == source]
        slack = (slack_ms or {}).get(source, 0.0)
        _judge_source(mine, [final for final in finals if final.source == source], holes, slack, timed_words, verdict)
    return verdict


def unexplained(gaps: Iterable[Gap], faults: Iterable[Span]) -> list[Gap]:
    """The gaps without a fault that may cost one, shortly before them or meanwhile."""
    may = [fault for fault in faults if fault.costs_a_gap]
    return [
        gap
        for gap in gaps
        if not any(
            fault.begin_ms - EXPLAINED_MS[0] <= gap.start_ms + gap.length_ms
            and gap.start_ms <= fault.end_ms + EXPLAINED_MS[1]
            for fault in may
        )
    ]


def numbers_in(event: TranscriptFinal | TranscriptPartial) -> list[tuple[int, int]]:
    """The numbers in an event, and where they begin. What is no number is -1."""
    return [(_number(word.text), word.start_ms) for word in event.words]


def overlaps(gap: Gap, start_ms: float, end_ms: float) -> bool:
    """Whether a gap touches a span."""
    return gap.start_ms - EDGE_MS <= end_ms and start_ms <= gap.start_ms + gap.length_ms + EDGE_MS


def _judge_source(
    said: Sequence[Utterance],
    finals: Iterable[TranscriptFinal],
    gaps: Sequence[Gap],
    slack_ms: float,
    timed_words: Sequence[int],
    verdict: Verdict,
) -> None:
    words = [
        _Heard(*pair)
        for final in sorted(finals, key=lambda final: (final.start_ms, final.seq or 0))
        for pair in numbers_in(final)
    ]
    found: dict[int, _Found] = defaultdict(_Found)
    for word in _place_pieces(said, _place_whole(said, words, found), found):
        if not any(overlaps(gap, word.start_ms, word.start_ms + STEP_MS) for gap in gaps):
            verdict.strays.append((said[0].source, word.number, word.start_ms))
    for utterance in said:
        excused = any(overlaps(gap, utterance.start_ms, utterance.end_ms) for gap in gaps)
        _judge_one(utterance, found[utterance.number], excused, verdict)
        if utterance.sure and utterance.timed and not excused:
            _judge_time(utterance, found[utterance.number], slack_ms, timed_words, verdict)


def _place_whole(said: Iterable[Utterance], words: Sequence[_Heard], found: dict[int, _Found]) -> list[_Heard]:
    """Finds utterances by their three words in a row; returns the words that are left."""
    by_words: dict[Words, Utterance] = {utterance.words: utterance for utterance in said}
    left = []
    at = 0
    while at < len(words):
        three = words[at : at + 3]
        together = len(three) == 3 and three[2].start_ms - three[0].start_ms <= TOGETHER_MS
        utterance = by_words.get((three[0].number, three[1].number, three[2].number)) if together else None
        if utterance is None:
            left.append(words[at])
            at += 1
        else:
            found[utterance.number].whole.append((three[0].start_ms, three[1].start_ms, three[2].start_ms))
            at += 3
    return left


def _place_pieces(said: Sequence[Utterance], words: Iterable[_Heard], found: dict[int, _Found]) -> Iterable[_Heard]:
    """Finds what single words belong to; returns those that belong nowhere."""
    for word in words:
        places = [
            (utterance.distance_ms(which, word.start_ms), utterance.number, which)
            for utterance in said
            for which in range(3)
            if utterance.words[which] == word.number
        ]
        distance_ms, number, which = min(places, default=(float("inf"), 0, 0))
        if distance_ms > NEAR_MS:
            yield word
        else:
            found[number].pieces[which].append(word.start_ms)


def _judge_one(utterance: Utterance, found: _Found, excused: bool, verdict: Verdict) -> None:
    if not utterance.sure:
        verdict.unsure += 1
        return
    verdict.spoken += 1
    if utterance.timed:
        complete = bool(found.whole) or len(found.pieces) == 3
        again = len(found.whole) + bool(found.pieces) > 1 or any(len(p) > 1 for p in found.pieces.values())
    else:  # a stumble may have cut or swallowed a word
        complete = bool(found.whole or found.pieces)
        again = len(found.whole) > 1
    if complete:
        verdict.heard += 1
    elif excused:
        verdict.excused += 1
    else:
        verdict.lost.append(utterance)
    if again and not excused:  # a word that the gap cut may be heard as two
        verdict.repeated.append(utterance)


def _judge_time(
    utterance: Utterance, found: _Found, slack_ms: float, timed_words: Sequence[int], verdict: Verdict
) -> None:
    starts = [(which, starts[which]) for starts in found.whole for which in timed_words]
    starts += [(which, start_ms) for which in timed_words for start_ms in found.pieces.get(which, ())]
    errors_ms = [start_ms - utterance.word_ms(which) for which, start_ms in starts]
    beyond_ms = [max(error_ms - slack_ms, -DECODE_MS - slack_ms - error_ms, 0.0) for error_ms in errors_ms]
    if errors_ms:
        worst = max(range(len(errors_ms)), key=beyond_ms.__getitem__)
        verdict.timed.append(Timed(utterance, errors_ms[worst], beyond_ms[worst]))


def _number(text: str) -> int:
    digits = text.strip(".").lower().removeprefix("n")
    return int(digits) if digits.isascii() and digits.isdecimal() else -1
