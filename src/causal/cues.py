"""Subtitles of a transcript: cues of at most two lines of 42 characters, one after the other. No I/O.

A final is cut between words, at their times: where a cue is full or lasts 7 s, at a pause, and after a sentence when
the first line is full anyway. Where two people speak at once, their cues take turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from causal.messages import Gap, TranscriptFinal
from causal.transcript import Transcript, not_heard, one_line, voice

LINE_CHARS = 42
LINES = 2
LONGEST_MS = 7000
PAUSE_MS = 1000
READABLE_MS = 1000
"""A short cue stays so long if nothing follows."""
LEAST_MS = 250
"""A cue stays so long whatever follows: the next one comes later then."""
LEAST_GAP_MS = 500
"""Shorter gaps would only flicker."""
GAP_SHOWN_MS = 3000
LABEL_CHARS = 24


@dataclass(frozen=True)
class Cue:
    """Lines that are shown from `start_ms` to `end_ms`."""

    start_ms: int
    end_ms: int
    voice: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """A word, or a part of one."""

    text: str
    start_ms: int
    end_ms: int
    glued: bool = False
    """No space before it."""


def cues_of(transcript: Transcript, *, labels: bool) -> list[Cue]:
    """The cues in order: none overlaps the next, each has a positive length. `labels` puts the voice before its words
    where there are several."""
    labels = labels and not transcript.has_one_voice
    cues: list[Cue] = []
    for entry in transcript.entries:
        name = voice(entry)
        label = f"{name[:LABEL_CHARS]}:" if labels else ""
        if isinstance(entry, TranscriptFinal):
            cues += _cut(tokens_of(entry), name, label)
        elif entry.length_ms >= LEAST_GAP_MS:
            cues += _gap_cue(entry, name, label)
    return _in_turn(cues)


def tokens_of(final: TranscriptFinal) -> list[Token]:
    """The words of a final's text with their times; those too long for a line in parts.

    Where text and words differ, as in "25" for "twenty five", times are spread over the text.
    """
    text = one_line(final.text)
    words = [(one_line(word.text), word.start_ms, word.end_ms) for word in final.words]
    tokens = _found_in(text, words)
    if tokens is None:
        parts = text.split()
        if len(parts) == len(words):
            tokens = [Token(part, start, end) for part, (_, start, end) in zip(parts, words, strict=True)]
        else:
            tokens = _spread(parts, final.start_ms, final.end_ms)
    return [part for token in _ordered(tokens) for part in _short_enough(token)]


def _ordered(tokens: Iterable[Token]) -> Iterator[Token]:
    """The tokens with times that never go back."""
    latest_ms = 0
    for token in tokens:
        start_ms = max(token.start_ms, latest_ms)
        latest_ms = max(token.end_ms, start_ms)
        yield replace(token, start_ms=start_ms, end_ms=latest_ms)


def _found_in(text: str, words: Iterable[tuple[str, int, int]]) -> list[Token] | None:
    """The words as they stand in the text, one behind the other; None if they do not make it up."""
    tokens: list[Token] = []
    at = 0
    for word, start_ms, end_ms in words:
        found = text.find(word, at)
        if found < 0 or text[at:found].strip():
            return None
        if word:
            tokens.append(Token(word, start_ms, end_ms, glued=0 < at == found))
        at = found + len(word)
    return None if text[at:].strip() else tokens


def _spread(parts: Sequence[str], start_ms: int, end_ms: int) -> list[Token]:
    """Each part as long as it has characters."""
    whole, done, tokens = sum(map(len, parts)), 0, []
    for part in parts:
        begin_ms = start_ms + (end_ms - start_ms) * done // whole
        done += len(part)
        tokens.append(Token(part, begin_ms, start_ms + (end_ms - start_ms) * done // whole))
    return tokens


def _short_enough(token: Token) -> list[Token]:
    if len(token.text) <= LINE_CHARS:
        return [token]
    parts = [token.text[at : at + LINE_CHARS] for at in range(0, len(token.text), LINE_CHARS)]
    spread = _spread(parts, token.start_ms, token.end_ms)
    return [replace(part, glued=token.glued if number == 0 else True) for number, part in enumerate(spread)]


def _cut(tokens: Iterable[Token], name: str, label: str) -> Iterator[Cue]:
    group: list[Token] = []
    lines: tuple[str, ...] = ()
    for token in tokens:
        longer = None if group and _ends_before(token, group, lines) else _laid_out(label, [*group, token])
        if longer is None:
            yield _cue(group, name, lines)
            group = []
            longer = _laid_out(label, [token]) or (token.text,)
        group.append(token)
        lines = longer
    if group:
        yield _cue(group, name, lines)


def _ends_before(token: Token, group: Sequence[Token], lines: Sequence[str]) -> bool:
    last = group[-1]
    is_sentence = last.text.endswith((".", "?", "!", "。", "？", "！"))
    return (
        token.start_ms - last.end_ms > PAUSE_MS
        or token.end_ms - group[0].start_ms > LONGEST_MS
        or (is_sentence and sum(map(len, lines)) >= LINE_CHARS)
    )


def _laid_out(label: str, tokens: Sequence[Token]) -> tuple[str, ...] | None:
    """The tokens as one line, or as two that are about as long; None if they do not fit."""
    pieces = [f"{label} "] if label else []
    pieces += [token.text if token.glued or number == 0 else f" {token.text}" for number, token in enumerate(tokens)]
    whole = sum(map(len, pieces))
    if whole <= LINE_CHARS:
        return ("".join(pieces),)
    if whole > LINES * LINE_CHARS + 1:
        return None
    best: tuple[str, ...] | None = None
    least = LINE_CHARS + 1
    first = 0
    for number, piece in enumerate(pieces[:-1], 1):
        first += len(piece)
        second = whole - first
        if max(first, second) - 1 > LINE_CHARS or abs(first - second) >= least:
            continue
        both = "".join(pieces[:number]).strip(), "".join(pieces[number:]).strip()
        if all(len(line) <= LINE_CHARS for line in both):
            best, least = both, abs(first - second)
    return best


def _cue(group: Sequence[Token], name: str, lines: tuple[str, ...]) -> Cue:
    return Cue(group[0].start_ms, max(token.end_ms for token in group), name, lines)


def _gap_cue(gap: Gap, name: str, label: str) -> list[Cue]:
    """One cue; of a reason that does not fit, the beginning."""
    shown_ms = min(gap.length_ms, GAP_SHOWN_MS)
    words = [Token(text, gap.start_ms, gap.start_ms) for text in f"[{not_heard(gap)}]".split()]
    tokens = [part for word in words for part in _short_enough(word)]
    first = next(iter(_cut(tokens, name, label)), None)
    return [replace(first, end_ms=gap.start_ms + shown_ms)] if first else []


def _in_turn(cues: Iterable[Cue]) -> list[Cue]:
    """The cues one after the other: each ends when the next begins, at the latest."""
    moved: list[Cue] = []
    for cue in sorted(cues, key=lambda cue: cue.start_ms):
        earliest_ms = moved[-1].start_ms + LEAST_MS if moved else 0
        moved.append(replace(cue, start_ms=max(cue.start_ms, earliest_ms)))
    shown = [replace(cue, end_ms=max(cue.end_ms, cue.start_ms + READABLE_MS)) for cue in moved]
    for number, following in enumerate(shown[1:]):
        shown[number] = replace(shown[number], end_ms=min(shown[number].end_ms, following.start_ms))
    return shown
