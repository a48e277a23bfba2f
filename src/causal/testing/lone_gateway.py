"""A gateway with a real broker and a real WebSocket service; the test plays the controller and the resampler.

with alone() as stack:
    stack.say(speak([1, 2, 3]))
    stack.end()
    stack.wait_done()
    assert stack.heard() == [1, 2, 3]
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import zmq

from causal import clock, topics, wire
from causal.journal import JournalWriter
from causal.journal_record import folder_of
from causal.messages import Chunk
from causal.messages.audio import CHUNK_SAMPLES
from causal.messages.control import Assignment, StreamReport, Work
from causal.paths import Paths

from .assemblyai_server import AssemblyAIServer, in_thread
from .oracle_speech import to_s16
from .waiting import until

STREAM = "s1/mic"
KEY = "a-secret-key"
LOUD = 100
"""A chunk with a sample above this is called active, as the resampler would."""


@contextlib.contextmanager
def alone(**settings: str) -> Iterator[LoneGateway]:
    """A gateway with a speech service of its own, in a directory of its own. `settings` are `CAUSAL_*` variables."""
    with (
        in_thread(AssemblyAIServer(key=KEY)) as server,
        tempfile.TemporaryDirectory(prefix="causal") as folder,
        LoneGateway(Path(folder), server, **settings) as running,
    ):
        yield running


class LoneGateway:
    """A broker, gateways, a speech service, and the test in the place of everything else. Ends them on exit."""

    def __init__(self, folder: Path, server: AssemblyAIServer, **settings: str) -> None:
        """`settings` are `CAUSAL_*` variables of all processes."""
        self.server = server
        self.paths = Paths(folder / "run", folder / "data", folder / "cache")
        self.paths.make()
        self.engine = "assemblyai"
        self.key: str | None = KEY
        self.stop = False
        self.disk_is_full = False
        """Whether chunks wait in memory, as a resampler's do that cannot write its journal. `make_room` ends that."""
        self.permits = True
        """Whether gateways may begin sessions."""
        self.epochs: dict[str, int] = {"1": 1}
        """Which gateway has the stream, in which epoch."""
        self.reports: dict[str, StreamReport] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.incarnations: dict[str, str] = {}
        self.speech: list[str] = []
        """What the gateways said of `speech`, one after the other."""
        self.asked = 0
        """How often the first gateway has asked for its work."""
        self.wishes: list[dict[str, Any]] = []
        """Permissions that were asked for."""
        self._log = (folder / "log").open("w+b")
        self._settings = settings
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._push: dict[str, zmq.Socket[bytes]] = {}
        self._journal = JournalWriter(folder_of(self.paths.journal, STREAM), STREAM)
        self._held: list[tuple[Chunk, npt.NDArray[np.int16]]] = []
        self._position = 0
        self._started_ns = clock.now_ns()
        self._running = True
        self._controller = threading.Thread(target=self._control, daemon=True)

    def __enter__(self) -> Self:
        self._controller.start()
        self.run("broker")
        self.run("stt")
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait(10)
        self._running = False
        self._controller.join(5)
        self._context.destroy(0)
        self._journal.close()
        if error is not None:
            self._log.seek(0)
            error.add_note(self._log.read().decode("utf-8", "replace"))
        self._log.close()

    # --- processes ---

    def run(self, service: str, instance: str = "1", **settings: str) -> None:
        environment = os.environ | {
            "CAUSAL_RUNTIME_DIR": str(self.paths.runtime),
            "CAUSAL_DATA_DIR": str(self.paths.data),
            "CAUSAL_CONFIG_DIR": str(self.paths.data),
            "CAUSAL_STT_URL": self.server.url,
            **self._settings,
            **settings,
        }
        command = [sys.executable, "-m", f"causal.{service}.app", "--no-respawn", "--instance", instance]
        if service == "broker":
            command = [sys.executable, "-c", "from causal.broker.app import main; main()"]
        self.processes[f"{service}-{instance}"] = subprocess.Popen(
            command, env=environment, stdout=self._log, stderr=self._log
        )

    def signal(self, name: str, number: int) -> None:
        self.processes[name].send_signal(number)
        self.processes[name].wait(10)

    # --- the controller ---

    def _control(self) -> None:
        router, doorbell = self._context.socket(zmq.ROUTER), self._context.socket(zmq.PUB)
        router.bind(self.paths.address("control"))
        doorbell.bind(self.paths.address("doorbell"))
        while self._running:
            if router.poll(50):
                *sender, frame = router.recv_multipart()
                router.send_multipart([*sender, wire.pack_map(self._answer(wire.unpack_map(frame)))])

    def _answer(self, poll: dict[str, Any]) -> dict[str, Any]:
        streams: tuple[Assignment, ...] = ()
        if poll["service"] == "stt":
            instance = poll["instance"]
            self.asked += instance == "1"
            if self.incarnations.setdefault(instance, poll["incarnation"]) != poll["incarnation"]:
                self.incarnations[instance] = poll["incarnation"]
                self.epochs[instance] = max(self.epochs.values()) + 1
            for report in poll["streams"]:
                self.reports[instance] = wire.convert(report, StreamReport)
                self._note(self.reports[instance].speech or "")
            done = instance in self.reports and self.reports[instance].done
            streams = (self._assignment(instance),) if instance in self.epochs and not done else ()
        self.wishes += poll["wishes"]
        granted = tuple(wish["id"] for wish in poll["wishes"]) if self.permits else ()
        work = Work(streams=streams, key=self.key if poll["service"] == "stt" else None, granted=granted)
        return {"v": 1, "id": poll["id"], "ok": True} | wire.to_map(work)

    def _note(self, speech: str) -> None:
        if self.speech[-1:] != [speech]:
            self.speech.append(speech)

    def _assignment(self, instance: str) -> Assignment:
        return Assignment(
            stream=STREAM,
            epoch=self.epochs[instance],
            device="mic",
            engine=self.engine,
            started_ns=self._started_ns,
            started_unix_ns=1_700_000_000_000_000_000,
            stop=self.stop,
            peers={"resample": "1"},
        )

    # --- the resampler ---

    def say(self, samples: npt.NDArray[np.float32], *, speed: float | None = 1.0) -> None:
        """Puts audio on its way, in real time (`None`: at once), as soon as the gateway has the stream."""
        self.wait(lambda: self.reports, within_s=30.0)
        noise = np.random.default_rng(1).integers(-3, 4, len(samples)).astype(np.int16)
        pieces = (to_s16(samples) + noise)[: len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES]
        begun_s = time.monotonic()
        for n, piece in enumerate(pieces.reshape(-1, CHUNK_SAMPLES)):
            if speed is not None:
                time.sleep(max(0.0, begun_s + (n + 1) * 0.1 / speed - time.monotonic()))
            self._pass_on(piece)

    def skip(self, gap_ms: int) -> None:
        """A gap."""
        self._position += gap_ms * 16

    def end(self) -> None:
        """The end mark."""
        self._pass_on(None)
        self.stop = True

    def make_room(self) -> None:
        """The disk takes what waits, and all that comes."""
        self.disk_is_full = False
        held, self._held = self._held, []
        for chunk, samples in held:
            self._journal.append(chunk, samples)

    def _pass_on(self, samples: npt.NDArray[np.int16] | None) -> None:
        chunk = Chunk(
            stream=STREAM,
            index=self._journal.next_index + len(self._held),
            position=self._position,
            captured_ns=clock.now_ns() - 100_000_000,
            valid=0 if samples is None else CHUNK_SAMPLES,
            active=samples is not None and bool(np.abs(samples).max() > LOUD),
            end=samples is None,
        )
        self._position += chunk.valid
        recorded = chunk, np.zeros(CHUNK_SAMPLES, np.int16) if samples is None else samples
        if self.disk_is_full:
            self._held.append(recorded)
        else:
            self._journal.append(*recorded)
        for instance in self.epochs:
            parts = wire.pack(topics.CHUNK, chunk, *(() if samples is None else (samples.tobytes(),)))
            with contextlib.suppress(zmq.Again):
                self._socket(instance).send_multipart(parts, zmq.NOBLOCK)

    def _socket(self, instance: str) -> zmq.Socket[bytes]:
        if instance not in self._push:
            self._push[instance] = self._context.socket(zmq.PUSH)
            self._push[instance].connect(self.paths.address(f"stt-{instance}.in"))
        return self._push[instance]

    # --- what came of it ---

    def finals(self) -> list[dict[str, Any]]:
        """All that are stored, by time; none as long as the broker has not made its log."""
        query = "SELECT event FROM events WHERE kind = 'transcript-final' ORDER BY seq"
        path = self.paths.data / "events.sqlite"
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as log:
                return sorted((wire.unpack_map(row[0]) for row in log.execute(query)), key=lambda e: e["start_ms"])
        except sqlite3.OperationalError:
            return []

    def lanes(self) -> list[tuple[int, int | None, int]]:
        """The stream's lanes as the broker knows them: from, to, covered to."""
        query = "SELECT from_chunk, to_chunk, covered_to FROM lanes ORDER BY from_chunk"
        with contextlib.closing(sqlite3.connect(f"file:{self.paths.data}/events.sqlite?mode=ro", uri=True)) as log:
            return log.execute(query).fetchall()

    def heard(self) -> list[int]:
        """The numbers in all finals, in order."""
        words = [word["text"] for final in self.finals() for word in final["words"]]
        return [int(word.strip(".").lower().removeprefix("n")) for word in words]

    def wait(self, what: Callable[[], object], within_s: float = 15.0) -> None:
        """Until `what` is true. Raises `TimeoutError` with what there is instead."""
        until(what, within_s, lambda: f"heard {self.heard()}, {self.reports}")

    def wait_asked(self, times: int) -> None:
        """Until the first gateway has asked for its work so many more times, which it does once a second."""
        goal = self.asked + times
        self.wait(lambda: self.asked >= goal)

    def wait_done(self, within_s: float = 15.0) -> None:
        self.wait(lambda: "1" in self.reports and self.reports["1"].done, within_s)
