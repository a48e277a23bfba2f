"""The capture clock: one clock for all devices of a machine, which also counts while the machine sleeps."""

from __future__ import annotations

import time
from datetime import UTC, datetime

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)


def now_ns() -> int:
    """Nanoseconds since the machine started, sleep included (Linux: CLOCK_BOOTTIME). Elsewhere the monotonic clock:
    on Windows and macOS, Python's does not count sleep on every version, and the jump then shows as a gap."""
    return time.clock_gettime_ns(_BOOTTIME) if _BOOTTIME is not None else time.monotonic_ns()


def now_s() -> float:
    """The capture clock in seconds, for deadlines."""
    return now_ns() / NS_PER_S


def utc_text(unix_ns: int, plus_ms: int = 0) -> str:
    """A wall-clock time as UTC ISO 8601 with milliseconds: `2026-01-31T12:00:00.000Z`."""
    moment = datetime.fromtimestamp((unix_ns // NS_PER_MS + plus_ms) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
