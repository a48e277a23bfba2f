"""How long a call of `causal-ctl` takes, from nothing to its end.

    python bench/ctl.py            # about 30 s; on a busy machine: chrt -f 1 python bench/ctl.py

Each call is a process of its own, beside a stack that is idle. Writes bench/results/ctl.md.
"""

from __future__ import annotations

import resource
import subprocess
import time

import click
import numpy as np
import page

from causal.testing.stack import Stack

PROCFILE = page.ROOT / "Procfile"
CALLS = ("--help", "start --help", "status", "status --json", "list", "sessions", "key show")
TARGET_MS = 250


@click.command()
@click.option("--times", default=20, show_default=True, help="How often each is called.")
def main(times: int) -> None:
    """Measures every call in turn, over and over."""
    took_ms: dict[str, list[tuple[float, float]]] = {call: [] for call in CALLS}
    with Stack(PROCFILE, ["broker", "control", "capture"]) as stack:
        for _ in range(times):
            for call in CALLS:
                took_ms[call].append(_call(stack, call))
    rows = []
    for call, both in took_ms.items():
        ms, cpu_ms = np.array(both).T
        p50, p95, cpu_p50 = np.percentile(ms, 50), np.percentile(ms, 95), np.percentile(cpu_ms, 50)
        rows.append((f"`causal-ctl {call}`", p50, p95, f"< {TARGET_MS}", cpu_p50))
    text = f"Each called {times} times; milliseconds. What it computes depends less on what else the machine does."
    table = page.table(["call", "p50", "p95", "target", "computing, p50"], rows)
    page.write("ctl", "A call of causal-ctl, measured", "python bench/ctl.py", [text, table])


def _call(stack: Stack, call: str) -> tuple[float, float]:
    """How long it took, and how long it computed, in ms."""
    began_s, computed_s = time.perf_counter(), _computed_s()
    subprocess.run(["causal-ctl", *call.split()], env=stack.environment, capture_output=True, check=False)
    return (time.perf_counter() - began_s) * 1000, (_computed_s() - computed_s) * 1000


def _computed_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
