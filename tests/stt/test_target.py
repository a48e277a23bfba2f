import json
from pathlib import Path

import pytest

from causal import settings
from causal.errors import CausalError
from causal.messages.control import Assignment
from causal.stt.options import Key
from causal.stt.target import choose, is_loopback

KEY = Key("k3y")
SETTINGS = settings.load({}, {"CAUSAL_CONFIG_DIR": "/nowhere"})


def assignment(engine: str) -> Assignment:
    return Assignment(
        stream="s/mic", epoch=1, device="mic", engine=engine, keyterms=("Causal",), started_ns=0, started_unix_ns=0
    )


def test_assemblyai_is_where_the_settings_say_with_the_key_of_the_controller(tmp_path):
    chosen = choose(assignment("assemblyai"), SETTINGS, KEY, tmp_path / "none")
    assert (chosen.options.address, chosen.key, chosen.is_engine) == (SETTINGS.stt_url, KEY, False)
    assert chosen.options.keyterms == ("Causal",)
    assert chosen.options.model == SETTINGS.speech_model


def test_the_key_goes_to_no_address_where_others_could_read_it(tmp_path):
    open_door = settings.load({"stt_url": "ws://speech.example"}, {"CAUSAL_CONFIG_DIR": "/nowhere"})
    with pytest.raises(CausalError) as caught:
        choose(assignment("assemblyai"), open_door, KEY, tmp_path / "none")
    assert caught.value.code == "bad-config" and "wss://" in caught.value.hint
    near = settings.load({"stt_url": "ws://127.0.0.1:8080"}, {"CAUSAL_CONFIG_DIR": "/nowhere"})
    assert choose(assignment("assemblyai"), near, KEY, tmp_path / "none").key == KEY


def test_without_a_key_the_hint_says_how_to_set_one(tmp_path):
    with pytest.raises(CausalError) as caught:
        choose(assignment("assemblyai"), SETTINGS, None, tmp_path / "none")
    assert caught.value.code == "auth-failed"
    assert "ASSEMBLYAI_API_KEY" in caught.value.hint


def test_the_local_engine_is_where_its_file_says_with_the_key_of_that_file(tmp_path: Path):
    file = tmp_path / "engine.json"
    file.write_text(json.dumps({"url": "ws://127.0.0.1:5", "key": "inner"}))
    chosen = choose(assignment("local"), SETTINGS, KEY, file)
    assert (chosen.options.address, chosen.key, chosen.is_engine) == ("ws://127.0.0.1:5", Key("inner"), True)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"url": "ws://127.0.0.1:5"}'])
def test_an_engine_that_is_not_there_or_half_there_is_an_error_with_a_hint(tmp_path, content):
    file = tmp_path / "engine.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(CausalError) as caught:
        choose(assignment("local"), SETTINGS, KEY, file)
    assert caught.value.code == "engine-failed"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("address", "carried"),
    [("wss://stt.example.org", True), ("ws://localhost:8080", True), ("ws://10.0.0.7:8080", False)],
)
def test_the_key_never_goes_over_a_network_in_the_clear(tmp_path, address, carried):
    chosen = choose(assignment(address), SETTINGS, KEY, tmp_path / "none")
    assert chosen.options.address == address
    assert chosen.key == (KEY if carried else None)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ws://127.0.0.1:9", True),
        ("ws://[::1]:9", True),
        ("wss://localhost", True),
        ("wss://localhost.evil.org", False),
    ],
)
def test_loopback_is_known(address, expected):
    assert is_loopback(address) is expected
