from dataclasses import replace

import msgspec
import pytest

from causal.messages import TranscriptFinal, Word
from causal.testing.clip_judge import Heard, Spoken, compare, error_rate, hear, out_of_order

TEXT = "had he married a more amiable woman he might have been made still more respectable than he was"
WORD_MS = 200
EVERY_MS = 250
LENGTH_MS = EVERY_MS * len(TEXT.split())


def spoken(start_ms: float = 1000.0, name: str = "austen", source: str = "mic", text: str = TEXT) -> Spoken:
    return Spoken(source, name, tuple(text.split()), start_ms, start_ms + LENGTH_MS)


def finals(text: str, start_ms: float = 1000.0, per_final: int = 6, source: str = "mic") -> list[TranscriptFinal]:
    """Words of a quarter of a second each, six to a final."""
    starts = [round(start_ms + n * EVERY_MS) for n in range(len(text.split()))]
    words = [
        Word(text=word, start_ms=start, end_ms=start + WORD_MS, confidence=1.0)
        for word, start in zip(text.split(), starts, strict=True)
    ]
    return [
        TranscriptFinal(
            session="s",
            source=source,
            turn=str(share[0].start_ms),
            revision=0,
            text="",
            start_ms=share[0].start_ms,
            end_ms=share[-1].end_ms,
            started_at="",
            words=tuple(share),
        )
        for share in (words[first : first + per_final] for first in range(0, len(words), per_final))
    ]


def plain(word: str) -> str:
    return word.strip(".,?").lower().replace("-", " ")


def understood(text: str, start_ms: float = 1000.0) -> Heard:
    (heard,) = hear([spoken(start_ms)], finals(text, start_ms), plain)
    return heard


USUAL = {("mic", "austen"): understood(TEXT)}


def test_what_is_understood_as_usual_is_not_different():
    difference = compare([understood(TEXT, 70_000.0)], USUAL)
    assert (difference.lost, difference.repeated) == ([], [])
    assert difference.shifts_ms == pytest.approx([0.0, 0.0, 0.0])


def test_spelling_does_not_count():
    assert understood(TEXT.title().replace("Woman", "Woman,") + ".").errors == 0


def test_each_word_belongs_to_the_recording_that_was_played_then():
    one, two = spoken(1000.0), spoken(1000.0 + LENGTH_MS + 1000.0, "other")
    system = spoken(1000.0, source="system")
    events = finals(TEXT) + finals(TEXT, two.start_ms) + finals(TEXT, source="system")
    assert [heard.errors for heard in hear([one, two, system], events, plain)] == [0, 0, 0]


def test_a_single_word_that_is_misheard_counts_as_an_error_only():
    heard = understood(TEXT.replace("amiable ", ""))
    assert heard.errors == 1
    assert error_rate([heard, understood(TEXT)]) == pytest.approx(100 / 36)
    assert compare([heard], USUAL).lost == []


def test_words_in_a_row_that_are_missing_are_lost():
    difference = compare([understood(TEXT.replace("amiable woman he ", ""))], USUAL)
    assert len(difference.lost) == 1 and difference.repeated == []


def test_a_recording_that_nobody_heard_is_lost():
    (heard,) = hear([spoken()], [], plain)
    assert heard.errors == len(TEXT.split())
    assert len(compare([heard], USUAL).lost) == 1


def test_words_in_a_row_that_come_twice_are_repeated():
    difference = compare([understood(TEXT.replace("might have", "might have been made might have"))], USUAL)
    assert len(difference.repeated) == 1 and difference.lost == []


def test_what_is_never_understood_is_nobody_s_fault():
    poor = TEXT.replace("amiable woman ", "")
    assert compare([understood(poor)], {("mic", "austen"): understood(poor)}).lost == []


def test_what_the_loudspeaker_did_not_say_whole_is_not_judged():
    (heard,) = hear([replace(spoken(), sure=False)], [], plain)
    assert compare([heard], USUAL).lost == []


def test_a_final_in_the_wrong_place_is_seen_whatever_its_words_do_one_by_one():
    (heard,) = hear([spoken(70_000.0)], finals(TEXT, 70_030.0), plain)
    assert compare([heard], USUAL).shifts_ms == pytest.approx([30.0, 30.0, 30.0])


def test_finals_too_short_to_judge_their_times_are_not_judged():
    (heard,) = hear([spoken()], finals(TEXT, per_final=3), plain)
    assert compare([heard], USUAL).shifts_ms == []


def test_words_that_begin_before_those_before_them_are_out_of_order():
    events = finals(TEXT)
    assert out_of_order(events) == []
    late = msgspec.structs.replace(events[0], words=(*events[0].words[:5], events[1].words[3]))
    assert len(out_of_order([late, *events[1:]])) == 1
