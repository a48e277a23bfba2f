"""The command line of a sink."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from causal.sink.app import main
from causal.sink.console import ConsoleSink
from causal.sink.jsonl import JsonlSink
from causal.sink.sink import find, names


def test_our_sinks_enter_by_the_door_for_all() -> None:
    assert find("console") is ConsoleSink
    assert find("jsonl") is JsonlSink
    assert {"console", "jsonl"} <= set(names())


@pytest.mark.parametrize("name", ["jsonl", "txt", "md", "srt", "vtt", "sqlite", "webhook"])
def test_a_sink_that_only_stores_is_not_woken_by_partials(name: str) -> None:
    assert getattr(find(name), "ephemeral", None) == ()


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    result = CliRunner().invoke(main, ["jsnol"])
    assert result.exit_code == 2
    assert "'jsnol'" in result.stderr
    assert "console, jsonl" in result.stderr


@pytest.mark.parametrize("begin", ["then", "0", "-1"])
def test_a_beginning_that_is_none_is_refused(begin: str) -> None:
    result = CliRunner().invoke(main, ["jsonl", "--from", begin])
    assert result.exit_code == 2
    assert "neither start, now" in result.stderr


def test_a_file_of_somebody_else_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HONCHO_PROCESS_NAME", raising=False)
    notes = tmp_path / "notes.txt"
    notes.write_text("Dear diary\n")
    with tempfile.TemporaryDirectory(prefix="causal-") as short:  # for a socket's path
        for name in ("RUNTIME", "DATA", "CONFIG"):
            monkeypatch.setenv(f"CAUSAL_{name}_DIR", f"{short}/{name}")
        result = CliRunner().invoke(main, ["jsonl", "--out", str(notes)])
    assert result.exit_code == 2
    assert "notes.txt is not a transcript" in result.stderr
    assert notes.read_text() == "Dear diary\n"


def test_the_help_names_what_is_installed() -> None:
    assert "Installed sinks: console, jsonl" in CliRunner().invoke(main, ["--help"]).output


@pytest.mark.parametrize("arguments", ["webhook --help", "--help webhook", "webhook --from start --out x --help"])
def test_the_help_of_a_sink_has_its_own_options(arguments: str) -> None:
    result = CliRunner().invoke(main, arguments.split())
    assert result.exit_code == 0
    assert "The sink webhook:" in result.output
    assert "--give-up-after SECONDS" in result.output


def test_the_help_of_a_sink_without_options_says_what_it_does() -> None:
    assert "Appends to a file" in " ".join(CliRunner().invoke(main, ["jsonl", "--help"]).output.split())


def test_the_help_of_a_sink_that_does_not_exist_is_the_general_one() -> None:
    result = CliRunner().invoke(main, ["jsnol", "--help"])
    assert result.exit_code == 0
    assert "The sink" not in result.output
