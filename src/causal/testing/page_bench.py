"""What a web page is told in tests, and what then stands on it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

from causal.messages import CaptureStatus, SessionStatus, TranscriptFinal, Word

STARTED = "2026-01-31T12:00:00.000Z"


def session(name: str = "s", **fields: Any) -> SessionStatus:
    known = {"label": "Tea", "state": "running", "sources": ("mic", "system"), "started_at": STARTED, "engine": "local"}
    return SessionStatus(session=name, **(known | fields))


def words(n: int, text: str = "", **fields: Any) -> dict[str, Any]:
    """Of the `n`th turn of a session; one a second."""
    text = text or f"Words of turn {n}."
    known = {"session": "s", "source": "mic", "turn": str(n), "revision": 0, "text": text}
    return known | {"start_ms": n * 1000, "end_ms": n * 1000 + 900, "started_at": STARTED} | fields


def final(n: int, text: str = "", **fields: Any) -> TranscriptFinal:
    known = words(n, text, **fields)
    word = Word(text=known["text"], start_ms=known["start_ms"], end_ms=known["end_ms"], confidence=0.9)
    return TranscriptFinal(words=(word,), **known)


def status(source: str = "mic", **fields: Any) -> CaptureStatus:
    known = {"device": f"pulse:{source}", "state": "capturing", "speech": "live"}
    numbers = {"captured_ms": 9000, "sent_ms": 8800, "final_ms": 6000, "rms_dbfs": -30.0, "peak_dbfs": -15.0}
    return CaptureStatus(session="s", source=source, **(known | numbers | fields))


def texts(page: Page) -> list[str]:
    """The words on the page, from top to bottom."""
    return page.locator("#transcript li .text").all_text_contents()


def wait_for_texts(page: Page, wanted: list[str]) -> None:
    expect(page.locator("#transcript li .text")).to_have_text(wanted)
