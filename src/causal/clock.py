"""The capture clock: one clock for all devices of a machine, which also counts while the machine sleeps."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

SLEPT_TRIES = 5

if sys.platform == "win32":
    import ctypes

    def now_ns() -> int:
        """Nanoseconds since the machine started, sleep included: QueryPerformanceCounter, which drivers use too. (Up to
        Python 3.12, `time.monotonic_ns` is a clock of 16 ms steps.)"""
        return time.perf_counter_ns()

    def _awake_ns() -> int:
        """The same without sleep, in steps of 16 ms."""
        count = ctypes.c_uint64()
        ctypes.windll.kernel32.QueryUnbiasedInterruptTime(ctypes.byref(count))
        return count.value * 100

else:
    if sys.platform == "darwin":
        _WITH_SLEEP = time.CLOCK_MONOTONIC_RAW
    else:
        _WITH_SLEEP = time.CLOCK_BOOTTIME

    def now_ns() -> int:
        """Nanoseconds since the machine started, sleep included: CLOCK_BOOTTIME; on macOS CLOCK_MONOTONIC_RAW, for
        `time.monotonic_ns` stands still there while the machine sleeps."""
        return time.clock_gettime_ns(_WITH_SLEEP)

    def _awake_ns() -> int:
        """The same without sleep."""
        return time.monotonic_ns()


def slept_ns() -> int:
    """How long the machine has slept since it was started, where a clock tells; else always the same. Two clocks are
    read; where this process stood still between them, they are read again."""
    readings = []
    for _ in range(SLEPT_TRIES):
        before_ns, with_sleep_ns, after_ns = _awake_ns(), now_ns(), _awake_ns()
        readings.append((after_ns - before_ns, with_sleep_ns - before_ns))
        if after_ns - before_ns < NS_PER_MS:
            break
    return min(readings)[1]


def now_s() -> float:
    """The capture clock in seconds, for deadlines."""
    return now_ns() / NS_PER_S


def utc_text(unix_ns: int, plus_ms: int = 0) -> str:
    """A wall-clock time as UTC ISO 8601 with milliseconds: `2026-01-31T12:00:00.000Z`."""
    moment = datetime.fromtimestamp((unix_ns // NS_PER_MS + plus_ms) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
