"""The console sink, written to a pipe."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from causal.messages import Event, SessionStatus, TranscriptFinal, TranscriptPartial
from causal.sink.console import ConsoleSink
from causal.sink.sink import SinkOptions
from causal.subscription import TRANSCRIPT


def said(kind: type[TranscriptPartial | TranscriptFinal], text: str) -> Event:
    return kind(
        session="s", source="mic", turn="1", revision=0, text=text, start_ms=0, end_ms=1, started_at="2026-01-31T12:00Z"
    )


def test_a_pipe_gets_finals_and_the_state_of_sessions(capfd: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(SinkOptions(Path()))
    sink.open()
    sink.write(SessionStatus(session="s", label="", state="running", sources=("mic",)))
    sink.write(said(TranscriptPartial, "so"))
    sink.write(said(TranscriptFinal, "So it is."))
    sink.close()
    lines = capfd.readouterr().out.splitlines()
    assert [line[9:] for line in lines] == ["--   session s listens to mic", "mic  So it is."]


def test_what_was_written_before_a_failure_is_not_written_again(capfd: pytest.CaptureFixture[str]) -> None:
    sink = ConsoleSink(SinkOptions(Path()))
    for _ in range(2):
        sink.open()
        sink.write(said(TranscriptFinal, "Once."))
        sink.close()
    assert capfd.readouterr().out.count("Once.") == 1


def test_partials_are_wanted_only_where_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ConsoleSink(SinkOptions(Path())).ephemeral == ()
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setenv("TERM", "xterm")
        assert ConsoleSink(SinkOptions(Path())).ephemeral == TRANSCRIPT
