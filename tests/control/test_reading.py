"""`causal-ctl export` and `search`: what goes where, and with which exit code."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from causal.broker.app import Broker
from causal.control import cli
from causal.messages import TranscriptFinal
from causal.paths import Paths
from causal.sink.sink import SinkOptions
from causal.sink.sqlite import SqliteSink
from causal.testing.fake_controller import FakeController
from causal.testing.one_loop import OneLoop
from causal.transcript_formats import FORMATS

SAID = TranscriptFinal(
    session="20260131-120000-abcd",
    source="mic",
    turn="1",
    revision=0,
    text="Grüß Gott.",
    start_ms=1000,
    end_ms=1900,
    started_at="2026-01-31T12:00:01.000Z",
)


def ctl(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, arguments)


def exported(paths: Paths, *arguments: str) -> Result:
    """`causal-ctl export` beside a broker that has one session."""
    sessions = {"ok": True, "sessions": [{"session": SAID.session}]}
    results: list[Result] = []
    with FakeController(paths, lambda _: sessions), OneLoop(paths) as stack:
        Broker(stack.service("broker"))
        stack.publish(SAID)
        thread = threading.Thread(target=lambda: results.append(ctl("export", *arguments)))
        thread.start()
        stack.run_until(lambda: results, within_s=10.0)
        thread.join()
    return results[0]


def test_the_transcript_goes_to_standard_output_as_it_is(paths: Paths) -> None:
    result = exported(paths, SAID.session, "--format", "csv")
    assert result.exit_code == 0
    assert result.stdout_bytes.splitlines(keepends=True)[1].endswith(b"\r\n")
    assert "Grüß Gott." in result.stdout_bytes.decode()


def test_the_name_of_the_file_says_the_format(paths: Paths, tmp_path: Path) -> None:
    result = exported(paths, SAID.session, "--out", str(tmp_path / "t.srt"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "t.srt").read_text("utf-8") == "1\n00:00:01,000 --> 00:00:02,000\nGrüß Gott.\n"


def test_with_json_there_is_one_object(paths: Paths, tmp_path: Path) -> None:
    fields = json.loads(exported(paths, SAID.session, "--json").stdout)
    assert (fields["ok"], fields["session"], fields["format"]) == (True, SAID.session, "txt")
    assert "mic: Grüß Gott." in fields["text"]
    out = str(tmp_path / "t.md")
    assert json.loads(exported(paths, SAID.session, "--json", "--out", out).stdout)["out"] == out


def test_an_unknown_session_is_refused_with_the_nearest(paths: Paths) -> None:
    result = exported(paths, "20260131-120000-abce")
    assert result.exit_code == 1
    assert result.stderr == (
        "causal-ctl: there is no session '20260131-120000-abce'. Did you mean 20260131-120000-abcd?\n"
    )


def test_a_file_that_cannot_be_written_is_told(paths: Paths, tmp_path: Path) -> None:
    result = exported(paths, SAID.session, "--out", str(tmp_path / "none" / "t.txt"))
    assert result.exit_code == 1
    assert "none/t.txt cannot be written: No such file or directory" in result.stderr


def test_without_a_stack_the_exit_code_is_3(paths: Paths) -> None:
    assert ctl("export", "s").exit_code == 3


def test_the_command_line_knows_the_formats_there_are() -> None:
    assert tuple(FORMATS) == cli.FORMATS
    assert ctl("export", "s", "--format", "strt").exit_code == 2


@pytest.fixture
def database(paths: Paths) -> None:
    sink = SqliteSink(SinkOptions(paths.data))
    sink.open()
    sink.write(TranscriptFinal(**{name: getattr(SAID, name) for name in SAID.__struct_fields__} | {"seq": 1}))
    sink.flush()
    sink.close()


@pytest.mark.usefixtures("database")
def test_what_is_found_is_shown_without_a_stack() -> None:
    result = ctl("search", "gruss*", "grüß")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing was found\n")
    result = ctl("search", "gruß")
    assert result.exit_code == 0
    assert "20260131-120000-abcd  mic: [Grüß] Gott." in result.stdout


@pytest.mark.usefixtures("database")
def test_what_is_found_may_be_json() -> None:
    fields = json.loads(ctl("search", "Gott", "--json", "--since", "2026-01-01", "--source", "mic").stdout)
    assert [hit["snippet"] for hit in fields["hits"]] == ["Grüß [Gott]."]
    assert json.loads(ctl("search", "Gott", "--json", "--source", "system").stdout) == {"ok": True, "hits": []}


@pytest.mark.usefixtures("paths")
def test_what_cannot_be_searched_is_refused() -> None:
    assert "there is no database" in ctl("search", "word").stderr
    assert "'soon' is no time" in ctl("search", "word", "--since", "soon").stderr
    assert ctl("search", "word").exit_code == 1
    assert ctl("search").exit_code == 2
