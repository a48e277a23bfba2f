"""Export, from a real broker that answers in a thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from causal import export as export_module
from causal.broker.app import Broker
from causal.errors import CausalError
from causal.export import export, session_events
from causal.messages import Event, Gap, SessionStatus, TranscriptFinal
from causal.testing.one_loop import OneLoop


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        Broker(stack.service("broker"))
        yield stack


def said(session: str, start_ms: int, text: str = "Hello.") -> TranscriptFinal:
    return TranscriptFinal(
        session=session,
        source="mic",
        turn=str(start_ms),
        revision=0,
        text=text,
        start_ms=start_ms,
        end_ms=start_ms + 900,
        started_at="2026-01-31T12:00:00.000Z",
    )


def asked(stack: OneLoop, *arguments: Any) -> Any:
    """What `export` returns or raises, while the broker's loop turns."""
    results: list[Any] = []

    def work() -> None:
        with zmq.Context() as context:
            try:
                results.append(export(context, stack.paths, *arguments))
            except CausalError as error:
                results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    stack.run_until(lambda: results, within_s=10.0)
    thread.join()
    return results[0]


def test_one_session_is_told_and_no_other(stack: OneLoop) -> None:
    stack.publish(said("a", 0, "Mine."), said("b", 0, "Not mine."), said("a", 1000, "Mine too."))
    assert asked(stack, "a", "txt") == "Session a\nStarted: 2026-01-31T12:00:00.000Z\nSources: mic\n\n" + (
        "[00:00:00] mic: Mine.\n[00:00:01] mic: Mine too.\n"
    )


def test_a_long_session_is_read_in_several_answers(stack: OneLoop) -> None:
    events: list[Event] = [said("a", n * 1000) for n in range(250)]
    stack.publish(*events, Gap(session="b", source="mic", start_ms=0, length_ms=1, reason="moved"))
    assert asked(stack, "a", "txt").count("Hello.") == 250


def test_a_session_in_which_nothing_was_said_is_one(stack: OneLoop) -> None:
    stack.publish(SessionStatus(session="a", label="", state="running", sources=("mic",)))
    assert asked(stack, "a", "srt") == ""


def test_an_unknown_session_is_answered_with_the_nearest(stack: OneLoop) -> None:
    error = asked(stack, "20260131-120000-abcf", "txt", ["20260131-120000-abcd", "x"])
    assert error.code == "unknown-session"
    assert error.hint == "Did you mean 20260131-120000-abcd?"
    assert asked(stack, "zzz", "txt", ["20260131-120000-abcd"]).hint == "causal-ctl sessions shows them."


def test_an_unknown_format_is_answered_with_those_there_are(stack: OneLoop) -> None:
    error = asked(stack, "a", "strt")
    assert error.code == "bad-request"
    assert error.hint == "Did you mean srt? Known are txt, md, srt, vtt, json, csv."


def test_a_broker_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "SILENT_S", 0.2)
    with OneLoop(tmp_path) as stack, pytest.raises(CausalError, match="the broker does not answer"):
        session_events(stack.context, stack.paths, "a")
