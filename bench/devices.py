"""Devices that come, go and take turns, many times in a row under load.

    python bench/devices.py            # about 3 min

A session hears a microphone, the default output, and by its id the loopback of headphones. These are unplugged and
plugged in again, then the default output changes back and forth, while other processes keep all processors busy. Once
on a private PulseAudio, once on a private PipeWire. Writes bench/results/devices.md.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

import click
import page

from causal.testing.device_churn import LABELS, MIC_HZ, PROCESSES, SYSTEM_HZ, Churn, Verdict, load
from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

PROCFILE = page.ROOT / "Procfile"
NAMES = {
    "mic": "`mic`, which stays",
    "system": "`system`, which follows the default",
    "system-2": "headphones, by their id",
}


@click.command()
@click.option("--times", default=50, show_default=True, help="How often each is done.")
@click.option("--busy", default=os.cpu_count() or 1, show_default=True, help="Processes that use the processor.")
def main(times: int, busy: int) -> None:
    """Unplugs, plugs in and switches; then says what was heard."""
    servers: dict[str, type[PrivatePulse] | type[PrivatePipeWire]] = {
        "PulseAudio": PrivatePulse,
        "PipeWire": PrivatePipeWire,
    }
    found = {name: churned(server, times, busy) for name, server in servers.items()}
    page.write("devices", "Devices that come and go, measured", "python bench/devices.py", parts(found, times, busy))


def churned(server: type[PrivatePulse] | type[PrivatePipeWire], times: int, busy: int) -> Verdict:
    """One server's session."""
    with (
        server() as running,
        Stack(PROCFILE, PROCESSES, environment={"PULSE_SERVER": running.server}) as stack,
        tempfile.TemporaryDirectory() as folder,
        Churn(stack, running, Path(folder)) as churn,
    ):
        with load(busy):
            churn.replug(times)
            churn.switch(times)
        return churn.verdict()


def parts(found: dict[str, Verdict], times: int, busy: int) -> list[str]:
    """The page, paragraph by paragraph."""
    written = [
        f"Headphones were unplugged and plugged in again {times} times, then the default output changed {times} times, "
        f"while {busy} other processes used all the processor that they could get. The microphone was given a tone of "
        f"{MIC_HZ} Hz, what was played one of {SYSTEM_HZ} Hz, both at -12 dBFS: a level near that is the device "
        "itself; one below -40 dBFS is what the cut at the end of a run leaves behind of any tone. Memory grows until "
        "each stream's ring of 10 s has been used once.",
        "*Off* is the end of the time line less the clock at the moment of the `stop`. It has the device's latency in "
        "it: a loopback is heard up to 50 ms before it sounds. Where *neither heard nor gap* is far below zero, the "
        "server's times were late for more than a second, and a gap was told that was none; the sound after it "
        "finds back to its place.",
    ]
    for name, verdict in found.items():
        written += [f"## {name}", page.table(["what", "measured", "target"], process_rows(verdict)), sources(verdict)]
    return written


def process_rows(verdict: Verdict) -> list[tuple[str, object, str]]:
    before, after = verdict.before, verdict.after
    return [
        ("length of the session, s", round(verdict.elapsed_s, 1), ""),
        ("changes", verdict.changes, ""),
        ("session running at the end", "yes" if verdict.running else "no", "yes"),
        ("capture is the same process", "yes" if verdict.same_process else "no", "yes"),
        ("threads of capture, before and after", f"{before.threads}, {after.threads}", "the same"),
        ("descriptors of capture, before and after", f"{before.descriptors}, {after.descriptors}", "the same"),
        ("memory of capture, before and after, MB", f"{before.rss_mb:.1f}, {after.rss_mb:.1f}", ""),
    ]


def sources(verdict: Verdict) -> str:
    """What each source heard."""
    rows = []
    for label in LABELS:
        heard = verdict.sources[label]
        missing_ms = verdict.elapsed_s * 1000 - heard.begins_ms - heard.heard_ms - sum(heard.gaps_ms)
        rows.append(
            (
                NAMES[label],
                round(heard.heard_ms / 1000, 2),
                len(heard.gaps_ms),
                round(sum(heard.gaps_ms) / 1000, 2),
                round(statistics.median(heard.gaps_ms)) if heard.gaps_ms else "-",
                "yes" if heard.gaps_ms == heard.holes_ms else "no",
                round(missing_ms),
                round(heard.off_ms),
                heard.mic_dbfs,
                heard.system_dbfs,
            )
        )
    header = [
        "source", "heard, s", "gaps", "gaps, s", "median gap, ms", "every hole is a gap", "neither heard nor gap, ms",
        "off, ms", f"{MIC_HZ} Hz, dBFS", f"{SYSTEM_HZ} Hz, dBFS",
    ]  # fmt: skip
    return page.table(header, rows)


if __name__ == "__main__":
    main()
