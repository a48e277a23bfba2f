"""A real stack with its own speech engine, that hears real speech while processes are killed and frozen.

    with EngineLaboratory(procfile, clips, plain) as laboratory:
        outcome = laboratory.run(plan(seed=7, minutes=3, targets=ENGINE_TARGETS), minutes=3)

Two streams: the loudspeakers of a private sound server, and its microphone. All recordings are played again and again,
first without faults: what is understood then is what to expect.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import soxr

from causal import clock
from causal.messages import Gap, TranscriptFinal, TranscriptPartial

from .clip_judge import Difference, Heard, Plain, Spoken, compare, hear, out_of_order
from .clips import RATE_HZ as CLIP_RATE_HZ
from .clips import Clip
from .event_record import Came, EventRecord, stored
from .fault_course import FaultCourse, Record, Tell, end_session, look_at_sink, session_started_ns, spans_of
from .fault_hands import WorkerHands
from .fault_schedule import Fault
from .live_delay import Sight, Span, delays
from .mouth import RATE_HZ, Mouth, Said
from .pulse_server import PrivatePulse
from .stack import Stack
from .stolen_time import StolenTime

PROCESSES = ("broker", "control", "engine", "resample", "stt", "capture", "jsonl")
SINKS = {"system": "speakers", "mic": "feed"}
PAUSE_S = 1.0
"""After each recording, so that a turn ends there."""
BEGIN_S = 10.0
"""Until the first recording plays; then each plays once without faults."""
HEARD_WITHIN_S = 30.0
SEEN_MS = 300.0
"""A word is seen by the first event that has one so near to it, whatever its text: partials change their mind."""


@dataclass
class Outcome(Record):
    """What came of a run."""

    usual: list[Heard] = field(default_factory=list)
    """Each recording in each source, before the first fault."""
    heard: list[Heard] = field(default_factory=list)
    """Each that was played later."""
    difference: Difference = field(default_factory=Difference)
    disorder: list[str] = field(default_factory=list)
    """Words in the wrong order."""


class EngineLaboratory:
    """Everything is running between `__enter__` and `__exit__`. One run each."""

    def __init__(self, procfile: Path, clips: Sequence[Clip], plain: Plain) -> None:
        """`plain` takes the spelling from words."""
        self._procfile = procfile
        self._clips = clips
        self._plain = plain
        self._sounds = [_sound(clip) for clip in clips]
        self._quiet_minutes = (sum(map(len, self._sounds)) / RATE_HZ + BEGIN_S) / 60
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self.pulse = stack.enter_context(PrivatePulse(urgent=True))
            environment = {"PULSE_SERVER": self.pulse.server}
            self.stack = stack.enter_context(Stack(self._procfile, PROCESSES, environment=environment))
            self.record = stack.enter_context(EventRecord(self.stack.paths))
            self.stolen = stack.enter_context(StolenTime())
            self._opened = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def run(self, faults: Iterable[Fault], minutes: float, tell: Tell = lambda _: None) -> Outcome:
        """Plays without faults, then with them, for so many minutes, and judges. `tell` hears of each fault."""
        outcome = Outcome()
        session = self._begin()
        started_ns = session_started_ns(stored(self.stack.paths, session))
        hands = WorkerHands(self.stack)
        course = FaultCourse(self.stack, hands, minutes)
        with contextlib.ExitStack() as speaking:
            mouths = {source: speaking.enter_context(self._mouth(source)) for source in SINKS}
            FaultCourse(self.stack, hands, self._quiet_minutes).run([])
            troubled_ns = clock.now_ns()
            done = course.run(faults, tell)
        outcome.vitals, outcome.loads = course.vitals, course.loads
        outcome.ended = end_session(self.stack, session)

        def on_line(at_ns: int) -> float:
            return (at_ns - started_ns) / clock.NS_PER_MS

        spoken = [self._spoken(source, said, on_line) for source, mouth in mouths.items() for said in mouth.said()]
        outcome.spans = [Span(str(fault), on_line(began), on_line(ended)) for fault, began, ended in done]
        outcome.spells = spans_of(self.stolen.spells(started_ns), on_line)
        self._judge(session, spoken, on_line(troubled_ns), on_line, outcome)
        outcome.sink = look_at_sink(self.stack)
        return outcome

    # --- the run ---

    def _begin(self) -> str:
        """Starts the session; returns when all of it is heard."""
        reply = self.stack.ask("start", within_s=10.0, sources=list(SINKS), engine="local")
        if not reply["ok"]:
            raise RuntimeError(reply["error"])
        self.stack.until(lambda: self._hears() == len(SINKS), HEARD_WITHIN_S, "all sources heard")
        return str(reply["session"])

    def _hears(self) -> int:
        streams = [stream for session in self.stack.ask("status")["sessions"] for stream in session["streams"]]
        return sum(stream["captured_ms"] > 0 for stream in streams)

    def _mouth(self, source: str) -> Mouth:
        return Mouth(self.pulse.server, SINKS[source], lambda number: self._sounds[self._which(source, number)])

    def _which(self, source: str, number: int) -> int:
        """Which recording a source plays: never the same in both."""
        return (number + list(SINKS).index(source) * len(self._clips) // len(SINKS)) % len(self._clips)

    # --- the judgement ---

    def _spoken(self, source: str, said: Said, on_line: Callable[[int], float]) -> Spoken:
        clip = self._clips[self._which(source, said.number)]
        start_ms = on_line(said.start_ns)
        words = tuple(self._plain(clip.transcript).split())
        return Spoken(
            source, clip.name, words, start_ms, start_ms + said.length_ns / clock.NS_PER_MS, said.whole, said.timed
        )

    def _judge(
        self,
        session: str,
        spoken: Sequence[Spoken],
        troubled_ms: float,
        on_line: Callable[[int], float],
        outcome: Outcome,
    ) -> None:
        events = stored(self.stack.paths, session)
        finals = [event for event in events if isinstance(event, TranscriptFinal)]
        outcome.gaps = [event for event in events if isinstance(event, Gap)]
        heard = hear(spoken, finals, self._plain)
        outcome.usual = [one for one in heard if one.spoken.end_ms < troubled_ms]
        outcome.heard = [one for one in heard if one.spoken.end_ms >= troubled_ms]
        usual = {(one.spoken.source, one.spoken.name): one for one in outcome.usual}
        outcome.difference = compare(outcome.heard, usual)
        for source in SINKS:
            outcome.disorder += out_of_order(final for final in finals if final.source == source)
        outcome.delays = delays(_sights(finals, self.record.came, on_line), outcome.spans, outcome.spells)


def _sound(clip: Clip) -> npt.NDArray[np.float32]:
    """A recording as a mouth says it, with the pause after it."""
    samples = clip.samples().astype(np.float32) / 32768
    resampled = soxr.resample(samples, CLIP_RATE_HZ, RATE_HZ).astype(np.float32)
    return np.concatenate([resampled, np.zeros(round(PAUSE_S * RATE_HZ), np.float32)])


def _sights(finals: Iterable[TranscriptFinal], came: Iterable[Came], on_line: Callable[[int], float]) -> list[Sight]:
    """When each word of the transcript was first seen."""
    shown: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in came:
        if isinstance(one.event, TranscriptFinal | TranscriptPartial):
            shown[one.event.source] += [(word.start_ms, on_line(one.at_ns)) for word in one.event.words]
    for seen in shown.values():
        seen.sort()
    sights = []
    for final in finals:
        for word in final.words:
            near = shown[final.source]
            first, stop = (bisect_left(near, (word.start_ms + off_ms, 0.0)) for off_ms in (-SEEN_MS, SEEN_MS))
            times = [at_ms for _, at_ms in near[first:stop]]
            if times:
                sights.append(Sight(final.source, word.start_ms, word.end_ms, min(times)))
    return sights
