import json

import pytest
from assemblyai.streaming.v3 import models as sdk
from hypothesis import given
from hypothesis import strategies as st

from causal.engine.options import Options
from causal.engine.protocol import (
    Begin,
    Error,
    ForceEndpoint,
    Heartbeat,
    KeepAlive,
    Terminate,
    Termination,
    Turn,
    TurnWord,
    UpdateConfiguration,
    check_audio,
    encode,
    parse_message,
)
from causal.engine.refusal import BAD_AUDIO, BAD_INPUT, Refused

CHUNK = bytes(3200)


def refusal(text: str) -> str:
    with pytest.raises(Refused) as caught:
        parse_message(text, Options())
    assert caught.value.code == BAD_INPUT
    return caught.value.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"type": "ForceEndpoint"}', ForceEndpoint()),
        ('{"type": "KeepAlive"}', KeepAlive()),
        ('{"type": "Terminate"}', Terminate()),
    ],
)
def test_the_clients_messages_are_understood(text, message):
    assert parse_message(text, Options()) == message


def test_an_update_changes_only_what_it_names():
    before = Options(min_turn_silence=200, session_heartbeat=True)
    message = parse_message('{"type": "UpdateConfiguration", "max_turn_silence": 900, "prompt": "x"}', before)
    expected = Options(min_turn_silence=200, session_heartbeat=True, max_turn_silence=900)
    assert message == UpdateConfiguration(expected)


def test_the_rate_is_fixed_for_the_session():
    message = parse_message('{"type": "UpdateConfiguration", "sample_rate": 8000}', Options())
    assert message == UpdateConfiguration(Options())


def test_a_wrong_value_in_an_update_is_refused():
    assert "vad_threshold" in refusal('{"type": "UpdateConfiguration", "vad_threshold": 7}')


def test_an_unknown_message_is_refused_by_name():
    assert refusal('{"type": "Sing"}') == "Invalid Message Type: Sing"
    assert refusal("{}") == "Invalid Message Type: None"


@pytest.mark.parametrize("text", ["", "{", "[1]", "3", "\x00"])
def test_what_is_no_json_object_is_refused(text):
    assert refusal(text).startswith("User Input Validation Error: Invalid JSON")


@given(st.text())
def test_no_text_does_anything_but_parse_or_be_refused(text):
    with pytest.raises(Refused):
        parse_message(text, Options())


@pytest.mark.parametrize("length_ms", [50, 100, 1000])
def test_audio_of_50_to_1000_ms_is_taken(length_ms):
    check_audio(bytes(32 * length_ms), Options())


@pytest.mark.parametrize(("length_ms", "said"), [(0, "0.0 ms"), (20, "20.0 ms"), (1200, "1200.0 ms")])
def test_audio_of_another_length_is_refused_in_the_words_of_the_service(length_ms, said):
    with pytest.raises(Refused) as caught:
        check_audio(bytes(32 * length_ms), Options())
    assert caught.value.code == BAD_AUDIO
    assert caught.value.text == (
        f"Input Duration Error: Input Duration Violation: {said}. Expected between 50 and 1000 ms"
    )


def test_half_a_sample_is_refused():
    with pytest.raises(Refused, match="half a sample"):
        check_audio(CHUNK + b"\0", Options())


def test_the_official_client_accepts_every_message():
    word = TurnWord(start=10, end=200, text="Hi.", confidence=0.5, word_is_final=True)
    turn = Turn(0, True, True, 1.0, "Hi.", (word,), "Hi.")
    for message, model in [
        (Begin("1", 1_800_000_000, {"model": "m"}), sdk.BeginEvent),
        (turn, sdk.TurnEvent),
        (Heartbeat(5000, 5100, 0.98, 0.7), sdk.HeartbeatEvent),
        (Termination(12, 13), sdk.TerminationEvent),
        (Error(3006, "no"), sdk.ErrorEvent),
    ]:
        fields = json.loads(encode(message))
        assert fields["type"] == type(message).__name__
        model.model_validate(fields)


def test_a_turn_has_whole_milliseconds_and_all_fields():
    turn = Turn(3, False, False, 0.0, "Hi", (TurnWord(10, 200, "Hi", 0.5, False),), "")
    assert json.loads(encode(turn)) == {
        "type": "Turn",
        "turn_order": 3,
        "turn_is_formatted": False,
        "end_of_turn": False,
        "end_of_turn_confidence": 0.0,
        "transcript": "Hi",
        "words": [{"start": 10, "end": 200, "text": "Hi", "confidence": 0.5, "word_is_final": False}],
        "utterance": "",
    }
