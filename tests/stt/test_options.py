import json
from urllib.parse import parse_qs, urlsplit

import pytest

from causal.errors import ConfigError
from causal.stt.options import Key, Options, headers, url


def options(**changes: object) -> Options:
    return Options(**({"address": "ws://127.0.0.1:9", "model": "universal-streaming-english"} | changes))  # type: ignore[arg-type]


def query(**changes: object) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url(options(**changes))).query, strict_parsing=True)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("wss://streaming.assemblyai.com", "wss://streaming.assemblyai.com/v3/ws"),
        ("ws://localhost:8080/", "ws://localhost:8080/v3/ws"),
        ("ws://localhost:8080/v3/ws", "ws://localhost:8080/v3/ws"),
        ("wss://host/some/proxy", "wss://host/some/proxy/v3/ws"),
    ],
)
def test_the_path_is_added_where_it_is_missing(address, expected):
    assert url(options(address=address)).split("?")[0] == expected


def test_the_model_and_the_format_are_always_sent():
    asked = query()
    assert asked["speech_model"] == ["universal-streaming-english"]
    assert asked["sample_rate"] == ["16000"]
    assert asked["encoding"] == ["pcm_s16le"]


def test_a_list_is_json_in_one_parameter():
    asked = query(keyterms=("Müller & Söhne", 'say "hi"'))
    assert [json.loads(text) for text in asked["keyterms_prompt"]] == [["Müller & Söhne", 'say "hi"']]
    assert json.loads(query(model="universal-3-6-pro", language="de,en")["language_codes"][0]) == ["de", "en"]


def test_each_family_is_asked_for_what_it_knows():
    streaming, pro = query(mode="balanced"), query(model="universal-3-5-pro", mode="balanced", language="de")
    assert streaming["format_turns"] == ["true"]
    assert streaming["session_heartbeat"] == pro["session_heartbeat"] == pro["acknowledge_silence"] == ["true"]
    assert "acknowledge_silence" not in streaming
    assert "mode" not in streaming
    assert "format_turns" not in pro
    assert pro["mode"] == ["balanced"]
    assert query(model="universal-3-5-pro")["language_detection"] == ["true"]


def test_the_multilingual_model_finds_the_language_by_itself_also_when_one_is_expected():
    for language in ("", "de", "pt-BR", "multi"):
        asked = query(model="universal-streaming-multilingual", language=language)
        assert asked["language_detection"] == ["true"]
        assert not asked.keys() & {"language", "language_code", "language_codes"}
    assert "language_detection" not in query(language="en")
    assert "language_detection" not in query(model="universal-3-6-pro", language="de")


def test_only_models_with_a_choice_may_end_a_turn_twice():
    assert options().formatting_requested
    assert not options(format_turns=False).formatting_requested
    assert not options(model="universal-3-6-pro").formatting_requested
    assert not options(model="whisper-rt").formatting_requested


def test_the_key_goes_raw_into_the_header_and_a_token_into_the_query():
    assert headers(Key("k3y"))["Authorization"] == "k3y"
    assert headers(None) == {"AssemblyAI-Version": "2025-05-12"}
    assert parse_qs(urlsplit(url(options(), Key("t&k"))).query)["token"] == ["t&k"]


def test_a_key_does_not_show_itself():
    assert "k3y" not in f"{Key('k3y')!r} {Key('k3y')} {[Key('k3y')]} {vars(Key)}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "https://streaming.assemblyai.com"},
        {"address": "streaming.assemblyai.com"},
        {"address": "wss://host/v3/ws?token=abc"},
        {"model": ""},
        {"mode": "fast"},
        {"language": "de"},
        {"model": "universal-streaming-multilingual", "language": "pl"},
        {"model": "universal-streaming-multilingual", "language": "en,pl"},
        {"model": "universal-3-6-pro", "language": "multi,en"},
        {"model": "universal-3-6-pro", "language": "a,b,c,d,e,f,g,h,i,j,k"},
        {"keyterms": tuple(f"term {n}" for n in range(101))},
        {"keyterms": ("x" * 51,)},
        {"keyterms": (" ",)},
        {"inactivity_timeout_s": 4},
        {"inactivity_timeout_s": 3601},
        {"min_turn_silence_ms": 49},
    ],
)
def test_what_the_service_would_refuse_or_ignore_is_refused_here_with_a_hint(wrong):
    with pytest.raises(ConfigError) as caught:
        options(**wrong)
    assert caught.value.hint


def test_the_limits_themselves_are_allowed():
    assert len(options(keyterms=tuple("x" * 50 for _ in range(100))).keyterms) == 100
    assert options(inactivity_timeout_s=5).inactivity_timeout_s == 5
