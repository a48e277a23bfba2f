"""Subtitles of a transcript: cues of at most two lines of 42 characters, one after the other. No I/O.

A final is cut between words, at their times: where a cue is full or lasts 7 s, at a pause, and after a sentence when
the first line is full anyway. Where two people speak at once, their cues take turns.
"""

from __future__ import annotations

import itertools
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
    page = _Page(label)
    for token in tokens:
        if group and (_ends_before(token, group, page.chars) or not page.takes(token)):
            yield _cue(group, name, label)
            group, page = [], _Page(label)
        first = None if group else replace(token, glued=False)
        if first is not None:
            page.takes(first)
        group.append(first or token)
    if group:
        yield _cue(group, name, label)


class _Page:
    """Two lines, filled from the first one on."""

    def __init__(self, label: str) -> None:
        self._lines = [len(label)]

    @property
    def chars(self) -> int:
        return sum(self._lines)

    def takes(self, token: Token) -> bool:
        """Puts the token down; False if it does not fit any more."""
        space = 1 if self._lines[-1] and not token.glued else 0
        if self._lines[-1] + space + len(token.text) <= LINE_CHARS:
            self._lines[-1] += space + len(token.text)
        elif len(self._lines) < LINES:
            self._lines.append(len(token.text))
        else:
            return False
        return True


def _ends_before(token: Token, group: Sequence[Token], chars: int) -> bool:
    last = group[-1]
    is_sentence = last.text.endswith((".", "?", "!", "。", "？", "！"))
    return (
        token.start_ms - last.end_ms > PAUSE_MS
        or token.end_ms - group[0].start_ms > LONGEST_MS
        or (is_sentence and chars >= LINE_CHARS)
    )


def _cue(group: Sequence[Token], name: str, label: str) -> Cue:
    return Cue(group[0].start_ms, group[-1].end_ms, name, _laid_out(label, group))


def _laid_out(label: str, group: Sequence[Token]) -> tuple[str, ...]:
    """The tokens as one line, or as two that are about as long."""
    pieces = [label] if label else []
    for token in group:
        pieces.append(token.text if token.glued or not pieces else f" {token.text}")
    text = "".join(pieces)
    if len(text) <= LINE_CHARS:
        return (text,)
    splits = itertools.accumulate(map(len, pieces[:-1]))
    pairs = [(text[:at], text[at:].lstrip(" ")) for at in splits]
    return min((pair for pair in pairs if max(map(len, pair)) <= LINE_CHARS), key=lambda pair: max(map(len, pair)))


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
