"""The controller's replies as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from causal import wire
from causal.messages import CaptureStatus
from causal.messages.control import Device, Fault, ServiceView, SessionView
from causal.screen import clean, width_of

ALIASES = {"input": "mic", "loopback": "system"}
QUIET_DBFS = -120.0


def devices(reply: dict[str, Any]) -> list[str]:
    """`list`: one line a device; what `mic` and `system` mean now stands in the first column."""
    found = [wire.convert(fields, Device) for fields in reply["devices"]]
    rows = [
        (
            ALIASES.get(device.kind, "") if device.default else "",
            device.kind,
            device.id,
            device.name,
            f"{device.channels} × {device.rate_hz} Hz",
        )
        for device in found
    ]
    return table(("", "KIND", "ID", "NAME", "SOUND"), rows) if rows else []


def sessions(reply: dict[str, Any]) -> list[str]:
    """`sessions`: the newest first."""
    rows = [
        (
            fields["session"],
            fields["state"],
            local_time(fields.get("started_at", "")),
            _length(fields),
            " ".join(fields.get("sources", ())),
            fields.get("engine", ""),
            fields.get("reason", ""),
            fields.get("label", ""),
        )
        for fields in reply["sessions"]
    ]
    header = ("SESSION", "STATE", "STARTED", "LENGTH", "SOURCES", "HEARD BY", "REASON", "LABEL")
    return table(header, rows) if rows else []


def status(reply: dict[str, Any]) -> list[str]:
    """`status`: who hears the room, the sessions with their streams, the services, and what is wrong."""
    lines = [f"Causal {reply.get('version', '')}; new sessions are heard by {reply.get('engine', '?')}", ""]
    views = [wire.convert(fields, SessionView) for fields in reply["sessions"]]
    lines += [line for view in views for line in [*_session(view), ""]] or ["no session is running", ""]
    lines += _services([wire.convert(fields, ServiceView) for fields in reply["services"]])
    directories = reply.get("directories", {})
    lines += ["", *table(("DIRECTORY", ""), [(name, str(path)) for name, path in directories.items()])]
    return lines


def stopped(session: str, reply: dict[str, Any]) -> list[str]:
    """`stop`: whether the last words are there."""
    if reply["state"] == "ended":
        return [f"{session} ended"]
    return [f"{session} finishing: {duration(reply['backlog_ms'])} of sound are still being transcribed"]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; columns that are empty in all rows are left out."""
    cells = [[clean(cell) for cell in row] for row in rows]
    shown = [number for number in range(len(header)) if any(row[number] for row in cells)]
    grid = [[row[number] for number in shown] for row in [list(header), *cells]]
    widths = [max(width_of(row[column]) for row in grid) for column in range(len(shown))]
    return [
        "  ".join(cell + " " * (width - width_of(cell)) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in grid
    ]


def local_time(utc: str) -> str:
    """`2026-01-31 12:34:56` where the computer is."""
    try:
        return f"{datetime.fromisoformat(utc).astimezone():%Y-%m-%d %H:%M:%S}"
    except ValueError:
        return ""


def duration(length_ms: float) -> str:
    """`3.2 s`, `12:34` minutes, or `1:02:03` hours."""
    if length_ms < 60_000:
        return f"{length_ms / 1000:.1f} s"
    minutes, seconds = divmod(int(length_ms // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def drift(ppm: float | None) -> str:
    """`+12 ppm`: the device's clock is fast by 12 µs a second. Nothing, as long as it is not known."""
    return "" if ppm is None else f"{ppm:+.0f} ppm"


def _session(view: SessionView) -> list[str]:
    status = view.status
    label = f' "{clean(status.label)}"' if status.label else ""
    reason = f" ({status.reason})" if status.reason else ""
    since = local_time(status.started_at)
    lines = [f"session {status.session}{label}: {status.state}{reason}, since {since}, heard by {status.engine}"]
    rows = [_stream(stream) for stream in view.streams]
    header = ("SOURCE", "STATE", "SPEECH", "LEVEL", "HEARD", "UNSENT", "FINAL TO", "LOST", "DRIFT", "DEVICE")
    lines += [f"  {line}" for line in table(header, rows)]
    lines += [f"  {stream.source}: {clean(stream.hint)}" for stream in view.streams if stream.hint]
    if view.backlog_ms:
        lines.append(f"  {duration(view.backlog_ms)} of sound are still to be transcribed")
    return lines + [f"  {line}" for source, fault in view.faults.items() for line in _fault(source, fault)]


def _stream(stream: CaptureStatus) -> tuple[str, ...]:
    return (
        stream.source,
        stream.state,
        stream.speech,
        f"{stream.rms_dbfs:.0f} dBFS" if stream.rms_dbfs > QUIET_DBFS else "-",
        duration(stream.captured_ms),
        duration(max(0, stream.captured_ms - stream.sent_ms)),
        duration(stream.final_ms),
        duration(stream.lost_ms) if stream.lost_ms else "",
        drift(stream.drift_ppm),
        stream.device,
    )


def _services(views: Sequence[ServiceView]) -> list[str]:
    rows = []
    for view in views:
        status = view.status
        dropped = sum(queue.dropped for queue in status.queues.values())
        hops = [f"{hop} {latency.p50:.1f}/{latency.p99:.1f}" for hop, latency in status.latency_ms.items()]
        rows.append(
            (
                status.service,
                status.instance,
                "failed" if view.fault else "running" if view.alive else "gone",
                str(status.pid),
                f"{status.cpu_percent:.1f} %",
                f"{status.rss_bytes / 1e6:.0f} MB",
                str(dropped) if dropped else "",
                ", ".join(hops),
            )
        )
    header = ("SERVICE", "", "STATE", "PID", "CPU", "MEMORY", "DROPPED", "DELAY ms (p50/p99)")
    faults = [line for view in views if view.fault for line in _fault(view.status.service, view.fault)]
    return table(header, rows) + faults


def _fault(who: str, fault: Fault) -> list[str]:
    again = " (trying again)" if fault.retrying else ""
    lines = [f"! {who}: {clean(fault.message)} [{fault.code}]{again}"]
    return [*lines, f"  {clean(fault.hint)}"] if fault.hint else lines


def _length(fields: dict[str, Any]) -> str:
    ended_unix_ns = fields.get("ended_unix_ns")
    if not ended_unix_ns:
        return ""
    try:
        started_s = datetime.fromisoformat(fields["started_at"]).timestamp()
    except (KeyError, ValueError):
        return ""
    return duration(max(0.0, ended_unix_ns / 1e6 - started_s * 1000))
