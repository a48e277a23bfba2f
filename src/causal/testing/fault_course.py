"""A course of faults: each is done to a running stack at its time, and what the processes hold is watched meanwhile.

course = FaultCourse(stack, hands, minutes=3)
done = course.run(plan(seed=7, minutes=3))
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import psutil

from causal import clock
from causal.messages import Event, Gap, SessionStatus

from .event_record import stored
from .fault_hands import WorkerHands
from .fault_schedule import LAST_S, Fault
from .live_delay import Delay, Span
from .stack import Stack
from .stolen_time import Spell
from .vitals import Vital, vitals

WATCH_S = 5.0
END_WITHIN_S = 600.0
SINK_WITHIN_S = 10.0

Tell = Callable[[str], None]
Done = tuple[Fault, int, int]
"""A fault, when it began and when it was over, on this process's capture clock."""


@dataclass
class Record:
    """What every laboratory tells of a run."""

    spans: list[Span] = field(default_factory=list)
    delays: list[Delay] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    vitals: list[Vital] = field(default_factory=list)
    loads: list[float] = field(default_factory=list)
    """Of the machine, whenever the vitals were taken."""
    spells: list[Span] = field(default_factory=list)
    """When the machine's host had taken its processors away, on the session's time line."""
    sink: str = ""
    """What is wrong with the file of the sink, which must hold each stored event once and in order."""
    ended: bool = False
    """Whether the session came to its end by itself after the run."""


class FaultCourse:
    """Runs once, for so many minutes."""

    def __init__(self, stack: Stack, hands: WorkerHands, minutes: float) -> None:
        self.vitals: list[Vital] = []
        self.loads: list[float] = []
        """Of the machine, whenever the vitals were taken."""
        self._stack = stack
        self._hands = hands
        self._minutes = minutes
        self._begun_s = 0.0
        self._late_s = 0.0

    def run(self, faults: Iterable[Fault], tell: Tell = lambda _: None) -> list[Done]:
        """Returns when the time is over. `tell` hears of each fault as it begins."""
        self._begun_s = time.monotonic()
        with ThreadPoolExecutor() as beside:
            waiting = [self._suffer(fault, tell, beside) for fault in faults if self._is_due(fault)]
            self._wait_until(self._begun_s + 60 * self._minutes)
            return [happened.result() for happened in waiting]

    def _is_due(self, fault: Fault) -> bool:
        """Waits for a fault's time; False when that is too late. On a machine that stood still the others come later
        too, so that there is always as much time between them."""
        self._wait_until(self._begun_s + fault.at_s + self._late_s)
        now_s = time.monotonic() - self._begun_s
        self._late_s = max(0.0, now_s - fault.at_s)
        return now_s <= 60 * self._minutes - LAST_S

    def _suffer(self, fault: Fault, tell: Tell, beside: ThreadPoolExecutor) -> Future[Done]:
        """Lets a fault happen; waits for its end, unless it is a long one."""
        now_s = time.monotonic() - self._begun_s
        tell(f"{now_s:7.1f} s  {fault}" + (f", {fault.length_s} s" if fault.length_s else ""))
        happened = beside.submit(self._let_happen, fault)
        if not fault.is_long:
            happened.result()
        return happened

    def _let_happen(self, fault: Fault) -> Done:
        began_ns = clock.now_ns()
        self._hands.do(fault)
        return fault, began_ns, clock.now_ns()

    def _wait_until(self, until_s: float) -> None:
        while (left_s := until_s - time.monotonic()) > 0:
            newest_s = self.vitals[-1].at_s if self.vitals else float("-inf")
            if time.monotonic() - self._begun_s - newest_s >= WATCH_S:
                self.vitals += vitals(self._stack, self._begun_s)
                self.loads.append(psutil.getloadavg()[0])
            time.sleep(min(0.2, left_s))


def end_session(stack: Stack, session: str) -> bool:
    """Stops a session, and waits for its last words; whether it came to its end."""
    until_s = time.monotonic() + END_WITHIN_S
    while time.monotonic() < until_s:
        with contextlib.suppress(TimeoutError):
            reply = stack.ask("stop", within_s=20.0, session=session, timeout_s=10.0)
            if reply.get("state") == "ended":
                return True
    return False


def look_at_sink(stack: Stack) -> str:
    """What is wrong with the file of the jsonl sink, which must hold each stored event once and in order."""
    head = len(stored(stack.paths))
    path = stack.paths.data / "transcripts" / "transcript.jsonl"

    def seqs() -> list[int]:
        return [json.loads(line)["seq"] for line in path.read_text("utf-8").splitlines()]

    with contextlib.suppress(TimeoutError):
        stack.until(lambda: seqs()[-1:] == [head], SINK_WITHIN_S)
    found = seqs()
    if found == list(range(1, head + 1)):
        return ""
    missing = sorted(set(range(1, head + 1)) - set(found))
    return f"{len(found)} lines for {head} events; missing {missing[:10]}, {len(found) - len(set(found))} twice"


def spans_of(spells: Iterable[Spell], on_line: Callable[[int], float]) -> list[Span]:
    """Spells of the host on a session's time line."""
    return [Span(f"the host took {one.share:.0%}", on_line(one.begin_ns), on_line(one.end_ns)) for one in spells]


def session_started_ns(events: Sequence[Event]) -> int:
    """A session's start on the capture clock, by the wall clock: to a millisecond."""
    started_at = next(event.started_at for event in events if isinstance(event, SessionStatus))
    ago_ns = time.time_ns() - round(datetime.fromisoformat(started_at).timestamp() * clock.NS_PER_S)
    return clock.now_ns() - ago_ns
