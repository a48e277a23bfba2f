"""Pages of results: where they were measured, how to repeat them, tables."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from causal.testing.live_delay import SPELL_MS, Span

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
SHARE = "steal in /proc/stat, every half second"
AROUND_S = SPELL_MS / 1000


def write(name: str, title: str, command: str, parts: Iterable[str]) -> None:
    """Writes `bench/results/<name>.md`, and prints it."""
    text = "\n\n".join([f"# {title}", f"    {command}", machine(), *parts]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(text)
    print(text)


def machine() -> str:
    """The place and the day of a measurement."""
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {processor()}, {platform.system()}, "
        f"Python {platform.python_version()}; load {os.getloadavg()[0]:.1f}{_priority()}."
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers are rounded to three digits."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def lengths(spells: Sequence[Span]) -> str:
    """How many there were, and how long together."""
    return f"{len(spells)}, {sum(spell.end_ms - spell.begin_ms for spell in spells) / 1000:.0f}"


def spells(found: Sequence[Span]) -> list[str]:
    """A part of a page: when the machine's host had taken its processors away, if it did."""
    if not found:
        return ["The machine is a guest; its host left it its processors all the time."]
    told = (f"{one.begin_ms / 1000:.0f}–{one.end_ms / 1000:.0f} s ({one.label})" for one in found)
    return [
        f"The machine is a guest. Its host took a quarter or more of the processors' time for itself ({SHARE}), in "
        f"these *spells*, counted on the session's clock: {'; '.join(told)}. What happened in one, or {AROUND_S:g} s "
        "around it, is told apart: voices, sound server and all processes stood still then, each for itself."
    ]


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        return names[0] if names else platform.machine()
    return platform.processor() or platform.machine()


def _priority() -> str:
    """Whether the rest of that load had to wait: `chrt -f 1 python …`."""
    goes_first = sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_FIFO
    return ", measured at real-time priority (chrt -f 1)" if goes_first else ""


def _cell(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
