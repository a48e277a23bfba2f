"""All that goes on, on one page: what `causal-ctl watch` draws. No I/O.

Causal 0.1.0   new sessions are heard by local                  12:34:56
session 20260131-123402-1f3c: running, heard by local
  SOURCE  STATE      SPEECH  LEVEL             HEARD   UNSENT  FINAL TO
  mic     capturing  live    ██████····   -24  54.2 s  0.1 s   51.0 s
services  broker 0 % · capture 2 % · console 0 % · …
───────────────────────────────────────────────────────────────────────
12:34:50 mic     What was said, the newest at the end.
mic     What is being sa
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, NamedTuple

from causal import wire
from causal.messages import CaptureStatus, Event, SessionStatus
from causal.messages.control import Fault, ServiceView, SessionView
from causal.rendering import Renderer
from causal.screen import clean, head, width_of, wrapped

from .tables import drift, duration, table

BOLD, DIM, RED, YELLOW = "1", "2", "31", "33"

METER_CELLS = 10
METER_FLOOR_DBFS = -60.0
SILENT_DBFS = -120.0
KEPT_LINES = 200
TEXT_ROWS = 5
"""Rows that the text keeps, however much there is above it."""
TIME_COLUMNS = 9
"""What a line of the transcript begins with; its further rows are indented by as much."""

TROUBLED = {"stalled", "silent", "muted", "reconnecting", "catching-up"}


class Row(NamedTuple):
    """A row of the page, and how it is painted: an ANSI style, or nothing."""

    text: str
    style: str = ""


class Story:
    """What is said, as lines for people; a session that is going on when one comes is introduced by `status`."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._renderer = Renderer(colour=False, zone=zone)
        self._introduced: set[str] = set()

    def on(self, event: Event) -> list[str]:
        """The lines that an event leaves behind."""
        return self._introduce(event) if isinstance(event, SessionStatus) else self._renderer.lines(event)

    def on_status(self, reply: Mapping[str, Any]) -> list[str]:
        """The sessions that are new."""
        found = [wire.convert(fields, SessionView).status for fields in reply["sessions"]]
        return [line for status in found if status.state == "running" for line in self._introduce(status)]

    def changing(self, columns: int) -> list[str]:
        """What is being said."""
        return self._renderer.bottom(columns)

    def _introduce(self, status: SessionStatus) -> list[str]:
        if status.state == "running" and status.session in self._introduced:
            return []
        self._introduced.add(status.session)
        if status.state == "ended":
            self._introduced.discard(status.session)
        return self._renderer.lines(status)


class Panel:
    """Hears events and the controller's `status`, and draws the page. Keeps the newest 200 lines of text."""

    def __init__(self, zone: tzinfo | None = None) -> None:
        self._story = Story(zone)
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._levels: dict[tuple[str, str], CaptureStatus] = {}
        self._sessions: list[SessionView] = []
        self._services: list[ServiceView] = []
        self._title = "Causal"

    def on(self, event: Event) -> None:
        """What the broker tells."""
        self._said += self._story.on(event)
        if isinstance(event, CaptureStatus):
            self._levels[event.session, event.source] = event

    def on_status(self, reply: Mapping[str, Any]) -> None:
        """What the controller answers, once a second."""
        self._sessions = [wire.convert(fields, SessionView) for fields in reply["sessions"]]
        self._said += self._story.on_status(reply)
        self._services = [wire.convert(fields, ServiceView) for fields in reply["services"]]
        self._title = f"Causal {reply.get('version', '')}   new sessions are heard by {reply.get('engine', '?')}"
        known = {(stream.session, stream.source) for view in self._sessions for stream in view.streams}
        self._levels = {stream: level for stream, level in self._levels.items() if stream in known}

    def page(self, columns: int, rows: int, clock: str) -> list[Row]:
        """At most `rows` rows, none wider than `columns`."""
        room = max(0, columns - width_of(self._title) - width_of(clock) - 1)
        top = [Row(f"{self._title}{' ' * room} {clock}", BOLD)]
        for view in self._sessions:
            top += self._session(view)
        if not self._sessions:
            top.append(Row("no session is running; causal-ctl start begins one", DIM))
        top += _services(self._services, columns)
        top = _limited(top, max(2, rows - TEXT_ROWS - 1))
        text = self._text(columns, rows - len(top) - 1)
        return [Row(head(row.text, columns), row.style) for row in [*top, Row("─" * columns, DIM), *text]][:rows]

    def _session(self, view: SessionView) -> list[Row]:
        status = view.status
        label = f' "{clean(status.label)}"' if status.label else ""
        reason = f" ({status.reason})" if status.reason else ""
        behind = f", {duration(view.backlog_ms)} still to be transcribed" if view.backlog_ms else ""
        rows = [Row(f"session {status.session}{label}: {status.state}{reason}, heard by {status.engine}{behind}", BOLD)]
        streams = [self._newest(stream) for stream in view.streams]
        header = ("SOURCE", "STATE", "SPEECH", "LEVEL", "HEARD", "UNSENT", "FINAL TO", "LOST", "DRIFT")
        title, *lines = table(header, [_stream(stream) for stream in streams])
        rows.append(Row(f"  {title}", DIM))
        rows += [Row(f"  {line}", _style(stream)) for line, stream in zip(lines, streams, strict=True)]
        rows += [Row(f"  {stream.source}: {clean(stream.hint)}", YELLOW) for stream in streams if stream.hint]
        return rows + [row for source, fault in view.faults.items() for row in _fault(source, fault)]

    def _newest(self, stream: CaptureStatus) -> CaptureStatus:
        """Of what the controller answers and what the broker tells five times a second."""
        told = self._levels.get((stream.session, stream.source))
        return told if told is not None and told.captured_ms >= stream.captured_ms else stream

    def _text(self, columns: int, rows: int) -> list[Row]:
        changing = [Row(line, DIM) for line in self._story.changing(columns)][: max(0, rows)]
        stay: deque[Row] = deque(maxlen=max(0, rows - len(changing)))
        for line in self._said:
            stay += [Row(row) for row in wrapped(line, columns, TIME_COLUMNS)]
        return [*stay, *changing]


def meter(rms_dbfs: float, peak_dbfs: float) -> str:
    """A bar from -60 to 0 dBFS with a mark at the peak, and the level in figures."""
    filled, peak = _cells(rms_dbfs), _cells(peak_dbfs)
    bar = "█" * filled + "·" * (METER_CELLS - filled)
    if peak > filled:
        bar = f"{bar[: peak - 1]}│{bar[peak:]}"
    return f"{bar} {rms_dbfs:4.0f}" if rms_dbfs > SILENT_DBFS else f"{bar}    -"


def _cells(dbfs: float) -> int:
    share = (dbfs - METER_FLOOR_DBFS) / -METER_FLOOR_DBFS
    return min(METER_CELLS, max(0, round(share * METER_CELLS)))


def _stream(stream: CaptureStatus) -> Sequence[str]:
    return (
        stream.source,
        stream.state,
        stream.speech,
        meter(stream.rms_dbfs, stream.peak_dbfs),
        duration(stream.captured_ms),
        duration(max(0, stream.captured_ms - stream.sent_ms)),
        duration(stream.final_ms),
        duration(stream.lost_ms) if stream.lost_ms else "",
        drift(stream.drift_ppm),
    )


def _style(stream: CaptureStatus) -> str:
    states = {stream.state, stream.speech}
    return RED if "failed" in states else YELLOW if states & TROUBLED else ""


def _services(views: Sequence[ServiceView], columns: int) -> list[Row]:
    alive = [view.status for view in views if view.alive]
    usage = [f"{_name(view)} {view.status.cpu_percent:.0f} %" for view in views if view.alive]
    delays = [f"{hop} {delay.p50:.1f}/{delay.p99:.1f}" for status in alive for hop, delay in status.latency_ms.items()]
    drops = [
        f"{view.status.service} {name} {queue.dropped}"
        for view in views
        for name, queue in view.status.queues.items()
        if queue.dropped
    ]
    rows = _paragraph("services", usage, columns, "") + _paragraph("delay ms", delays, columns, "")
    rows += _paragraph("dropped", drops, columns, YELLOW)
    rows += [Row(f"! {_name(view)} is not running", RED) for view in views if not view.alive]
    return rows + [row for view in views if view.fault for row in _fault(_name(view), view.fault)]


def _name(view: ServiceView) -> str:
    service, instance = view.status.service, view.status.instance
    if service == "sink":
        return instance.rpartition("-")[0] or instance  # jsonl-4711: the pid says nothing here
    return service if instance == "1" else f"{service} {instance}"


def _paragraph(title: str, items: Iterable[str], columns: int, style: str) -> list[Row]:
    text = " · ".join(item.replace(" ", "\u00a0") for item in items)  # an item stays whole
    rows = wrapped(f"{title:<10}{text}", columns, 10) if text else []
    return [Row(row.replace("\u00a0", " "), style) for row in rows]


def _fault(who: str, fault: Fault) -> list[Row]:
    again = " (trying again)" if fault.retrying else ""
    rows = [Row(f"! {who}: {clean(fault.message)}{again}", RED)]
    return [*rows, Row(f"  {clean(fault.hint)}", RED)] if fault.hint else rows


def _limited(rows: list[Row], limit: int) -> list[Row]:
    if len(rows) <= limit:
        return rows
    return [*rows[: limit - 1], Row(f"… {len(rows) - limit + 1} more lines: causal-ctl status", DIM)]
