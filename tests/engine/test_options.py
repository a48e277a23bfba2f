import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.engine.options import Options, parse_query, query_token
from causal.engine.refusal import BAD_INPUT, Refused


def refusal(query: str) -> str:
    with pytest.raises(Refused) as caught:
        parse_query(query)
    assert caught.value.code == BAD_INPUT
    return caught.value.text


def test_nothing_asked_for_gives_the_defaults():
    assert parse_query("") == Options()


def test_what_the_official_client_sends_is_understood():
    keyterms = "%5B%22causal%22%5D"
    query = (
        f"min_turn_silence=400&format_turns=True&keyterms_prompt={keyterms}&sample_rate=8000&encoding=pcm_s16le"
        "&speech_model=universal-streaming-english&inactivity_timeout=30&session_heartbeat=True"
    )
    assert parse_query(query) == Options(
        sample_rate=8000, min_turn_silence=400, inactivity_timeout=30, session_heartbeat=True
    )


@pytest.mark.parametrize("text", ["True", "true", "TRUE", "1"])
def test_a_truth_may_be_written_in_any_case(text):
    assert parse_query(f"session_heartbeat={text}").session_heartbeat


def test_what_is_not_known_is_ignored():
    assert parse_query("speaker_labels=true&no_such_thing=1&no_such_thing=2") == Options()


def test_a_wrong_rate_is_refused_in_the_words_of_the_service():
    assert refusal("sample_rate=4000") == "sample_rate must be at least 8,000 Hz"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sample_rate=fast", "sample_rate must be a whole number, not 'fast'"),
        ("sample_rate=192000", "sample_rate must be at most 96,000 Hz"),
        ("encoding=opus", "encoding must be pcm_s16le, not 'opus'"),
        ("inactivity_timeout=2", "inactivity_timeout must be at least 5 s"),
        ("vad_threshold=1.5", "vad_threshold must be between 0 and 1, not '1.5'"),
        ("vad_threshold=nan", "vad_threshold must be between 0 and 1, not 'nan'"),
        ("session_heartbeat=maybe", "session_heartbeat must be true or false, not 'maybe'"),
        ("keyterms_prompt=causal", "keyterms_prompt: Invalid JSON array"),
        ("keyterms_prompt=a&keyterms_prompt=b", "keyterms_prompt is given more than once; a list is one JSON value"),
        (f"keyterms_prompt={json.dumps(['x'] * 101)}", "keyterms_prompt: Max 100 items"),
    ],
)
def test_a_wrong_value_is_named(query, says):
    assert refusal(query) == says


@pytest.mark.parametrize("languages", ['["en"]', '["en-GB"]', '["multi"]', '["de","en"]', "[]"])
def test_english_may_be_asked_for(languages):
    assert parse_query(f"language_codes={languages}") == Options()


def test_another_language_is_refused_for_the_text_would_be_nonsense():
    assert "English only, not de, fr" in refusal('language_codes=["de","fr"]')
    assert "English only, not de" in refusal("language_code=de")


def test_a_browser_sends_its_key_in_the_address():
    assert query_token("sample_rate=16000&token=abc") == "abc"
    assert query_token("sample_rate=16000") is None


@given(st.dictionaries(st.sampled_from(["sample_rate", "vad_threshold", "language_codes", "x"]), st.text()))
def test_no_query_does_anything_but_parse_or_be_refused(given_values):
    from urllib.parse import urlencode

    try:
        assert isinstance(parse_query(urlencode(given_values)), Options)
    except Refused as refused:
        assert refused.code == BAD_INPUT
