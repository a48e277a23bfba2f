"""The page of `causal-ctl watch`."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from causal import wire
from causal.control.panel import RED, YELLOW, Panel, Story, meter
from causal.messages import (
    CaptureStatus,
    HopLatency,
    QueueDepth,
    ServiceStatus,
    SessionStatus,
    TranscriptFinal,
    TranscriptPartial,
)
from causal.messages.control import Fault, ServiceView, SessionView
from causal.screen import width_of

SERVICES = ("broker", "capture", "control", "engine", "resample", "stt")


def session(number: int = 1, state: Any = "running") -> SessionStatus:
    return SessionStatus(
        session=f"s-{number}",
        label="",
        state=state,
        sources=("mic",),
        started_at="2026-01-31T12:00:00.000Z",
        engine="local",
    )


def stream(number: int = 1, **known: Any) -> CaptureStatus:
    fields = {"device": "pulse:m", "state": "capturing", "speech": "live"} | known
    return CaptureStatus(session=f"s-{number}", source="mic", **fields)


def reply(sessions: int = 1, fault: Fault | None = None, dropped: int = 0, alive: bool = True) -> dict[str, Any]:
    views = [
        SessionView(status=session(number), streams=(stream(number),), faults={"mic": fault} if fault else {})
        for number in range(1, sessions + 1)
    ]
    workers = [
        ServiceView(
            status=ServiceStatus(
                service=name,
                instance="1",
                pid=1,
                cpu_percent=1.0,
                rss_bytes=40_000_000,
                queues={"chunks": QueueDepth(depth=0, capacity=5, dropped=dropped)} if name == "stt" else {},
                latency_ms={name: HopLatency(p50=1.0, p99=2.0)},
            ),
            alive=alive or name != "stt",
        )
        for name in SERVICES
    ]
    return {
        "version": "0.1.0",
        "engine": "local",
        "sessions": [wire.to_map(view) for view in views],
        "services": [wire.to_map(view) for view in workers],
    }


def transcript(text: str, turn: int = 0) -> dict[str, Any]:
    return {
        "session": "s-1",
        "source": "mic",
        "turn": str(turn),
        "revision": 0,
        "text": text,
        "start_ms": turn * 1000,
        "end_ms": turn * 1000 + 900,
        "started_at": "2026-01-31T12:00:01.000Z",
    }


def final(text: str, turn: int = 0) -> TranscriptFinal:
    return TranscriptFinal(seq=turn + 1, **transcript(text, turn))


@pytest.fixture
def panel() -> Panel:
    panel = Panel(datetime.UTC)
    panel.on_status(reply())
    return panel


def texts(panel: Panel, columns: int = 80, rows: int = 24) -> list[str]:
    return [row.text for row in panel.page(columns, rows, "12:34:56")]


def test_the_drift_of_a_device_is_shown_once_it_is_known(panel: Panel) -> None:
    panel.on(stream(captured_ms=30_000, drift_ppm=12.3))
    assert any(text.endswith("DRIFT") for text in texts(panel))
    assert any(text.endswith("+12 ppm") for text in texts(panel))


def test_a_page_has_streams_services_delays_and_words(panel: Panel) -> None:
    panel.on(stream(captured_ms=54_200, sent_ms=54_100, final_ms=51_000, rms_dbfs=-24.0, peak_dbfs=-12.0))
    panel.on(final("What was said."))
    panel.on(TranscriptPartial(**transcript("What is be", 1)))
    assert texts(panel) == [
        "Causal 0.1.0   new sessions are heard by local                          12:34:56",
        "session s-1: running, heard by local",
        "  SOURCE  STATE      SPEECH  LEVEL            HEARD   UNSENT  FINAL TO",
        "  mic     capturing  live    ██████·│··  -24  54.2 s  0.1 s   51.0 s",
        "services  broker 1 % · capture 1 % · control 1 % · engine 1 % · resample 1 % ·",
        "          stt 1 %",
        "delay ms  broker 1.0/2.0 · capture 1.0/2.0 · control 1.0/2.0 · engine 1.0/2.0 ·",
        "          resample 1.0/2.0 · stt 1.0/2.0",
        "─" * 80,
        "12:00:00 --   session s-1 listens to mic, heard by local",
        "12:00:01 mic  What was said.",
        "mic  What is be",
    ]


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
@pytest.mark.parametrize("rows", [8, 24, 60])
@pytest.mark.parametrize("sessions", [0, 1, 12])
def test_a_page_fits_its_terminal_and_keeps_room_for_words(columns: int, rows: int, sessions: int) -> None:
    panel = Panel()
    fault = Fault(code="internal", message="it does not work " * 9, hint="Mend it. " * 20)
    panel.on_status(reply(sessions, fault, dropped=2))
    for turn in range(60):
        panel.on(final("字幕 and a good many words that want more than one row " * 3, turn))
    page = panel.page(columns, rows, "12:34:56")
    assert len(page) == rows
    assert max(width_of(row.text) for row in page) <= columns
    assert "want more than" in " ".join(row.text for row in page[-5:]) or columns == 20


def test_the_newest_words_stay_when_there_are_too_many(panel: Panel) -> None:
    for turn in range(300):
        panel.on(final(f"number {turn}", turn))
    assert texts(panel)[-1].endswith("number 299")


def test_what_is_wrong_is_there_in_red(panel: Panel) -> None:
    fault = Fault(code="device-lost", message="the microphone is gone", hint="Plug it in.", retrying=True)
    panel.on_status(reply(fault=fault, dropped=3, alive=False))
    painted = {row.text: row.style for row in panel.page(80, 24, "")}
    assert painted["! mic: the microphone is gone (trying again)"] == RED
    assert painted["  Plug it in."] == RED
    assert painted["! stt is not running"] == RED
    assert painted["dropped   stt chunks 3"] == YELLOW


def test_a_stream_in_trouble_is_coloured(panel: Panel) -> None:
    panel.on(stream(state="muted", captured_ms=10))
    (row,) = [row for row in panel.page(80, 24, "") if row.text.startswith("  mic")]
    assert row.style == YELLOW


def test_what_can_be_done_about_a_state_stands_below_it(panel: Panel) -> None:
    panel.on(stream(state="muted", captured_ms=10, hint="unmute it so"))
    painted = {row.text: row.style for row in panel.page(80, 24, "")}
    assert painted["  mic: unmute it so"] == YELLOW


def test_without_a_session_the_page_says_how_to_begin_one() -> None:
    panel = Panel()
    panel.on_status(reply(0))
    assert texts(panel)[1] == "no session is running; causal-ctl start begins one"


def test_what_a_name_contains_does_not_steer_the_terminal(panel: Panel) -> None:
    panel.on(final("\x1b[2Jgone"))
    assert not any("\x1b" in text for text in texts(panel))


def test_a_session_is_introduced_once_whoever_tells_of_it_first() -> None:
    late, early = Story(), Story()
    assert [len(late.on_status(reply())), len(late.on(session())), len(late.on_status(reply()))] == [1, 0, 0]
    assert [len(early.on(session())), len(early.on_status(reply()))] == [1, 0]
    assert len(early.on(session(state="ended"))) == 1


@pytest.mark.parametrize(
    ("rms_dbfs", "peak_dbfs", "expected"),
    [
        (-120.0, -120.0, "··········    -"),
        (-60.0, -60.0, "··········  -60"),
        (-30.0, -30.0, "█████·····  -30"),
        (-30.0, -6.0, "█████···│·  -30"),
        (0.0, 0.0, "██████████    0"),
        (6.0, 6.0, "██████████    6"),
    ],
)
def test_the_meter_goes_from_60_below_to_full_scale(rms_dbfs: float, peak_dbfs: float, expected: str) -> None:
    assert meter(rms_dbfs, peak_dbfs) == expected
