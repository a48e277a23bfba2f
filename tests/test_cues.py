"""Subtitles: whatever is said, every cue can be read and none is in the way of another."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from causal.cues import LEAST_GAP_MS, LEAST_MS, LINE_CHARS, Cue, cues_of, tokens_of
from causal.messages import Gap, TranscriptFinal, Word
from causal.transcript import collect, one_line


def said(*words: tuple[str, int, int], text: str | None = None, source: str = "mic") -> TranscriptFinal:
    return TranscriptFinal(
        session="s",
        source=source,
        turn=f"{source}{words[0][1] if words else 0}",
        revision=0,
        text=" ".join(word for word, _, _ in words) if text is None else text,
        start_ms=words[0][1] if words else 0,
        end_ms=words[-1][2] if words else 1000,
        started_at="2026-01-31T12:00:00.000Z",
        words=tuple(Word(text=word, start_ms=start, end_ms=end, confidence=1.0) for word, start, end in words),
    )


def steady(text: str, start_ms: int = 0, word_ms: int = 300) -> TranscriptFinal:
    """Words one behind the other."""
    starts = range(start_ms, start_ms + word_ms * len(text.split()), word_ms)
    return said(*((word, start, start + word_ms) for word, start in zip(text.split(), starts, strict=True)))


def cut(*events: TranscriptFinal | Gap, labels: bool = True) -> list[Cue]:
    return cues_of(collect(events), labels=labels)


def test_a_short_final_is_one_cue_with_the_times_of_its_words() -> None:
    assert cut(steady("Good morning to all of you.", 500)) == [Cue(500, 2300, "mic", ("Good morning to all of you.",))]


def test_two_lines_are_about_as_long() -> None:
    (cue,) = cut(steady("And so my fellow Americans ask not what your country can do"))
    assert cue.lines == ("And so my fellow Americans ask", "not what your country can do")


def test_a_long_final_is_cut_between_words_at_their_times() -> None:
    final = steady("word " * 40)
    cues = cut(final)
    assert len(cues) > 1
    at = 0
    for cue in cues:
        count = sum(len(line.split()) for line in cue.lines)
        assert cue.start_ms == final.words[at].start_ms
        at += count
        assert cue.end_ms == final.words[at - 1].end_ms
    assert at == 40


def test_a_pause_ends_a_cue() -> None:
    cues = cut(said(("Well", 0, 400), ("yes", 3000, 3300)))
    assert [(cue.start_ms, cue.lines) for cue in cues] == [(0, ("Well",)), (3000, ("yes",))]


def test_a_sentence_ends_a_cue_when_the_first_line_is_full() -> None:
    cues = cut(steady("This is a sentence that fills the whole line. And this is another one."))
    assert cues[1].lines == ("And this is another one.",)


def test_several_voices_are_named_and_one_is_not() -> None:
    both = [steady("Hello."), said(("Hi.", 2000, 2400), source="system")]
    assert [cue.lines for cue in cut(*both)] == [("mic: Hello.",), ("system: Hi.",)]
    assert [cue.lines for cue in cut(both[0])] == [("Hello.",)]
    assert [cue.lines for cue in cut(*both, labels=False)] == [("Hello.",), ("Hi.",)]


def test_a_final_without_word_times_is_spread_over_its_length() -> None:
    final = said(text="aaaa bb cc")
    assert [(token.text, token.start_ms, token.end_ms) for token in tokens_of(final)] == [
        ("aaaa", 0, 500),
        ("bb", 500, 750),
        ("cc", 750, 1000),
    ]


def test_the_text_counts_where_its_words_are_written_otherwise() -> None:
    formatted = said(("hello", 0, 400), ("world", 500, 900), text="Hello, world!")
    assert [(token.text, token.start_ms) for token in tokens_of(formatted)] == [("Hello,", 0), ("world!", 500)]
    number = said(("twenty", 0, 400), ("five", 500, 1000), text="25")
    assert [(token.text, token.start_ms, token.end_ms) for token in tokens_of(number)] == [("25", 0, 1000)]


def test_words_without_spaces_between_them_stay_together() -> None:
    tokens = tokens_of(said(("今日", 0, 400), ("は", 400, 500), text="今日は"))
    assert [(token.text, token.glued) for token in tokens] == [("今日", False), ("は", True)]
    assert cut(said(("今日", 0, 400), ("は", 400, 500), text="今日は"))[0].lines == ("今日は",)


def test_a_word_that_is_longer_than_a_line_is_cut() -> None:
    (cue,) = cut(said(("x" * 60, 0, 600)))
    assert [len(line) for line in cue.lines] == [LINE_CHARS, 18]


def test_two_who_speak_at_once_take_turns() -> None:
    cues = cut(said(("One", 0, 3000)), said(("Two", 100, 3000), source="system"))
    assert [(cue.start_ms, cue.end_ms) for cue in cues] == [(0, LEAST_MS), (LEAST_MS, 3000)]


def test_a_gap_is_shown_for_a_moment_and_a_tiny_one_is_not() -> None:
    gap = Gap(session="s", source="mic", start_ms=1000, length_ms=60_000, reason="device-lost")
    assert cut(gap) == [Cue(1000, 4000, "mic", ("[60.0 s not heard: device-lost]",))]
    assert cut(Gap(session="s", source="mic", start_ms=0, length_ms=LEAST_GAP_MS - 1, reason="moved")) == []


words = st.tuples(st.text(min_size=1, max_size=50).filter(one_line), st.integers(0, 9000), st.integers(0, 9000))
finals = st.builds(
    lambda given, source: said(*given, source=source), st.lists(words, max_size=30), st.sampled_from(["mic", "system"])
)
gaps = st.builds(
    Gap,
    session=st.just("s"),
    source=st.sampled_from(["mic", "system"]),
    start_ms=st.integers(0, 9000),
    length_ms=st.integers(0, 9000),
    reason=st.text(max_size=200),
)


@given(st.lists(finals | gaps, max_size=8))
def test_whatever_is_said_every_cue_can_be_read(events: list[TranscriptFinal | Gap]) -> None:
    cues = cut(*events)
    for cue, following in itertools.pairwise(cues):
        assert cue.end_ms <= following.start_ms
    for cue in cues:
        assert 0 <= cue.start_ms < cue.end_ms
        assert 1 <= len(cue.lines) <= 2
        assert all(0 < len(line) <= LINE_CHARS for line in cue.lines)


@given(finals)
def test_no_word_is_lost_and_none_is_told_twice(final: TranscriptFinal) -> None:
    shown = "".join("".join(cue.lines) for cue in cut(final))
    assert shown.replace(" ", "") == one_line(final.text).replace(" ", "")
