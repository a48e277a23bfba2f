"""A real stack that hears oracle speech while things go wrong, and the judgement on what came of it.

    with Laboratory(procfile) as laboratory:
        outcome = laboratory.run(plan(seed=7, minutes=3), minutes=3)
    assert outcome.verdict.is_flawless

Three streams: the loudspeakers of a private sound server, its microphone, and a file. The speech service is
`AssemblyAIServer`, whose transcript depends on the audio that arrives. All processes run under their parents, as a
user starts them.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import soundfile

from causal import clock
from causal.messages import Gap, TranscriptFinal, TranscriptPartial

from .assemblyai_server import AssemblyAIServer, in_thread
from .assemblyai_session import Rules
from .assemblyai_turns import EARLY_START_MS
from .event_record import Came, EventRecord, stored
from .fault_course import Done, FaultCourse, Record, end_session, look_at_sink, session_started_ns, spans_of
from .fault_hands import SPARE_SCRIPT, Hands
from .fault_judge import Verdict, judge, numbers_in, unexplained
from .fault_schedule import Fault
from .live_delay import Arrival, Span, delays, first_sights
from .machine_clocks import MachineClocks
from .mouth import RATE_HZ as MOUTH_RATE_HZ
from .mouth import Mouth
from .oracle_speech import RATE_HZ
from .pulse_server import PrivatePulse
from .small_disk import SmallDisk
from .stack import Stack
from .stolen_time import StolenTime
from .utterances import EVERY_MS, Utterance, sound_of, words_of

PROCESSES = ("broker", "control", "resample", "stt", "capture", "jsonl")
SESSION_S = 200.0
"""A session of the speech service has expired after so long: the gateway rolls over 120 s before."""
KEY = "laboratory-key"
VOICES = {"system": 1, "mic": 2, "file": 3}
SINKS = {"system": "speakers", "mic": "feed"}
EARLY_MS = {"mic": 25.0}
SLACK_MS = {"mic": 25.0}
"""The microphone is a remapped monitor: it hears a sample when the sink renders it, up to a block of 50 ms before it
sounds, and nobody knows how much."""
HEARD_WITHIN_S = 20.0
BLOCKS = 50
"""The file is written so many utterances at a time."""
DISK_MB = 64
DISK_MB_PER_MINUTE = 8
JOURNAL_HOURS = 0.2
"""What is transcribed is deleted after twelve minutes, so that a long run is resumed from such a journal too."""
FILE_WITHIN_S = 180.0
"""The file ends so long after the run at the latest: it waits while nobody reads it."""


@dataclass
class Outcome(Record):
    """What came of a run."""

    verdict: Verdict = field(default_factory=Verdict)
    skipped: dict[str, str] = field(default_factory=dict)
    """Kinds of fault that are not possible here, and why."""
    unexplained: list[Gap] = field(default_factory=list)
    """Gaps without a fault that may cost one."""
    journal_mb: float = 0.0
    """What was left of the sound in the end."""


class Laboratory:
    """Everything is running between `__enter__` and `__exit__`. One run each."""

    def __init__(self, procfile: Path, minutes: float, *, wrong_edges: bool = False, concurrency: str = "") -> None:
        """`wrong_edges`: the service's first and last words have edges as wrong as the real one's. `concurrency` is
        honcho's: `resample=2,stt=2`."""
        self._minutes = minutes
        self._wrong_edges = wrong_edges
        self._early_ms = EARLY_START_MS if wrong_edges else 0.0
        self._concurrency = concurrency
        self._procfile = procfile
        self._opened = contextlib.ExitStack()
        self._started_ns = 0

    def __enter__(self) -> Self:
        rules = Rules(wrong_edges=self._wrong_edges, max_session_s=SESSION_S)
        with contextlib.ExitStack() as stack:
            self.server = stack.enter_context(in_thread(AssemblyAIServer(key=KEY, keep_audio=False, rules=rules)))
            self.clocks = stack.enter_context(MachineClocks())
            self.pulse = stack.enter_context(
                PrivatePulse(script=SPARE_SCRIPT, server_environment=self.clocks.environment, urgent=True)
            )
            data = self.pulse.folder / "data"
            size_mb = round(DISK_MB + DISK_MB_PER_MINUTE * self._minutes)
            self.disk = stack.enter_context(SmallDisk(data, size_mb))
            environment = {
                "PULSE_SERVER": self.pulse.server,
                "CAUSAL_STT_URL": self.server.url,
                "CAUSAL_NEW_SESSIONS_PER_MINUTE": "1000",  # faults end sessions more often than an account allows
                "ASSEMBLYAI_API_KEY": KEY,
                "CAUSAL_DATA_DIR": str(data),
                "CAUSAL_JOURNAL_HOURS": str(JOURNAL_HOURS),
                **self.clocks.environment,
            }
            self.stack = stack.enter_context(
                Stack(self._procfile, PROCESSES, environment=environment, concurrency=self._concurrency)
            )
            self.record = stack.enter_context(EventRecord(self.stack.paths))
            self.stolen = stack.enter_context(StolenTime())
            self.hands = Hands(self.stack, self.server, self.pulse, self.disk, self.clocks)
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def run(self, faults: Sequence[Fault], tell: Callable[[str], None] = lambda _: None) -> Outcome:
        """Speaks for the whole time, lets the faults happen, and judges. `tell` hears of each fault."""
        outcome = Outcome()
        if self.disk.missing:
            outcome.skipped["disk-full"] = self.disk.missing
        if self.clocks.missing:
            outcome.skipped |= dict.fromkeys(("clock-jump", "sleep"), self.clocks.missing)
        session = self._begin()
        self._started_ns = session_started_ns(stored(self.stack.paths, session))
        mouths = {source: self._mouth(source) for source in SINKS}
        course = FaultCourse(self.stack, self.hands, self._minutes)
        with contextlib.ExitStack() as speaking:
            for mouth in mouths.values():
                speaking.enter_context(mouth)
            done = course.run([fault for fault in faults if fault.kind not in outcome.skipped], tell)
        outcome.vitals, outcome.loads = course.vitals, course.loads
        self.stack.until(self._file_is_over, FILE_WITHIN_S, "the end of the file")
        outcome.journal_mb = self._journal_mb()
        outcome.ended = end_session(self.stack, session)
        self._judge(session, mouths, done, outcome)
        outcome.sink = look_at_sink(self.stack)
        return outcome

    # --- the run ---

    def _journal_mb(self) -> float:
        sizes = 0
        for path in self.stack.paths.journal.rglob("*.chunks"):
            with contextlib.suppress(FileNotFoundError):  # just deleted
                sizes += path.stat().st_size
        return sizes / 1e6

    def _mouth(self, source: str) -> Mouth:
        speech = functools.partial(sound_of, voice=VOICES[source], rate_hz=MOUTH_RATE_HZ)
        return Mouth(self.pulse.server, SINKS[source], speech)

    def _begin(self) -> str:
        """Starts the session; returns when all of it is heard."""
        file = self._speech_file()
        reply = self.stack.ask("start", within_s=10.0, sources=["system", "mic", f"file:{file}"])
        if not reply["ok"]:
            raise RuntimeError(reply["error"])
        self.stack.until(lambda: self._heard() == len(VOICES), HEARD_WITHIN_S, "all sources heard")
        return str(reply["session"])

    def _heard(self) -> int:
        streams = [stream for session in self._sessions() for stream in session["streams"]]
        return sum(stream["captured_ms"] > 0 for stream in streams)

    def _file_is_over(self) -> bool:
        with contextlib.suppress(TimeoutError):
            streams = [stream for session in self._sessions() for stream in session["streams"]]
            return any(stream["source"] == "file" and stream["state"] == "stopped" for stream in streams)
        return False

    def _sessions(self) -> list[dict[str, Any]]:
        sessions: list[dict[str, Any]] = self.stack.ask("status")["sessions"]
        return sessions

    def _speech_file(self) -> Path:
        path = self.pulse.folder / "speech.flac"
        count = self._utterances_in_file()
        with soundfile.SoundFile(path, "w", RATE_HZ, 1, "PCM_16") as file:
            for first in range(0, count, BLOCKS):
                numbers = range(first, min(first + BLOCKS, count))
                file.write(np.concatenate([sound_of(number, VOICES["file"], RATE_HZ) for number in numbers]))
        return path

    def _utterances_in_file(self) -> int:
        return round(60_000 * self._minutes / EVERY_MS)

    # --- the judgement ---

    def _judge(self, session: str, mouths: dict[str, Mouth], done: Sequence[Done], outcome: Outcome) -> None:
        events = stored(self.stack.paths, session)
        started_ns = self._started_ns

        def on_line(at_ns: int) -> float:
            return (self.clocks.capture_ns(at_ns) - started_ns) / clock.NS_PER_MS

        said = [
            Utterance(
                source,
                one.number,
                words_of(one.number, VOICES[source]),
                on_line(one.start_ns) - EARLY_MS.get(source, 0.0),
                one.whole,
                one.timed,
                self._early_ms,
                on_line(one.start_ns + one.length_ns + one.late_ns)
                - on_line(one.start_ns)
                - one.length_ns / clock.NS_PER_MS,
            )
            for source, mouth in mouths.items()
            for one in mouth.said()
        ]
        said += self._said_by_file()
        finals = [event for event in events if isinstance(event, TranscriptFinal)]
        outcome.gaps = [event for event in events if isinstance(event, Gap)]
        outcome.verdict = judge(said, finals, outcome.gaps, SLACK_MS, (1,) if self._wrong_edges else (0, 1, 2))
        outcome.spans = [
            Span(str(fault), on_line(began), on_line(ended), fault.costs_a_gap, fault.hold_s * 1000)
            for fault, began, ended in done
        ]
        outcome.spells = spans_of(self.stolen.spells(started_ns), on_line)
        live = [utterance for utterance in said if utterance.source in SINKS]  # a file waits while nobody reads it
        outcome.delays = delays(first_sights(live, _arrivals(self.record.came, on_line)), outcome.spans, outcome.spells)
        outcome.unexplained = unexplained(outcome.gaps, outcome.spans)

    def _said_by_file(self) -> list[Utterance]:
        voice = VOICES["file"]
        numbers = range(self._utterances_in_file())
        return [
            Utterance("file", number, words_of(number, voice), number * EVERY_MS, early_ms=self._early_ms)
            for number in numbers
        ]


def _arrivals(came: Iterable[Came], on_line: Callable[[int], float]) -> list[Arrival]:
    return [
        Arrival(one.event.source, number, start_ms, on_line(one.at_ns))
        for one in came
        if isinstance(one.event, TranscriptFinal | TranscriptPartial)
        for number, start_ms in numbers_in(one.event)
    ]
