"""What the stack costs without an engine, and how soon it is ready.

    python bench/stack.py            # about 4 min

The speech service is the tests' own, in this process, whose time is not counted. Sound comes from the loopback of a
private PulseAudio: 48 kHz, stereo. Writes bench/results/stack.md.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import page
import psutil
import soundfile

from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.oracle_speech import PAUSE_MS, WORD_MS, silence, speak
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

PROCFILE = page.ROOT / "Procfile"
KEY = "bench-key"
RATE_HZ = 48_000
STARTS = 5
SETTLE_S = 5.0
LONGEST_S = 300.0
SENTENCE_WORDS = 8
SENTENCE_PAUSE_MS = 700
MB = 1e6
RING_MB = 10.0 * RATE_HZ * 2 * 4 / MB
"""What capture keeps of each stream."""


@dataclass(frozen=True)
class Cost:
    """Of one process, over a while. Parent and worker are counted apart."""

    cpu_percent: float
    rss_mb: float


@click.command()
@click.option("--seconds", default=40.0, show_default=True, help="How long each state is watched.")
@click.option("--streams", default=4, show_default=True, help="How many streams at once, besides one.")
def main(seconds: float, streams: int) -> None:
    """Measures ready time, the idle stack, one stream, and several."""
    ready_s = [ready_after_s() for _ in range(STARTS)]
    with (
        in_thread(AssemblyAIServer(key=KEY)) as server,
        PrivatePulse() as pulse,
        spoken_numbers(pulse),
    ):
        environment = {"PULSE_SERVER": pulse.server, "CAUSAL_STT_URL": server.url, "ASSEMBLYAI_API_KEY": KEY}
        states: dict[str, Callable[[Stack], None]] = {
            "idle": lambda _: None,
            "1 stream": lambda stack: listen(stack, 1),
            f"{streams} streams": lambda stack: listen(stack, streams),
        }
        costs = {name: measure(environment, seconds, begin) for name, begin in states.items()}
    title = "The stack without an engine, measured"
    page.write("stack", title, "python bench/stack.py", parts(ready_s, costs, seconds))


def ready_after_s() -> float:
    """From `honcho start` to a `status` that shows all services alive, the engine too."""
    stack = Stack(PROCFILE)
    began_s = time.monotonic()
    with stack:
        return time.monotonic() - began_s


def measure(environment: dict[str, str], seconds: float, begin: Callable[[Stack], None]) -> dict[str, Cost]:
    """The cost of each process in a state that `begin` brings about; the engine is left out."""
    lines = PROCFILE.read_text().splitlines()
    processes = [line.partition(":")[0] for line in lines if not line.startswith("engine:")]
    with Stack(PROCFILE, processes, environment=environment) as stack:
        begin(stack)
        time.sleep(SETTLE_S)
        watched = {name_of(process): process for process in stack.leftovers()}
        before = {name: cpu_s(process) for name, process in watched.items()}
        began_s = time.monotonic()
        time.sleep(seconds)
        length_s = time.monotonic() - began_s
        return {
            name: Cost(100 * (cpu_s(process) - before[name]) / length_s, process.memory_info().rss / MB)
            for name, process in sorted(watched.items())
        }


@contextmanager
def spoken_numbers(pulse: PrivatePulse) -> Iterator[None]:
    """Something to hear from the speakers, for some minutes: sentences of numbers."""
    chance = np.random.default_rng(1)
    sentence_s = SENTENCE_WORDS * (WORD_MS + PAUSE_MS) / 1000 + SENTENCE_PAUSE_MS / 1000
    sentences = [
        piece
        for _ in range(int(LONGEST_S / sentence_s))
        for piece in (speak(chance.integers(0, 100, SENTENCE_WORDS), RATE_HZ), silence(SENTENCE_PAUSE_MS, RATE_HZ))
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numbers.wav"
        soundfile.write(path, np.repeat(np.concatenate(sentences)[:, None], 2, axis=1), RATE_HZ)
        player = pulse.play(path)
        try:
            yield
        finally:
            player.terminate()
            player.wait()


def listen(stack: Stack, streams: int) -> None:
    """Listens to the speakers in so many sessions. The device is opened once, as in daily use."""
    for _ in range(streams):
        reply = stack.ask("start", within_s=10.0, sources=["system"])
        if not reply["ok"]:
            raise SystemExit(reply["error"]["message"])
    stack.until(lambda: len(live(stack)) == streams, 20, f"{streams} live streams")


def live(stack: Stack) -> list[str]:
    streams = [stream for session in stack.ask("status")["sessions"] for stream in session["streams"]]
    return [stream["session"] for stream in streams if stream["speech"] == "live"]


def name_of(process: psutil.Process) -> str:
    """`capture`, `sink console`, `capture's parent` … for one of the stack's processes."""
    words = process.cmdline()
    command = next((i for i, word in enumerate(words) if "/causal-" in word), None)
    if command is None:
        return f"honcho {process.pid}"
    name = Path(words[command]).name.removeprefix("causal-")
    name = " ".join([name, *(word for word in words[command + 1 :] if not word.startswith("-"))])
    return name if "--no-respawn" in words else f"{name}, parent"


def cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def parts(ready_s: list[float], costs: dict[str, dict[str, Cost]], seconds: float) -> list[str]:
    """The page: the figures that have targets, then each process."""
    ours = {
        state: {name: cost for name, cost in found.items() if not name.startswith("honcho")}
        for state, found in costs.items()
    }
    total = {state: sum(cost.cpu_percent for cost in found.values()) for state, found in ours.items()}
    idle, one, many = ours
    count = int(many.split()[0])
    rings_mb = {idle: 0.0, one: RING_MB, many: count * RING_MB}
    largest = max(
        cost.rss_mb - (rings_mb[state] if name == "capture" else 0.0)
        for state, found in ours.items()
        for name, cost in found.items()
    )
    figures = [
        ("ready after `honcho start`, median, s", statistics.median(ready_s), "< 3"),
        ("ready after `honcho start`, longest, s", max(ready_s), "< 3"),
        ("idle, all processes, % of a core", total[idle], "near 0"),
        ("one live stream, all processes, % of a core", total[one], ""),
        ("one live stream, above idle, % of a core", total[one] - total[idle], "< 3"),
        (f"each of {count} live streams, above idle, % of a core", (total[many] - total[idle]) / count, "< 3"),
        ("largest process, resident, rings aside, MB", largest, "< 60"),
    ]
    names = sorted(ours[idle])
    rows = [
        [name, *(cell for state in ours for cell in (ours[state][name].cpu_percent, ours[state][name].rss_mb))]
        for name in names
    ]
    head = ["process", *(f"{state}, {what}" for state in ours for what in ("CPU %", "MB"))]
    return [
        f"{STARTS} starts; each state was watched for {seconds:.0f} s, honcho not counted. Sound came from the "
        "loopback of a private PulseAudio, 48 kHz stereo; the speech service was the tests' own, on loopback.",
        page.table(["what", "measured", "target"], figures),
        page.table(head, rows),
    ]


if __name__ == "__main__":
    main()
