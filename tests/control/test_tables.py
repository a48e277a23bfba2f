"""Replies as people read them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from causal import wire
from causal.control import tables
from causal.messages import CaptureStatus, HopLatency, QueueDepth, ServiceStatus, SessionStatus
from causal.messages.control import Device, Fault, ServiceView, SessionView

TROUBLED = SessionView(
    status=SessionStatus(
        session="s-1",
        label="",
        state="running",
        sources=("mic",),
        started_at="2026-01-31T12:00:00.000Z",
        engine="assemblyai",
    ),
    streams=(
        CaptureStatus(
            session="s-1",
            source="mic",
            device="pulse:built-in",
            state="capturing",
            speech="reconnecting",
            captured_ms=61_000,
            sent_ms=58_500,
            final_ms=50_000,
            lost_ms=400,
            drift_ppm=-17.6,
            rms_dbfs=-31.6,
            peak_dbfs=-12.0,
            hint="the volume of Built-in is 30%",
        ),
    ),
    faults={"mic": Fault(code="connection-failed", message="no network", hint="Is the cable in?", retrying=True)},
    backlog_ms=2_500,
)
"""A session whose connection is lost."""
GONE = ServiceView(
    status=ServiceStatus(
        service="stt",
        instance="1",
        pid=77,
        cpu_percent=1.25,
        rss_bytes=50_000_000,
        queues={"chunks": QueueDepth(depth=1, capacity=50, dropped=3)},
        latency_ms={"chunk": HopLatency(p50=0.94, p99=2.5)},
    ),
    alive=False,
)
"""A worker that ended."""


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def device(name: str, kind: Any, default: bool) -> dict[str, Any]:
    fields = Device(
        id=f"pulse:{name}", name=name, kind=kind, backend="pulse", default=default, channels=2, rate_hz=48_000
    )
    return wire.to_map(fields)


def test_the_defaults_are_marked_by_their_aliases() -> None:
    reply = {
        "devices": [device("built-in", "input", True), device("字幕", "input", False), device("hdmi", "loopback", True)]
    }
    assert tables.devices(reply) == [
        "        KIND      ID              NAME      SOUND",
        "mic     input     pulse:built-in  built-in  2 × 48000 Hz",
        "        input     pulse:字幕      字幕      2 × 48000 Hz",
        "system  loopback  pulse:hdmi      hdmi      2 × 48000 Hz",
    ]


def test_without_devices_there_is_no_table() -> None:
    assert tables.devices({"devices": []}) == []


def test_sessions_have_their_length_once_they_have_ended() -> None:
    row = wire.to_map(
        SessionStatus(
            session="s-1",
            label="stand-up",
            state="ended",
            sources=("mic", "system"),
            reason="stopped",
            started_at="2026-01-31T12:00:00.000Z",
            engine="local",
        )
    )
    running = row | {"session": "s-2", "state": "running", "reason": "", "ended_unix_ns": None}
    ended_unix_ns = 1_769_860_800_000_000_000 + 3_723_000_000_000
    assert tables.sessions({"sessions": [running, row | {"ended_unix_ns": ended_unix_ns}]}) == [
        "SESSION  STATE    STARTED              LENGTH   SOURCES     HEARD BY  REASON   LABEL",
        "s-2      running  2026-01-31 12:00:00           mic system  local              stand-up",
        "s-1      ended    2026-01-31 12:00:00  1:02:03  mic system  local     stopped  stand-up",
    ]


def test_status_tells_of_streams_services_and_what_is_wrong() -> None:
    reply = {
        "version": "0.1.0",
        "engine": "assemblyai",
        "sessions": [wire.to_map(TROUBLED)],
        "services": [wire.to_map(GONE)],
        "directories": {"data": "/d"},
    }
    assert tables.status(reply) == [
        "Causal 0.1.0; new sessions are heard by assemblyai",
        "",
        "session s-1: running, since 2026-01-31 12:00:00, heard by assemblyai",
        "  SOURCE  STATE      SPEECH        LEVEL     HEARD  UNSENT  FINAL TO  LOST   DRIFT    DEVICE",
        "  mic     capturing  reconnecting  -32 dBFS  1:01   2.5 s   50.0 s    0.4 s  -18 ppm  pulse:built-in",
        "  mic: the volume of Built-in is 30%",
        "  2.5 s of sound are still to be transcribed",
        "  ! mic: no network [connection-failed] (trying again)",
        "    Is the cable in?",
        "",
        "SERVICE     STATE  PID  CPU    MEMORY  DROPPED  DELAY ms (p50/p99)",
        "stt      1  gone   77   1.2 %  50 MB   3        chunk 0.9/2.5",
        "",
        "DIRECTORY",
        "data       /d",
    ]


def test_status_without_sessions_says_so() -> None:
    lines = tables.status({"version": "0.1.0", "engine": "local", "sessions": [], "services": []})
    assert "no session is running" in lines


@pytest.mark.parametrize(
    ("length_ms", "text"),
    [(0, "0.0 s"), (59_940, "59.9 s"), (60_000, "1:00"), (3_599_999, "59:59"), (3_600_000, "1:00:00")],
)
def test_a_duration_is_short_and_plain(length_ms: int, text: str) -> None:
    assert tables.duration(length_ms) == text


def test_names_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in "".join(tables.devices({"devices": [device("a\x1b[2J", "input", False)]}))
