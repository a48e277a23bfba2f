import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.stt.codec import (
    Begin,
    HeardWord,
    Heartbeat,
    ServiceError,
    ServiceWarning,
    Silence,
    SpeechStarted,
    Termination,
    Turn,
    Unknown,
    Unreadable,
    audio_frame,
    parse,
)

TURN = {
    "type": "Turn",
    "turn_order": 3,
    "turn_is_formatted": True,
    "end_of_turn": True,
    "end_of_turn_confidence": 0.9,
    "transcript": "Hello there.",
    "words": [
        {"start": 100, "end": 300, "text": "Hello", "confidence": 0.9, "word_is_final": True},
        {"start": 320, "end": 600, "text": "there.", "confidence": 0.8, "word_is_final": True},
    ],
}


def said(**fields: object) -> object:
    return parse(json.dumps(fields))


def turn(**changes: object) -> Turn:
    message = parse(json.dumps(TURN | changes))
    assert isinstance(message, Turn)
    return message


def test_each_message_of_the_service_is_read():
    assert said(type="Begin", id="abc", expires_at=1700000000) == Begin("abc", 1700000000.0)
    assert said(type="SpeechStarted", timestamp=40, confidence=0.7) == SpeechStarted(40)
    assert said(type="Termination", audio_duration_seconds=3, session_duration_seconds=4) == Termination(3.0)
    assert said(
        type="Heartbeat", total_audio_received_ms=500, total_duration_ms=510, realtime_factor=1.01
    ) == Heartbeat(500, 1.01)
    assert said(type="Silence", start_ms=1, end_ms=1001) == Silence(1, 1001)
    assert said(type="Warning", warning_code=7, warning="slow") == ServiceWarning(7, "slow")
    assert said(type="Error", error_code=3006, error="bad") == ServiceError(3006, "bad")
    assert turn() == Turn(
        order=3,
        ended=True,
        formatted=True,
        text="Hello there.",
        words=(HeardWord("Hello", 100, 300, 0.9), HeardWord("there.", 320, 600, 0.8)),
    )


def test_an_error_of_the_older_kind_has_no_type():
    assert said(error="Not authorized") == ServiceError(None, "Not authorized")


def test_words_speak_where_the_transcript_is_still_empty_or_short():
    assert turn(transcript="", end_of_turn=False).text == "Hello there."
    assert turn(transcript="hello", end_of_turn=False).text == "Hello there."
    assert turn(transcript="Hello there my friend", end_of_turn=False).text == "Hello there my friend"
    assert turn(transcript="Hellothere.").text == "Hellothere."
    assert turn(transcript="", words=[]).text == ""


def test_float_times_are_rounded_and_texts_of_digits_are_read():
    words = [{"start": 12.5, "end": "20", "text": "a", "confidence": 2}]
    assert turn(words=words).words == (HeardWord("a", 12, 20, 1.0),)


def test_a_word_without_times_stands_at_the_end_of_the_one_before():
    words = [{"start": 5, "end": 9, "text": "a"}, {"text": "b"}, {"start": 1}, "c"]
    assert turn(words=words).words == (HeardWord("a", 5, 9, 0.0), HeardWord("b", 9, 9, 0.0))


def test_missing_optional_fields_do_no_harm():
    assert said(type="Turn", turn_order=0) == Turn(0, False, False, "", ())
    assert said(type="Begin") == Begin("", None)
    assert said(type="SpeechStarted") == SpeechStarted(0)
    assert said(type="Termination") == Termination(0.0)
    assert said(type="Error") == ServiceError(None, "")


def test_what_is_new_is_unknown():
    assert said(type="LLMGatewayResponse", turn_order=1) == Unknown("LLMGatewayResponse")
    assert said(type=["Turn"]) == Unknown("['Turn']")
    assert said() == Unknown("None")


@pytest.mark.parametrize(
    "frame",
    [
        "{",
        "[]",
        "null",
        b"\x00\x01",
        "[" * 100_000,
        '{"type": "Turn"}',
        '{"type": "Turn", "turn_order": NaN}',
        '{"type": "Turn", "turn_order": true}',
        '{"type": "Turn", "turn_order": 1, "words": [{"text": "a", "start": {}}]}',
        '{"type": "Heartbeat"}',
        '{"type": "Begin", "expires_at": "soon"}',
        '{"type": "Silence", "start_ms": 1e999, "end_ms": 0}',
    ],
)
def test_what_cannot_be_read_says_so_and_nothing_more(frame):
    assert isinstance(parse(frame), Unreadable)


ODD = [None, True, -1, 1e999, float("nan"), 10**400, "", "x", [], {}, [[]], {"error": {}}]
WORDS = st.lists(st.dictionaries(st.sampled_from(["text", "start", "end", "confidence"]), st.sampled_from(ODD)))
FIELDS = ["turn_order", "words", "transcript", "end_of_turn", "expires_at", "error", "error_code", "start_ms"]


@given(
    st.sampled_from(["Begin", "Turn", "Heartbeat", "Error", "Silence", "Termination", "SpeechStarted", "Warning"]),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(ODD) | WORDS),
)
def test_no_message_whatever_raises(kind, fields):
    parse(json.dumps(fields | {"type": kind}))


def test_a_frame_is_the_samples_as_little_endian_bytes():
    samples = np.arange(-800, 800, dtype=np.int16)
    assert np.array_equal(np.frombuffer(audio_frame(samples), "<i2"), samples)
    assert len(audio_frame(np.zeros(1600, np.int16))) == 3200


@pytest.mark.parametrize("length", [0, 799, 16001])
def test_a_frame_outside_of_50_to_1000_ms_is_never_made(length):
    with pytest.raises(ValueError, match="800 to 16000"):
        audio_frame(np.zeros(length, np.int16))


@pytest.mark.parametrize("samples", [np.zeros(1600, np.float32), np.zeros((1600, 1), np.int16)])
def test_a_frame_of_anything_but_int16_mono_is_never_made(samples):
    with pytest.raises(ValueError, match="int16"):
        audio_frame(samples)
