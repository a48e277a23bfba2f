"""Devices that come, go and take turns while a session hears them, and what became of the session.

    with PrivatePulse() as server, Stack(procfile, PROCESSES, environment={"PULSE_SERVER": server.server}) as stack:
        with Churn(stack, server, folder) as churn:
            churn.replug(50)
            churn.switch(50)
        found = churn.verdict()

Three sources: `mic`, into which a low tone is played all the time; `system`, whose loudspeakers play a high one; and
by its id the loopback of the headphones, which play nothing and are what comes and goes. So what a source heard says
which device it was.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import psutil
import soundfile

from causal import clock
from causal.clock import NS_PER_MS
from causal.journal import JournalReader
from causal.journal_record import Recorded, folder_of
from causal.messages import Chunk, Gap

from .event_record import stored
from .pipewire_server import PrivatePipeWire
from .pulse_server import PrivatePulse
from .stack import Stack

PROCESSES = ["broker", "control", "resample", "capture"]
SOURCES = ("mic", "system", "pulse:headphones.monitor")
LABELS = ("mic", "system", "system-2")
TONES = {"mic", "system"}
AUDIBLE_DBFS = -40.0

RATE_HZ = 48_000
CHUNK_RATE_HZ = 16_000
MIC_HZ, SYSTEM_HZ = 800, 2900
TONE_S = 180
STEP_S = 0.15
"""Between two changes: shorter than it takes to open a device."""
SETTLED_S = 1.5
WITHIN_S = 20.0

Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Held:
    """What the capture process has open."""

    threads: int
    descriptors: int
    rss_mb: float


@dataclass(frozen=True)
class Heard:
    """One source, from the journal and the log. Tones are in dB below full scale."""

    heard_ms: int
    gaps_ms: tuple[int, ...]
    """As published."""
    holes_ms: tuple[int, ...]
    """Between the runs in the journal, where it is a millisecond at least."""
    begins_ms: int
    off_ms: float
    """End of the time line less the clock when the session was stopped."""
    mic_dbfs: float
    system_dbfs: float


@dataclass(frozen=True)
class Verdict:
    """All there is to judge by."""

    elapsed_s: float
    unsure_s: float
    """By so much it may have been more or less: so long it took to ask for the start and for the end."""
    changes: int
    before: Held
    after: Held
    same_process: bool
    running: bool
    sources: dict[str, Heard]


class Churn:
    """A session in a running stack, and the hands that pull the plugs."""

    def __init__(self, stack: Stack, server: PrivatePulse | PrivatePipeWire, folder: Path) -> None:
        """`folder` is for the tones."""
        self.changes = 0
        self._stack = stack
        self._server = server
        self._folder = folder
        self._exit = ExitStack()
        self._headphones = ""
        self._session = ""
        self._started_ns = self._stopped_ns = self._asked_ns = 0

    def __enter__(self) -> Self:
        """Returns when all three sources are heard."""
        server = self._server
        server.add_sink("throat")
        server.pactl("load-module", "module-remap-source", "source_name=voice", "master=throat.monitor")
        server.pactl("set-default-source", "voice")
        self._headphones = server.add_sink("headphones")
        server.pactl("set-default-sink", "speakers")
        self._exit.enter_context(self._tone(MIC_HZ, "throat"))
        self._exit.enter_context(self._tone(SYSTEM_HZ, "speakers"))
        self._stack.until(lambda: SOURCES[-1] in self._listed(), what="the headphones in the list")
        self._started_ns = clock.now_ns()
        reply = self._stack.ask("start", sources=list(SOURCES), engine="local")
        self._asked_ns = clock.now_ns() - self._started_ns
        self._session = str(reply["session"])
        self._stack.until(lambda: self._sounding() == TONES, WITHIN_S, "a tone from each source")
        self.wait_heard()
        self._process = psutil.Process(self._stack.pid("capture"))
        self._before = self._held()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def replug(self, times: int, step_s: float = STEP_S) -> None:
        """The headphones are unplugged and plugged in again. While they are there they are the default output."""
        for _ in range(times):
            self._server.unload(self._headphones)
            time.sleep(step_s)
            self._plug()
            time.sleep(step_s)
            self.changes += 2

    def switch(self, times: int, step_s: float = STEP_S) -> None:
        """The default output changes, while both stay."""
        for _, name in zip(range(times), itertools.cycle(("speakers", "headphones")), strict=False):
            self._server.pactl("set-default-sink", name)
            time.sleep(step_s)
            self.changes += 1

    def wait_heard(self, within_s: float = WITHIN_S) -> None:
        """Until all sources deliver, and have done so for a while."""
        self._stack.until(lambda: all(self._delivers(view) for view in self._streams()), within_s, "sound from all")
        goals_ms = {view["source"]: view["captured_ms"] + SETTLED_S * 1000 for view in self._streams()}
        self._stack.until(
            lambda: all(view["captured_ms"] >= goals_ms[view["source"]] for view in self._streams()), within_s
        )

    def verdict(self) -> Verdict:
        """Stops the session and looks at what it heard."""
        self.wait_heard()
        after, same = self._held(), self._process.pid == self._stack.pid("capture")
        running = self._view()["status"]["state"] == "running"
        self._stopped_ns = clock.now_ns()
        self._stack.ask("stop", session=self._session, timeout_s=0.0)
        self._asked_ns += clock.now_ns() - self._stopped_ns
        sources = {label: self._heard(label) for label in LABELS}
        elapsed_s = (self._stopped_ns - self._started_ns) / clock.NS_PER_S
        unsure_s = self._asked_ns / clock.NS_PER_S
        return Verdict(elapsed_s, unsure_s, self.changes, self._before, after, same, running, sources)

    def _plug(self) -> None:
        self._headphones = self._server.add_sink("headphones")
        self._server.pactl("set-default-sink", "headphones")

    @contextmanager
    def _tone(self, hz: int, sink: str) -> Iterator[None]:
        path = self._folder / f"{hz}.wav"
        wave = 0.25 * np.sin(2 * np.pi * hz * np.arange(TONE_S * RATE_HZ) / RATE_HZ)
        soundfile.write(path, wave, RATE_HZ)
        player = self._server.play(path, sink)
        try:
            yield
        finally:
            player.kill()
            player.wait()

    def _listed(self) -> set[str]:
        return {device["id"] for device in self._stack.ask("list")["devices"]}

    def _view(self) -> dict[str, Any]:
        views = self._stack.ask("status")["sessions"]
        found: dict[str, Any] = next(view for view in views if view["status"]["session"] == self._session)
        return found

    def _streams(self) -> list[dict[str, Any]]:
        streams: list[dict[str, Any]] = self._view()["streams"]
        return streams

    def _sounding(self) -> set[str]:
        """The sources in which a tone is heard: a server that was busy when a player began may play nothing."""
        return {view["source"] for view in self._streams() if view["peak_dbfs"] > AUDIBLE_DBFS}

    def _delivers(self, view: dict[str, Any]) -> bool:
        return view["state"] in ("capturing", "silent") and view["captured_ms"] > 0

    def _held(self) -> Held:
        return Held(self._process.num_threads(), self._process.num_fds(), self._process.memory_info().rss / 1e6)

    def _heard(self, label: str) -> Heard:
        chunks, samples = self._journal(label)
        first, end = chunks[0].position, chunks[-1].position
        begins = ((before, after) for before, after in itertools.pairwise(chunks) if after.segment_chunk == 0)
        holes = [after.position - before.position - before.valid for before, after in begins]
        gaps = [event for event in stored(self._stack.paths, self._session) if isinstance(event, Gap)]
        clock_ms = (self._stopped_ns - self._started_ns) / NS_PER_MS
        return Heard(
            heard_ms=len(samples) * 1000 // CHUNK_RATE_HZ,
            gaps_ms=tuple(gap.length_ms for gap in gaps if gap.source == label),
            holes_ms=tuple(ms for hole in holes if (ms := hole * 1000 // CHUNK_RATE_HZ) > 0),
            begins_ms=first * 1000 // CHUNK_RATE_HZ,
            off_ms=end * 1000 / CHUNK_RATE_HZ - clock_ms,
            mic_dbfs=_level_dbfs(samples, MIC_HZ),
            system_dbfs=_level_dbfs(samples, SYSTEM_HZ),
        )

    def _journal(self, label: str) -> tuple[list[Chunk], Samples]:
        stream = f"{self._session}/{label}"

        def read() -> list[Recorded]:
            with JournalReader(folder_of(self._stack.paths.journal, stream), stream) as reader:
                recorded = list(reader.read_range(0, reader.next_index))
            return recorded if recorded and recorded[-1][0].end else []

        recorded = self._stack.until(read, 20.0, f"the end of {stream} in the journal")
        return [chunk for chunk, _ in recorded], np.concatenate([samples[: chunk.valid] for chunk, samples in recorded])


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that do nothing but use the processor."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def _level_dbfs(samples: Samples, hz: int) -> float:
    """The loudest tenth of a second of a tone: a moment of it shows."""
    window = CHUNK_RATE_HZ // 10
    blocks = samples[: len(samples) // window * window].reshape(-1, window) / 32768.0
    turn = np.exp(-2j * np.pi * hz * np.arange(window) / CHUNK_RATE_HZ) * np.hanning(window) * 4 / window
    amplitude = float(np.abs(blocks @ turn).max()) if len(blocks) else 0.0
    return round(20 * math.log10(max(amplitude, 1e-6)), 1)
