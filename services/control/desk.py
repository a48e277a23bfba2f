"""The control desk: which sessions exist, and what each worker shall do. No I/O; requests and time in, effects out.

What a person asked for is state here (`Session`), and each worker asks for its part of it and makes reality match, so
no command can get lost. Requests that must wait (a `stop` for the last words, a `start` before capture has said what
can be heard) are held and answered from `tick`.
"""

from __future__ import annotations

import difflib
import os.path
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from causal import wire
from causal.errors import CausalError
from causal.messages import CaptureError, StreamName
from causal.messages.control import (
    Assignment,
    Assignments,
    Device,
    List,
    Request,
    Sessions,
    Shutdown,
    Start,
    Status,
    Stop,
    Token,
    Work,
)

from .assigner import assign
from .effects import Answer, Close, Effect, Emit, MintToken, Publish, Ring, Save, Ticket
from .registry import Registry
from .session import ROLES, Role, Session, Stream
from .sources import choose

DEVICES_WITHIN_S = 3.0
"""How long `list` and `start` wait for a capture worker that is about to come."""
SHUTDOWN_WITHIN_S = 10.0
FAREWELL_S = 0.6
"""From telling the services to end until the controller ends itself."""


@dataclass(frozen=True)
class Now:
    """The time by three clocks."""

    monotonic_s: float
    capture_ns: int
    unix_ns: int


@dataclass(frozen=True)
class Facts:
    """What does not change while the controller runs."""

    stack: str
    about: dict[str, Any] = field(default_factory=dict)
    """Version and directories, for `status`."""
    engine: str = "auto"
    language: str | None = None
    keyterms: tuple[str, ...] = ()
    key: str | None = None
    new_id: Callable[[int], str] = str
    """A session's id, from the wall clock."""
    file_exists: Callable[[str], bool] = os.path.isfile
    history: Callable[[], Iterable[Session]] = list


@dataclass(frozen=True)
class _Held:
    ticket: Ticket
    request: List | Start | Stop
    until_s: float


class Desk:
    def __init__(self, facts: Facts, unfinished: Iterable[Session] = ()) -> None:
        self._facts = facts
        self._sessions = {session.id: session for session in unfinished}
        self._registry = Registry()
        self._devices: tuple[Device, ...] | None = None
        self._held: list[_Held] = []
        self._shutdown_by_s: float | None = None
        self._farewell_s: float | None = None

    def open(self) -> list[Effect]:
        """What the former controller left: its sessions go on, unless the whole stack was stopped since."""
        former = [session for session in self._sessions.values() if session.stack != self._facts.stack]
        return [effect for session in former for effect in self._finish(session, "stack-stopped")]

    def request(self, ticket: Ticket, request: Request, now: Now) -> list[Effect]:
        """What a request leads to; its answer may come later."""
        try:
            return self._take(ticket, request, now)
        except CausalError as error:
            return [refuse(ticket, error.code, error.message, error.hint)]

    def tick(self, now: Now) -> list[Effect]:
        """What time leads to: call it about ten times a second."""
        effects: list[Effect] = [Save(session) for session in assign(self._active(), self._registry, now.monotonic_s)]
        if effects:
            effects.append(Ring())
        held, self._held = self._held, []
        for waiting in held:
            effects += self._retry(waiting, now)
        return effects + self._close(now.monotonic_s)

    def stop_all(self, reason: str, now: Now, within_s: float) -> list[Effect]:
        """Ends every session, tells the services to end, then closes the desk; all `within_s` and a farewell."""
        self._shutdown_by_s = now.monotonic_s + within_s
        running = [session for session in self._active() if session.state == "running"]
        return [effect for session in running for effect in self._finish(session, reason)]

    # --- requests ---

    def _take(self, ticket: Ticket, request: Request, now: Now) -> list[Effect]:
        match request:
            case Assignments():
                return self._poll(ticket, request, now)
            case List() | Start():
                return self._when_devices_known(ticket, request, now)
            case Stop():
                return self._stop(ticket, request, now)
            case Status():
                return [Answer(ticket, {"ok": True} | self._facts.about | self._status(now.monotonic_s))]
            case Sessions():
                return [Answer(ticket, {"ok": True, "sessions": [_history_row(s) for s in self._facts.history()]})]
            case Token():
                return self._token(ticket, request)
            case Shutdown():
                return [Answer(ticket, {"ok": True}), *self.stop_all("stack-stopped", now, SHUTDOWN_WITHIN_S)]

    def _when_devices_known(self, ticket: Ticket, request: List | Start, now: Now) -> list[Effect]:
        if self._devices is None and not self._needs_no_list(request):
            self._held.append(_Held(ticket, request, now.monotonic_s + DEVICES_WITHIN_S))
            return []
        return self._with_devices(ticket, request, now)

    @staticmethod
    def _needs_no_list(request: List | Start) -> bool:
        return isinstance(request, Start) and all(s.startswith("file:") for s in request.sources or ("?",))

    def _with_devices(self, ticket: Ticket, request: List | Start, now: Now) -> list[Effect]:
        if isinstance(request, List):
            return [Answer(ticket, {"ok": True, "devices": [wire.to_map(device) for device in self._devices or ()]})]
        session = self._new_session(request, now)
        self._sessions[session.id] = session
        assign([session], self._registry, now.monotonic_s)
        answer = Answer(ticket, {"ok": True, "session": session.id, "engine": session.engine})
        return [Save(session), Publish(session.status()), Ring(), answer]

    def _new_session(self, request: Start, now: Now) -> Session:
        if self._shutdown_by_s is not None:
            raise CausalError("shutting-down", "the stack is being stopped", "Start it again first: honcho start")
        chosen = choose(request.sources, self._devices or (), self._facts.file_exists)
        session_id = self._facts.new_id(now.unix_ns)
        return Session(
            id=session_id,
            label=request.label,
            engine=self._engine(request.engine or self._facts.engine),
            language=request.language or self._facts.language,
            keyterms=request.keyterms or self._facts.keyterms,
            record=request.record,
            started_ns=now.capture_ns,
            started_unix_ns=now.unix_ns,
            stack=self._facts.stack,
            streams=[Stream(name=StreamName(session_id, one.source), device=one.device) for one in chosen],
        )

    def _engine(self, wanted: str) -> str:
        match wanted:
            case "auto":
                return "assemblyai" if self._facts.key else "local"
            case "assemblyai" if not self._facts.key:
                hint = "Set ASSEMBLYAI_API_KEY before starting the stack, or use the local engine: --engine local"
                raise CausalError("auth-failed", "there is no AssemblyAI key", hint)
            case "assemblyai" | "local":
                return wanted
            case _ if wanted.startswith(("ws://", "wss://")):
                return wanted
        raise CausalError("bad-config", f"unknown engine {wanted!r}", "Known are auto, assemblyai, local, ws://… .")

    def _stop(self, ticket: Ticket, request: Stop, now: Now) -> list[Effect]:
        session = self._sessions.get(request.session)
        if session is None:
            return [self._answer_past(ticket, request.session)]
        effects = self._finish(session, "stopped") if session.state == "running" else []
        self._held.append(_Held(ticket, request, now.monotonic_s + max(0.0, min(request.timeout_s, 3600.0))))
        return effects

    def _answer_past(self, ticket: Ticket, session_id: str) -> Answer:
        past = [session.id for session in self._facts.history()]
        if session_id in past:
            return Answer(ticket, {"ok": True, "state": "ended", "backlog_ms": 0})
        near = difflib.get_close_matches(session_id, [*self._sessions, *past], 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else "causal-ctl sessions shows them."
        return refuse(ticket, "unknown-session", f"there is no session {session_id!r}", hint)

    def _token(self, ticket: Ticket, request: Token) -> list[Effect]:
        if not self._facts.key:
            raise CausalError(
                "auth-failed", "there is no AssemblyAI key to make a token with", "Set ASSEMBLYAI_API_KEY."
            )
        if not 1 <= request.expires_in_s <= 600:
            raise CausalError("bad-request", f"a token for {request.expires_in_s} s", "1 to 600 seconds are possible.")
        return [MintToken(ticket, request.expires_in_s)]

    # --- workers ---

    def _poll(self, ticket: Ticket, poll: Assignments, now: Now) -> list[Effect]:
        worker = self._registry.hear(poll, now.monotonic_s)
        news = self._registry.news(worker, now.monotonic_s)
        effects: list[Effect] = [Emit(news)] if news else []
        work: tuple[Assignment, ...] = ()
        for role in ROLES:
            if role == poll.service:
                effects += self._hear_reports(role, poll, now)
                work = self._work(role, poll, effects)
        if poll.devices is not None:
            self._devices = poll.devices
        answer = Work(
            streams=work,
            key=self._facts.key if poll.service == "stt" else None,
            shutdown=self._farewell_s is not None,
        )
        return [*effects, Answer(ticket, {"ok": True} | wire.to_map(answer))]

    def _hear_reports(self, role: Role, poll: Assignments, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        for report in poll.streams:
            session_id, _, source = report.stream.partition("/")
            session = self._sessions.get(session_id)
            stream = next((s for s in session.streams if s.name.source == source), None) if session else None
            if session and stream and stream.hear(role, report):
                effects += self._tell(stream, role)
                effects += self._progress(session, now)
        return effects

    def _work(self, role: Role, poll: Assignments, effects: list[Effect]) -> tuple[Assignment, ...]:
        work = []
        for session in self._active():
            for stream in session.streams:
                holder = stream.holders.get(role)
                if holder is None or holder.instance != poll.instance or stream.done(role):
                    continue
                if holder.incarnation != poll.incarnation:
                    stream.hand_to(role, poll.instance, poll.incarnation)
                    effects.append(Save(session))
                work.append(session.assignment(stream, role))
        return tuple(work)

    def _tell(self, stream: Stream, role: Role) -> list[Effect]:
        """What listeners should know after a report: changes durably, levels in passing."""
        effects: list[Effect] = []
        faults = stream.faults()
        for place, fault in faults.items():
            if stream.told_faults.get(place) != fault:
                session, source = stream.name
                effects.append(Publish(CaptureError(session=session, source=source, **wire.to_map(fault))))
        stream.told_faults = faults
        status = stream.status()
        if (status.state, status.speech) != stream.told:
            stream.told = (status.state, status.speech)
            effects.append(Publish(status))
        elif role == "capture":
            effects.append(Emit(status))
        return effects

    # --- the way of a session ---

    def _progress(self, session: Session, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        if session.state == "running" and all(stream.done("capture") for stream in session.streams):
            failed = any(stream.status().state == "failed" for stream in session.streams)
            effects += self._finish(session, "failed" if failed else "source-ended")
        if session.state == "finishing" and all(stream.done("stt") for stream in session.streams):
            session.state = "ended"
            session.ended_unix_ns = now.unix_ns
            effects += [Publish(session.status()), Save(session)]
        return effects

    def _finish(self, session: Session, reason: str) -> list[Effect]:
        session.state = "finishing"
        session.reason = session.reason or reason
        for stream in session.streams:
            stream.stop = True
        return [Save(session), Publish(session.status()), Ring()]

    # --- time ---

    def _retry(self, held: _Held, now: Now) -> list[Effect]:
        late = now.monotonic_s >= held.until_s
        if isinstance(held.request, Stop):
            session = self._sessions[held.request.session]
            if session.state == "ended" or late:
                answer = {"ok": True, "state": session.state, "backlog_ms": session.view().backlog_ms}
                return [Answer(held.ticket, answer)]
        elif self._devices is not None:
            try:
                return self._with_devices(held.ticket, held.request, now)
            except CausalError as error:
                return [refuse(held.ticket, error.code, error.message, error.hint)]
        elif late:
            text = "causal-capture does not answer, so nothing is known of the devices"
            return [refuse(held.ticket, "device-unavailable", text, "Does it run? See its log, and causal-ctl status.")]
        self._held.append(held)
        return []

    def _close(self, now_s: float) -> list[Effect]:
        if not self._held:
            self._sessions = {s.id: s for s in self._sessions.values() if s.state != "ended"}
        if self._shutdown_by_s is None:
            return []
        if self._farewell_s is None:
            if self._active() and now_s < self._shutdown_by_s:
                return []
            self._farewell_s = now_s + FAREWELL_S
            return [Ring()]
        return [Close()] if now_s >= self._farewell_s else []

    def _active(self) -> list[Session]:
        return [session for session in self._sessions.values() if session.state != "ended"]

    def _status(self, now_s: float) -> dict[str, Any]:
        return {
            "engine": self._engine_or_error(),
            "sessions": [wire.to_map(session.view()) for session in self._active()],
            "services": [wire.to_map(view) for view in self._registry.views(now_s)],
        }

    def _engine_or_error(self) -> str:
        try:
            return self._engine(self._facts.engine)
        except CausalError as error:
            return f"{self._facts.engine} ({error.message})"


def refuse(ticket: Ticket, code: str, message: str, hint: str = "") -> Answer:
    """An answer that says no, and why."""
    return Answer(ticket, {"ok": False, "error": {"code": code, "message": message, "hint": hint}})


def _history_row(session: Session) -> dict[str, Any]:
    row = wire.to_map(session.status())
    row.pop("seq", None)
    return row | {"ended_unix_ns": session.ended_unix_ns}
