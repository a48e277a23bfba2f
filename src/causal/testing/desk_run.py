"""A control desk with the time and a record of what came of it: who asks what when, what is answered."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import msgspec

from causal import wire
from causal.control.crew import Now
from causal.control.desk import Desk, Facts
from causal.control.effects import (
    Answer,
    Close,
    Effect,
    Emit,
    MintToken,
    Publish,
    Ring,
    Save,
    SaveGrants,
    Ticket,
)
from causal.control.engine_choice import Key
from causal.control.session import Session
from causal.messages import CaptureError, CaptureStatus, SessionStatus
from causal.messages.control import (
    Assignment,
    Assignments,
    Device,
    Fault,
    Request,
    Start,
    StreamReport,
    Wish,
    Work,
)

TICK_S = 0.1
MIC = Device(
    id="pulse:alsa_input.usb", name="USB mic", kind="input", backend="pulse", default=True, channels=1, rate_hz=48000
)
MONITOR = Device(
    id="pulse:alsa_output.pci.monitor",
    name="Speakers",
    kind="loopback",
    backend="pulse",
    default=True,
    channels=2,
    rate_hz=48000,
)


class DeskRun:
    """A desk, the time, and what came of it all. Killing the controller leaves what it had saved."""

    def __init__(self, key: str | None = None, **facts: Any) -> None:
        self.now_s = 1000.0
        self.key = Key(key)
        usual: dict[str, Any] = {
            "stack": "one",
            "file_exists": lambda _: True,
            "history": self.history,
            "key": lambda: self.key,
        }
        self.facts = Facts(**usual | facts)
        self.answers: dict[Any, dict[str, Any]] = {}
        self.published: list[Publish] = []
        self.emitted: list[Emit] = []
        self.minted: list[MintToken] = []
        self.rings = 0
        self.closed = False
        self.saved: dict[str, bytes] = {}
        self.settled: set[str] = set()
        self.granted_s: dict[str, float] = {}
        self._ids = itertools.count(1)
        self.desk = Desk(self.facts)

    def now(self) -> Now:
        return Now(self.now_s, int(self.now_s * 1e9), int((self.now_s + 1.7e9) * 1e9))

    def history(self) -> list[Session]:
        return [msgspec.json.decode(text, type=Session) for text in self.saved.values()]

    def ask(self, request: Request, request_id: Any = None) -> dict[str, Any] | None:
        """The answer, if there is one at once."""
        ticket = Ticket((b"client", b""), request_id or f"r{next(self._ids)}")
        self.do(self.desk.request(ticket, request, self.now()))
        return self.answers.get(ticket.id)

    def start(self, *sources: str, **wishes: Any) -> str:
        answer = self.ask(Start(sources=sources, **wishes))
        assert answer, "a start that waits"
        assert answer["ok"], answer
        return str(answer["session"])

    def poll(
        self,
        service: str,
        *reports: StreamReport,
        instance: str = "1",
        process: str = "a",
        devices: tuple[Device, ...] | None = None,
        wishes: tuple[Wish, ...] = (),
        fault: Fault | None = None,
    ) -> Work:
        """What a worker is told."""
        poll = Assignments(
            service=service,
            instance=instance,
            incarnation=process,
            pid=1,
            streams=reports,
            devices=(MIC, MONITOR) if service == "capture" and devices is None else devices,
            wishes=wishes,
            fault=fault,
        )
        answer = self.ask(poll)
        assert answer
        return wire.convert(answer, Work)

    def all_poll(self) -> None:
        for service in ("capture", "resample", "stt"):
            self.poll(service)

    def pass_time(self, seconds: float, *services: str) -> None:
        """Time passes; the named services poll, as live ones do."""
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            for service in services:
                self.poll(service)
            self.do(self.desk.tick(self.now()))

    def kill_controller(self, *, stack: str = "one", away_s: float = 0.5) -> None:
        """The next controller, of the same run of the stack or another."""
        self.now_s += away_s
        self.facts = dataclasses.replace(self.facts, stack=stack)
        left = [s for s in self.history() if s.id not in self.settled]
        self.desk = Desk(self.facts, left, self.granted_s)
        self.do(self.desk.open(self.now()))

    def do(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Answer(ticket, fields):
                    if ticket is not None:
                        assert ticket.id not in self.answers, "answered twice"
                        self.answers[ticket.id] = fields
                case Save(session):
                    self.saved[session.id] = msgspec.json.encode(session)
                case SaveGrants(granted_s):
                    self.granted_s = granted_s
                case Publish():
                    if effect.key is None or effect.key not in [known.key for known in self.published]:
                        self.published.append(effect)
                case Emit():
                    self.emitted.append(effect)
                case MintToken():
                    self.minted.append(effect)
                case Ring():
                    self.rings += 1
                case Close():
                    self.closed = True

    def states(self, session: str) -> list[tuple[str, str]]:
        """State and reason, as published."""
        events = [one.event for one in self.published if isinstance(one.event, SessionStatus)]
        return [(event.state, event.reason) for event in events if event.session == session]

    def statuses(self) -> list[tuple[str, str]]:
        """State and speech of the streams, as published for good."""
        return [(p.event.state, p.event.speech) for p in self.published if isinstance(p.event, CaptureStatus)]

    def errors(self) -> list[CaptureError]:
        return [one.event for one in self.published if isinstance(one.event, CaptureError)]


def ready(**facts: Any) -> DeskRun:
    """A stack whose workers have said that they are there."""
    stack = DeskRun(**facts)
    stack.pass_time(TICK_S)
    stack.all_poll()
    return stack


def report(work: Work | Assignment, **fields: Any) -> StreamReport:
    assignment = work if isinstance(work, Assignment) else work.streams[0]
    return StreamReport(stream=assignment.stream, epoch=assignment.epoch, **fields)


def finish(stack: DeskRun, *services: str) -> None:
    """The services do what is left, one after the other."""
    for service in services or ("capture", "resample", "stt"):
        work = stack.poll(service)
        stack.poll(service, *(report(assignment, done=True) for assignment in work.streams))
