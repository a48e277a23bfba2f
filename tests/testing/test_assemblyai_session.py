import json

import numpy as np
import pytest

from causal.testing.assemblyai_query import Refusal, read_query
from causal.testing.assemblyai_session import REASON, Reply, Rules, ServiceSession, Shut
from causal.testing.assemblyai_turns import OracleEar, ScriptEar, ScriptWord
from causal.testing.oracle_speech import silence, speak, to_s16

US = "/v3/ws?sample_rate=16000&speech_model=universal-streaming-english"
PRO = "/v3/ws?sample_rate=16000&speech_model=universal-3-6-pro"
SCRIPT = [ScriptWord("good", 100, 300), ScriptWord("morning", 350, 700), ScriptWord("again", 2000, 2400)]


def session(
    path: str = US, *, rules: Rules | None = None, script: bool = False, max_s: float = 10_800
) -> ServiceSession:
    ear = ScriptEar(SCRIPT) if script else OracleEar()
    return ServiceSession(read_query(path), ear, rules or Rules(), now_s=0.0, unix_s=1e9, max_s=max_s)


def feed(to: ServiceSession, samples: np.ndarray, *, start_s: float = 0.0, frame: int = 1600) -> list[Reply]:
    """Sends audio in real time."""
    replies = []
    for n in range(0, len(samples), frame):
        replies += to.audio(samples[n : n + frame].tobytes(), start_s + n / 16_000)
    return replies


def turns(replies: list[Reply], *, ended: bool) -> list[str]:
    return [
        reply["transcript"]
        for reply in replies
        if isinstance(reply, dict) and reply["type"] == "Turn" and reply["end_of_turn"] is ended
    ]


def types(replies: list[Reply]) -> list[str]:
    return [reply["type"] if isinstance(reply, dict) else str(reply) for reply in replies]


def refused(replies: list[Reply]) -> tuple[int, str]:
    error, shut = replies[-2:]
    assert isinstance(error, dict)
    assert shut == Shut(error["error_code"], REASON)
    return error["error_code"], error["error"]


AUDIO = to_s16(np.concatenate([speak([1, 2, 3]), silence(1000), speak([44]), silence(1000)]))


def test_the_transcript_is_what_the_audio_says():
    replies = feed(session(), AUDIO)
    assert turns(replies, ended=True) == ["n1 n2 n3", "n44"]


def test_word_by_word_models_hold_the_newest_word_back_from_the_transcript():
    replies = feed(session(), AUDIO)
    assert turns(replies, ended=False) == ["", "n1", "n1 n2", ""]
    first = replies[0]
    assert [(word["text"], word["word_is_final"]) for word in first["words"]] == [("n1", False)]


def test_a_formatted_turn_ends_twice_or_once_as_the_rules_say():
    asked = US + "&format_turns=True"
    assert turns(feed(session(asked), AUDIO), ended=True) == ["n1 n2 n3", "N1 n2 n3.", "n44", "N44."]
    assert turns(feed(session(asked, rules=Rules(two_finals=False)), AUDIO), ended=True) == ["N1 n2 n3.", "N44."]


def test_a_pro_model_sends_the_whole_turn_anew_and_says_when_speech_started():
    replies = feed(session(PRO), AUDIO)
    assert types(replies)[:2] == ["SpeechStarted", "Turn"]
    assert turns(replies, ended=False) == ["N1.", "N1 n2.", "N1 n2 n3.", "N44."]
    assert turns(replies, ended=True) == ["N1 n2 n3.", "N44."]


def test_the_edges_can_be_as_wrong_as_those_that_were_measured():
    final = feed(session(PRO, rules=Rules(wrong_edges=True)), np.concatenate([np.zeros(32_000, np.int16), AUDIO]))
    words = next(reply["words"] for reply in final if reply["type"] == "Turn" and reply["end_of_turn"])
    assert words[0]["start"] == pytest.approx(2000 - 990, abs=10)
    assert words[-1]["end"] == pytest.approx(2000 + 1040 + 240, abs=10)


def test_a_script_is_said_when_the_audio_has_come_so_far():
    quiet = np.zeros(16_000 * 4, np.int16)
    talk = session(script=True)
    assert turns(feed(talk, quiet[: 16_000 // 4]), ended=False) == []
    assert turns(feed(talk, quiet), ended=True) == ["good morning", "again"]


def test_the_formatted_final_can_come_late_or_never():
    asked, rules = US + "&format_turns=true", Rules(formatted_delay_s=2.0)
    talk = session(asked, rules=rules)
    assert turns(feed(talk, AUDIO[: 16_000 * 2]), ended=True) == ["n1 n2 n3"]
    assert turns(talk.tick(3.0), ended=True) == []
    assert turns(talk.tick(4.0), ended=True) == ["N1 n2 n3."]
    assert turns(feed(session(asked, rules=Rules(formatted_delay_s=None)), AUDIO), ended=True) == ["n1 n2 n3", "n44"]


def test_terminate_flushes_and_ends_in_good_order():
    talk = session()
    feed(talk, AUDIO[: 16_000 * 4 // 10])
    replies = talk.text('{"type": "Terminate"}', 1.0)
    assert turns(replies, ended=True) == ["n1", ""]
    assert types(replies)[-2] == "Termination"
    assert replies[-2]["audio_duration_seconds"] == 0
    assert replies[-1] == Shut(1000, "Session Ended")


def test_force_endpoint_ends_the_turn_now():
    talk = session()
    feed(talk, AUDIO[: 16_000 * 6 // 10])
    assert turns(talk.text('{"type": "ForceEndpoint"}', 1.0), ended=True) == ["n1 n2"]


def test_an_update_changes_what_follows_and_a_wrong_value_ends_the_session():
    talk = session()
    assert talk.text('{"type": "UpdateConfiguration", "min_turn_silence": 2000}', 0.0) == []
    assert turns(feed(talk, AUDIO), ended=True) == []
    assert refused(talk.text('{"type": "UpdateConfiguration", "keyterms_prompt": "word"}', 1.0))[0] == 3006


@pytest.mark.parametrize(
    ("text", "told"), [('{"type": "Hello"}', "Invalid Message Type: Hello"), ("{", "Invalid JSON"), ("[]", "None")]
)
def test_messages_that_do_not_fit_end_the_session(text, told):
    code, said = refused(session().text(text, 0.0))
    assert code == 3006
    assert told in said


def test_keep_alive_resets_the_inactivity_timer_and_silence_counts_as_activity():
    talk = session(US + "&inactivity_timeout=5")
    talk.text('{"type": "KeepAlive"}', 3.0)
    assert talk.tick(7.9) == []
    talk.audio(bytes(3200), 7.9)
    assert talk.tick(12.8) == []
    code, said = refused(talk.tick(12.9))
    assert (code, "inactivity" in said) == (3006, True)


def test_short_frames_are_borne_for_a_second_and_long_ones_not_at_all():
    talk = session()
    for n in range(49):
        assert talk.audio(bytes(640), n * 0.02) == []
    assert refused(talk.audio(bytes(640), 1.0)) == (
        3007,
        "Input Duration Error: Input Duration Violation: 20.0 ms. Expected between 50 and 1000 ms",
    )
    assert session().audio(bytes(32_000), 0.0) == []
    assert refused(session().audio(bytes(38_400), 0.0))[0] == 3007


def test_five_minutes_ahead_are_too_many():
    talk = session()
    for _ in range(300):
        assert talk.audio(bytes(32_000), 0.5) == []
    code, said = refused(talk.audio(bytes(32_000), 0.5))
    assert code == 3007
    assert said == "Audio Transmission Rate Exceeded: Received 301.0 sec. audio in 0.50 sec"


def test_a_paced_service_hears_no_faster_than_it_takes_in():
    talk = session(rules=Rules(paced=True))
    assert talk.audio(AUDIO.tobytes()[:32_000], 0.0) == []
    assert turns(talk.tick(0.2), ended=False) == []
    assert turns(talk.tick(0.3), ended=False) == [""]


def test_a_session_ends_when_it_expires():
    talk = session(max_s=60)
    assert talk.begin()["expires_at"] == 1_000_000_060
    assert talk.tick(59.9) == []
    assert refused(talk.tick(60.0))[0] == 3008


def test_heartbeats_come_when_asked_for_and_tell_how_far_the_service_is():
    assert session().tick(6.0) == []
    talk = session(US + "&session_heartbeat=true")
    talk.audio(bytes(3200), 0.1)
    (beat,) = talk.tick(5.0)
    assert beat["total_audio_received_ms"] == 100
    assert all(isinstance(beat[name], int) for name in ("total_audio_received_ms", "total_duration_ms"))


def test_silence_is_told_when_asked_for():
    replies = feed(session(PRO + "&acknowledge_silence=true"), np.zeros(16_000 * 3, np.int16))
    assert [(reply["start_ms"], reply["end_ms"]) for reply in replies] == [(0, 1000), (1000, 2000), (2000, 3000)]


def test_every_field_that_the_official_client_requires_is_there_with_whole_times():
    for path in (US + "&format_turns=true", PRO):
        for reply in feed(session(path), AUDIO):
            if reply["type"] == "Turn":
                assert {"turn_order", "turn_is_formatted", "end_of_turn_confidence", "words"} <= reply.keys()
                assert all(isinstance(word[name], int) for word in reply["words"] for name in ("start", "end"))


def test_nonsense_is_mixed_in_when_wanted():
    replies = feed(session(rules=Rules(nonsense=True)), AUDIO)
    assert "this is not JSON" in replies
    assert turns(replies, ended=True) == ["n1 n2 n3", "n44"]


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ("sample_rate=7999", "at least 8,000"),
        ("sample_rate=96001", "between"),
        ("encoding=flac", "encoding"),
        ("speech_model=u3-pro", "speech_model"),
        ("keyterms_prompt=a&keyterms_prompt=b", "Invalid JSON array"),
        ("keyterms_prompt=a", "Invalid JSON array"),
        ("keyterms_prompt=" + json.dumps(["x"] * 101), "Max 100 items"),
        ("inactivity_timeout=4", "inactivity_timeout"),
        ("format_turns=yes", "boolean"),
        ("vad_threshold=1.5", "vad_threshold"),
        ("prompt=" + "x" * 1751, "1750"),
        ('language_codes=["multi","en"]', "multi"),
    ],
)
def test_wrong_parameters_are_refused(parameters, told):
    with pytest.raises(Refusal, match=told) as caught:
        read_query(f"/v3/ws?{parameters}")
    assert caught.value.code == 3006


def test_unknown_parameters_are_ignored_and_booleans_come_in_any_case():
    query = read_query("/v3/ws?speech_model=universal-streaming-english&format_turns=TRUE&formatturns=x")
    assert query.format_turns
    assert not query.is_pro


def test_key_terms_that_are_too_long_vanish_without_a_word():
    query = read_query("/v3/ws?keyterms_prompt=" + json.dumps(["good", "x" * 51]))
    assert query.fields["keyterms_prompt"] == ["good"]
