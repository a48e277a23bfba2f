"""Where a setting's value comes from, and what is said of a wrong one."""

import tomllib
from importlib import resources
from pathlib import Path

import pytest

from causal import settings
from causal.errors import ConfigError
from causal.settings import Settings


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"CAUSAL_CONFIG_DIR": str(tmp_path)}


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    return tmp_path / "causal.toml"


def refused(environ: dict[str, str], flags: dict[str, str] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        settings.load(flags, environ)
    return caught.value


def test_without_a_word_from_the_user_the_defaults_hold(environ):
    chosen = settings.load({}, environ)
    assert (chosen.engine, chosen.keyterms, chosen.log_level) == ("auto", (), "info")


def test_the_defaults_are_all_settings_with_a_comment_each():
    text = resources.files("causal.config").joinpath("default.toml").read_text("utf-8")
    assert set(tomllib.loads(text)) == set(Settings.__struct_fields__)
    lines = text.splitlines()
    for key in Settings.__struct_fields__:
        where = next(n for n, line in enumerate(lines) if line.startswith(f"{key} ="))
        assert lines[where - 1].startswith("#"), key


def test_the_file_beats_the_defaults_the_variable_the_file_and_the_flag_the_variable(environ, user_file):
    user_file.write_text("block_ms = 20\nengine_port = 1\nengine_threads = 2\n")
    environ |= {"CAUSAL_ENGINE_PORT": "3", "CAUSAL_ENGINE_THREADS": "4"}
    chosen = settings.load({"engine_threads": "5"}, environ)
    assert (chosen.block_ms, chosen.engine_port, chosen.engine_threads) == (20, 3, 5)


def test_texts_become_what_the_setting_is(environ):
    flags = {"journal_hours": "0.5", "keyterms": '["Causal", "ZeroMQ"]', "engine_port": "0", "language": "123"}
    chosen = settings.load(flags, environ)
    assert (chosen.journal_hours, chosen.keyterms, chosen.engine_port, chosen.language) == (
        0.5,
        ("Causal", "ZeroMQ"),
        0,
        "123",
    )


def test_a_text_that_looks_like_a_list_stays_a_text_where_a_text_is_wanted(environ):
    assert settings.load({"speech_model": "[new]"}, environ).speech_model == "[new]"


def test_directories_and_the_parents_variables_are_no_settings(environ):
    environ |= {name: "/tmp/x" for name in settings.DIRECTORIES if name != "CAUSAL_CONFIG_DIR"}
    settings.load({}, environ | {"CAUSAL_PARENT_PIPES": "3,4"})


# --- what is wrong is named, with the place and the remedy ---


def test_an_unknown_key_in_the_file_names_the_file_and_the_nearest_key(environ, user_file):
    user_file.write_text("key_terms = []\n")
    error = refused(environ)
    assert "key_terms" in error.message
    assert str(user_file) in error.message
    assert error.hint == "Did you mean keyterms?"


def test_an_unknown_variable_names_the_nearest_variable(environ):
    error = refused(environ | {"CAUSAL_ENGINE_PROT": "8080"})
    assert "CAUSAL_ENGINE_PROT in the environment" in error.message
    assert error.hint == "Did you mean CAUSAL_ENGINE_PORT?"


def test_an_unknown_flag_names_the_nearest_key(environ):
    error = refused(environ, {"loglevel": "debug"})
    assert "loglevel in --set" in error.message
    assert error.hint == "Did you mean log_level?"


def test_a_key_like_no_other_gets_all_of_them(environ):
    assert "engine_port" in refused(environ, {"zzz": "1"}).hint


@pytest.mark.parametrize(
    "line",
    [
        "block_ms = '50'",
        "block_ms = 4",
        "block_ms = 50.5",
        "block_ms = true",
        "journal_hours = -1",
        "journal_hours = nan",
        "engine_port = 65536",
        "engine_threads = 0",
        "log_level = 'loud'",
        "keyterms = 'Causal'",
        "keyterms = [1]",
        "language = 1",
        "[engine]\nport = 1",
    ],
)
def test_a_wrong_value_in_the_file_names_key_and_file(environ, user_file, line):
    user_file.write_text(line)
    error = refused(environ)
    assert line.strip("[").split(" ")[0].split("]")[0] in error.message
    assert str(user_file) in error.message
    assert error.hint


@pytest.mark.parametrize("text", ["", "many", "1.5", "1_0", "[1]", "null", "true", str(2**70)])
def test_a_wrong_number_in_a_variable_names_the_variable(environ, text):
    error = refused(environ | {"CAUSAL_ENGINE_PORT": text})
    assert "CAUSAL_ENGINE_PORT in the environment" in error.message


@pytest.mark.parametrize("text", ["Causal", "", '{"a": 1}', "[1]", '["open'])
def test_a_wrong_list_says_how_to_write_one(environ, text):
    assert '["one", "two"]' in refused(environ, {"keyterms": text}).hint


@pytest.mark.parametrize("content", [b"block_ms =", b"\xff\xfe", b"a = 1\na = 2\n"])
def test_a_file_that_is_no_toml_is_named(environ, user_file, content):
    user_file.write_bytes(content)
    assert f"{user_file} cannot be read" in refused(environ).message


def test_a_folder_in_the_files_place_is_named(environ, user_file):
    user_file.mkdir()
    assert f"{user_file} cannot be read" in refused(environ).message
