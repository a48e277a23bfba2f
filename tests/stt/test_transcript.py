import numpy as np

from causal.messages import Chunk, StreamName, TranscriptVoid, Word
from causal.stt.codec import HeardWord
from causal.stt.lane import Lane
from causal.stt.transcript import Scribe
from causal.stt.turns import Final, Partial, Void


def scribe(language: str | None = "en") -> Scribe:
    """Of a connection that began 10 s into the stream, with a gap of 5 s after its first second."""
    lane = Lane("0", 100)
    lane.begin_connection()
    for n in range(20):
        position = (100 + n) * 1600 + (80_000 if n >= 10 else 0)
        lane.sent(Chunk(stream="s/mic", index=100 + n, position=position, captured_ns=0), np.zeros(1600, np.int16))
    return Scribe(
        StreamName("s", "mic"),
        lane,
        prefix="0-3-1",
        started_unix_ns=1_700_000_000_000_000_000,
        engine="assemblyai",
        language=language,
    )


def test_words_are_told_on_the_streams_time_line_across_a_gap():
    words = (HeardWord("one", 200, 500, 0.9), HeardWord("two", 900, 1000, 0.8), HeardWord("three", 1000, 1300, 0.7))
    event = scribe().event(Final(4, 2, "One two three.", words))
    assert event.words == (
        Word(text="one", start_ms=10_200, end_ms=10_500, confidence=0.9),
        Word(text="two", start_ms=10_900, end_ms=11_000, confidence=0.8),
        Word(text="three", start_ms=16_000, end_ms=16_300, confidence=0.7),
    )
    assert (event.start_ms, event.end_ms) == (10_200, 16_300)
    assert event.started_at == "2023-11-14T22:13:30.200Z"
    assert (event.session, event.source, event.engine) == ("s", "mic", "assemblyai")


def test_a_turns_name_is_the_same_in_all_its_versions_and_no_other_connections():
    written = scribe()
    turns = [written.event(fact).turn for fact in (Partial(4, 0, "a", ()), Final(4, 1, "a", ()), Void(4))]
    assert turns == ["0-3-1-4"] * 3
    assert isinstance(written.event(Void(4)), TranscriptVoid)


def test_the_language_that_was_heard_goes_before_the_one_that_was_asked_for():
    assert scribe("en").event(Final(0, 0, "hallo", (), language="de")).language == "de"
    assert scribe("en").event(Final(0, 0, "hello", ())).language == "en"


def test_a_turn_without_words_is_as_late_as_what_was_sent():
    event = scribe().event(Final(0, 0, "hm", ()))
    assert (event.start_ms, event.end_ms) == (17_000, 17_000)
