"""The controller's `export`, with a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from causal.broker.app import Broker
from causal.control import exporter
from causal.control.clerk import Clerk
from causal.control.effects import ReadSession, Ticket
from causal.messages import TranscriptFinal
from causal.testing.one_loop import OneLoop


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        Broker(stack.service("broker"))
        stack.publish(
            TranscriptFinal(
                session="s",
                source="mic",
                turn="1",
                revision=0,
                text="Hello.",
                start_ms=0,
                end_ms=900,
                started_at="2026-01-31T12:00:00.000Z",
            )
        )
        yield stack


def answered(stack: OneLoop, **wish: Any) -> dict[str, Any]:
    """Read beside the broker's loop, which answers meanwhile."""
    clerk, made = Clerk("transcripts"), []  # type: ignore[var-annotated]
    clerk.ask(Ticket((), "r"), partial(exporter.read, stack.paths, ReadSession(None, **wish)))
    stack.run_until(lambda: made.extend(clerk.made()) or made, within_s=10.0)  # type: ignore[func-returns-value]
    ((_, fields),) = made
    return fields  # type: ignore[no-any-return]


def test_the_reply_has_the_text(stack: OneLoop) -> None:
    fields = answered(stack, session="s", format="srt")
    assert fields == {"ok": True, "session": "s", "format": "srt", "text": "1\n00:00:00,000 --> 00:00:01,000\nHello.\n"}


@pytest.mark.parametrize(
    ("wish", "code", "hint"),
    [
        ({"session": "t", "format": "srt", "known": ("tt",)}, "unknown-session", "Did you mean tt?"),
        ({"session": "s", "format": "pdf"}, "bad-request", "Known are txt, md, srt, vtt, json, csv."),
    ],
)
def test_what_cannot_be_exported_is_refused(stack: OneLoop, wish: dict[str, Any], code: str, hint: str) -> None:
    error = answered(stack, **wish)["error"]
    assert (error["code"], error["hint"]) == (code, hint)


def test_a_text_that_does_not_fit_into_a_reply_is_refused(stack: OneLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "MAX_BYTES", 10)
    assert answered(stack, session="s", format="txt")["error"]["code"] == "too-large"
