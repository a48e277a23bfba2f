"""How late words came, after each fault. No I/O: what was said and what arrived come in, figures go out.

delays(first_sights(said, arrivals), faults)
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .oracle_speech import WORD_MS
from .utterances import Utterance

NEAR_MS = 500
"""An arrival belongs to the word that was said within this distance."""
LIVE_MS = 2000
"""A word that comes sooner after it was said is live."""
SPELL_MS = 3000
"""What happens so near to a time in which the machine stood still happens in it: an utterance takes 1 s."""


@dataclass(frozen=True)
class Arrival:
    """A word as it came, in a partial or a final. Times are on the session's time line."""

    source: str
    number: int
    start_ms: int
    at_ms: float


@dataclass(frozen=True)
class Span:
    """A fault as it was, from its beginning to its end."""

    label: str
    begin_ms: float
    end_ms: float
    costs_a_gap: bool = False
    hold_ms: float = 0.0
    """So long after its end the speech service wants no connection."""

    @property
    def ready_ms(self) -> float:
        """From when on live words are owed again, as far as this fault goes."""
        return self.end_ms + self.hold_ms


@dataclass(frozen=True)
class Delay:
    """What one fault did to the live transcript of all sources."""

    label: str
    worst_ms: float
    """The latest first sight of a word that was said between this fault's beginning and the next one's, less the last
    2 s, whose words the next one may catch on their way."""
    live_again_ms: float | None
    """From when live words were owed again until every source had shown one live that was said after it; None: not
    before the next fault began."""
    owed_from_ms: float = 0.0
    """That is when."""
    slowest: str = ""
    """The source that was live again last."""
    in_another: bool = False
    """The speech service was away meanwhile, so that nothing could be live."""
    in_spell: bool = False
    """The machine stood still between the fault and the next one."""


@dataclass(frozen=True)
class Sight:
    """A word that was said, and when it was first seen."""

    source: str
    start_ms: float
    end_ms: float
    at_ms: float

    @property
    def delay_ms(self) -> float:
        return self.at_ms - self.end_ms


def delays(words: Sequence[Sight], faults: Sequence[Span], spells: Sequence[Span] = ()) -> list[Delay]:
    """One entry a fault; words that never came are not counted here. `spells`: when the machine stood still."""
    return [_after(fault, faults, words, spells) for fault in faults]


def in_spell(ms: float, spells: Iterable[Span]) -> bool:
    """Whether the machine stood still at that time, or shortly before: what waited then has to be caught up with."""
    return any(spell.begin_ms - SPELL_MS <= ms <= spell.end_ms + SPELL_MS for spell in spells)


def first_sights(said: Iterable[Utterance], arrivals: Iterable[Arrival]) -> list[Sight]:
    """Of each word of the utterances that came."""
    came: dict[tuple[str, int], list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        came[arrival.source, arrival.number].append(arrival)
    words = []
    for utterance in said:
        for which, number in enumerate(utterance.words):
            start_ms = utterance.word_ms(which)
            times = [a.at_ms for a in came[utterance.source, number] if abs(a.start_ms - start_ms) < NEAR_MS]
            if times:
                words.append(Sight(utterance.source, start_ms, start_ms + WORD_MS, min(times)))
    return words


def _after(fault: Span, faults: Sequence[Span], words: Sequence[Sight], spells: Iterable[Span]) -> Delay:
    owed_from_ms = _owed_from_ms(fault, faults)
    later = (other.begin_ms for other in faults if other.begin_ms > fault.begin_ms and other.begin_ms >= owed_from_ms)
    end_ms = min(later, default=math.inf)
    meanwhile = [word for word in words if fault.begin_ms <= word.start_ms < end_ms]
    again: dict[str, float] = {}
    for word in meanwhile:
        if word.start_ms >= owed_from_ms and word.delay_ms <= LIVE_MS:
            again[word.source] = min(again.get(word.source, math.inf), word.at_ms - owed_from_ms)
    slowest = max(again, key=again.__getitem__, default="")
    is_complete = len(again) == len({word.source for word in words})
    return Delay(
        fault.label,
        max((word.delay_ms for word in meanwhile if word.start_ms < end_ms - LIVE_MS), default=0.0),
        again[slowest] if again and is_complete else None,
        owed_from_ms,
        slowest,
        in_another=any(other.begin_ms < fault.begin_ms < other.ready_ms for other in faults),
        in_spell=any(fault.begin_ms - SPELL_MS <= one.end_ms and one.begin_ms <= end_ms for one in spells),
    )


def _owed_from_ms(fault: Span, faults: Sequence[Span]) -> float:
    """From when on live words are owed: not while another fault goes on that began before the service might be
    asked."""
    owed_ms = fault.ready_ms
    while later_ms := [one.ready_ms for one in faults if one.begin_ms < owed_ms < one.ready_ms]:
        owed_ms = max(later_ms)
    return owed_ms
