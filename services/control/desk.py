"""The control desk: which sessions exist, and what is answered to whom. No I/O; requests and time in, effects out.

What a person asked for is state (`Session`), and each worker asks for its part of it and makes reality match, so no
command can get lost. Requests that must wait (a `stop` for the last words, a `start` before capture has said what can
be heard) are held and answered from `tick`.

            shutdown, SIGTERM             all sessions ended, or late             shutdown: the workers were told
    open ──────────────────────▶ closing ─────────────────────────▶ farewell ──────────────────────────────────▶ closed
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from causal import wire
from causal.errors import START_COMMAND, CausalError
from causal.messages import QueueDepth, StreamName
from causal.messages.control import (
    Assignments,
    Export,
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

from .bucket import Bucket
from .crew import Crew, Now
from .effects import Answer, Close, Effect, MintToken, ReadSession, Ring, SaveGrants, Ticket, refuse
from .engine_choice import NEED_KEY, Key, choose_engine
from .session import Session, Stream
from .sources import Chosen, DeviceMissing, choose

KNOWN_WITHIN_S = 3.0
"""How long `list` and `start` wait for a capture worker that is about to come, and for the key."""
LONGEST_WAIT_S = 3600.0
MAX_HELD = 500
SHUTDOWN_WITHIN_S = 10.0
FAREWELL_WITHIN_S = 1.5
"""Within this each live worker asks once more, and is told to end."""


@dataclass(frozen=True)
class Facts:
    """What does not change while the controller runs."""

    stack: str
    file_exists: Callable[[str], bool]
    about: dict[str, Any] = field(default_factory=dict)
    """Version and directories, for `status`."""
    engine: str = "auto"
    language: str | None = None
    keyterms: tuple[str, ...] = ()
    key: Callable[[], Key] = Key
    new_sessions_per_minute: int = 5
    new_id: Callable[[int], str] = str
    """A session's id, from the wall clock."""
    history: Callable[[], Iterable[Session]] = list


@dataclass(frozen=True)
class _Held:
    ticket: Ticket | None
    request: List | Start | Stop
    until_s: float


class Desk:
    """Holds at most 500 requests that wait; more are refused. One writer."""

    def __init__(
        self, facts: Facts, unfinished: Iterable[Session] = (), granted_s: Mapping[str, float] | None = None
    ) -> None:
        """`granted_s`: what a former controller granted, by the same clock as `Now.monotonic_s`."""
        self._facts = facts
        self._crew = Crew(unfinished)
        self._bucket = Bucket(facts.new_sessions_per_minute, granted_s)
        self._held: list[_Held] = []
        self._turned_away = 0
        self._close_by_s: float | None = None
        self._farewell_by_s: float | None = None
        self._says_farewell = False
        self._told: set[tuple[str, str]] = set()

    def open(self, now: Now) -> list[Effect]:
        """What follows from what a former controller left."""
        return self._crew.open(self._facts.stack, now)

    def request(self, ticket: Ticket | None, request: Request, now: Now) -> list[Effect]:
        """What a request leads to; its answer may come later."""
        try:
            return self._take(ticket, request, now)
        except CausalError as error:
            return [refuse(ticket, error.code, error.message, error.hint)]

    def tick(self, now: Now) -> list[Effect]:
        """What time leads to: call it twice a second, ten times while it `is_waiting`."""
        effects = self._crew.assign(now.monotonic_s)
        held, self._held = self._held, []
        for waiting in held:
            effects += self._retry(waiting, now)
        self._crew.forget_ended()
        return effects + self._close(now.monotonic_s)

    @property
    def is_waiting(self) -> bool:
        """Whether something may come any moment that a tick acts on."""
        return bool(self._held) or self._close_by_s is not None or not self._crew.complete

    def queue(self) -> QueueDepth:
        """The requests that wait, for `status`."""
        return QueueDepth(depth=len(self._held), capacity=MAX_HELD, dropped=self._turned_away)

    def stop_all(self, now: Now, within_s: float) -> list[Effect]:
        """Ends every session, then closes the desk, after at most `within_s`."""
        by_s = now.monotonic_s + within_s
        self._close_by_s = by_s if self._close_by_s is None else min(by_s, self._close_by_s)
        return self._crew.finish_all("stack-stopped", now)

    # --- requests ---

    def _take(self, ticket: Ticket | None, request: Request, now: Now) -> list[Effect]:
        match request:
            case Assignments():
                return self._poll(ticket, request, now)
            case List() | Start():
                return self._when_known(ticket, request, now)
            case Stop():
                return self._stop(ticket, request, now)
            case Status():
                return [Answer(ticket, {"ok": True} | self._facts.about | self._status(now.monotonic_s))]
            case Sessions():
                return [Answer(ticket, {"ok": True, "sessions": [_history_row(s) for s in self._facts.history()]})]
            case Export():
                known = (*self._crew.sessions, *(session.id for session in self._facts.history()))
                return [ReadSession(ticket, request.session, request.format, known)]
            case Token():
                return self._token(ticket, request)
            case Shutdown():
                self._says_farewell = True
                return [Answer(ticket, {"ok": True}), *self.stop_all(now, SHUTDOWN_WITHIN_S)]

    def _poll(self, ticket: Ticket | None, poll: Assignments, now: Now) -> list[Effect]:
        heard = self._crew.hear(poll, now)
        effects, work = self._crew.work(poll)
        shutdown = self._says_farewell and self._farewell_by_s is not None
        if shutdown:
            self._told.add((poll.service, poll.instance))
        key = self._facts.key().value if poll.service == "stt" else None
        before, granted = self._bucket.granted_s, self._bucket.grant(poll.wishes, now.monotonic_s)
        effects += [SaveGrants(self._bucket.granted_s)] if set(granted) - before.keys() else []
        sessions = tuple(session.id for session in self._crew.active()) if poll.service == "resample" else ()
        answer = Work(streams=work, key=key, granted=granted, sessions=sessions, shutdown=shutdown)
        return [*heard, *effects, Answer(ticket, {"ok": True} | wire.to_map(answer))]

    def _when_known(self, ticket: Ticket | None, request: List | Start, now: Now) -> list[Effect]:
        if not self._knows_enough(request):
            return self._hold(_Held(ticket, request, now.monotonic_s + KNOWN_WITHIN_S))
        return self._answer(ticket, request, now)

    def _knows_enough(self, request: List | Start) -> bool:
        needs_key = isinstance(request, Start) and (request.engine or self._facts.engine) in NEED_KEY
        if needs_key and self._facts.key().coming:
            return False
        return self._crew.devices is not None or _needs_no_list(request)

    def _answer(self, ticket: Ticket | None, request: List | Start, now: Now) -> list[Effect]:
        if isinstance(request, List):
            devices = [wire.to_map(device) for device in self._crew.devices or ()]
            return [Answer(ticket, {"ok": True, "devices": devices})]
        session = self._new_session(ticket, request, now)
        return [*self._crew.begin(session, now), Answer(ticket, session.answer())]

    def _new_session(self, ticket: Ticket | None, request: Start, now: Now) -> Session:
        if self._close_by_s is not None:
            raise CausalError("shutting-down", "the stack is being stopped", f"Start it again first: {START_COMMAND}")
        chosen = self._choose(request.sources)
        engine = choose_engine(request.engine or self._facts.engine, self._facts.key())
        session_id = self._new_id(now.unix_ns)
        return Session(
            id=session_id,
            label=request.label,
            engine=engine,
            language=request.language or self._facts.language,
            keyterms=request.keyterms or self._facts.keyterms,
            record=request.record,
            started_ns=now.capture_ns,
            started_unix_ns=now.unix_ns,
            stack=self._facts.stack,
            streams=[Stream(name=StreamName(session_id, one.source), device=one.device) for one in chosen],
            request_id=ticket.id if ticket else None,
        )

    def _new_id(self, unix_ns: int) -> str:
        while (session_id := self._facts.new_id(unix_ns)) in self._crew.sessions:
            unix_ns += 1
        return session_id

    def _choose(self, sources: tuple[str, ...]) -> list[Chosen]:
        devices = self._crew.devices or ()
        try:
            return choose(sources, devices, self._facts.file_exists)
        except DeviceMissing as error:
            cause = self._crew.deafness
            if cause is None or devices:
                raise
            raise CausalError(cause.code, f"{error.message}: {cause.message}", cause.hint) from error

    def _stop(self, ticket: Ticket | None, request: Stop, now: Now) -> list[Effect]:
        session = self._crew.sessions.get(request.session)
        if session is None:
            return [self._answer_past(ticket, request.session)]
        effects = self._crew.finish(session, "stopped", now)
        wait_s = max(0.0, min(request.timeout_s, LONGEST_WAIT_S))
        return effects + self._hold(_Held(ticket, request, now.monotonic_s + wait_s))

    def _answer_past(self, ticket: Ticket | None, session_id: str) -> Answer:
        past = [session.id for session in self._facts.history()]
        if session_id in past:
            return Answer(ticket, {"ok": True, "state": "ended", "backlog_ms": 0})
        near = difflib.get_close_matches(session_id, [*self._crew.sessions, *past], 1, 0.5)
        hint = f"Did you mean {near[0]}?" if near else "causal-ctl sessions shows them."
        return refuse(ticket, "unknown-session", f"there is no session {session_id!r}", hint)

    def _token(self, ticket: Ticket | None, request: Token) -> list[Effect]:
        if not self._facts.key().value:
            raise CausalError("auth-failed", "there is no AssemblyAI key to make a token with", "causal-ctl key set")
        if not 1 <= request.expires_in_s <= 600:
            raise CausalError("bad-request", f"a token for {request.expires_in_s} s", "1 to 600 seconds are possible.")
        return [MintToken(ticket, request.expires_in_s)]

    def _status(self, now_s: float) -> dict[str, Any]:
        return {
            "engine": self._engine_or_error(),
            "sessions": [wire.to_map(session.view()) for session in self._crew.active()],
            "services": [wire.to_map(view) for view in self._crew.views(now_s)],
        }

    def _engine_or_error(self) -> str:
        try:
            return choose_engine(self._facts.engine, self._facts.key())
        except CausalError as error:
            return f"{self._facts.engine} ({error.message})"

    # --- time ---

    def _hold(self, held: _Held) -> list[Effect]:
        if len(self._held) >= MAX_HELD:
            self._turned_away += 1
            return [refuse(held.ticket, "busy", f"{MAX_HELD} requests are waiting already", "Try again later.")]
        self._held.append(held)
        return []

    def _retry(self, held: _Held, now: Now) -> list[Effect]:
        late = now.monotonic_s >= held.until_s
        if isinstance(held.request, Stop):
            session = self._crew.sessions[held.request.session]
            if session.state == "ended" or late:
                return [_stopped(held.ticket, session)]
        elif self._knows_enough(held.request):
            try:
                return self._answer(held.ticket, held.request, now)
            except CausalError as error:
                return [refuse(held.ticket, error.code, error.message, error.hint)]
        elif late:
            text = "causal-capture does not answer, so nothing is known of the devices"
            return [refuse(held.ticket, "device-unavailable", text, "Does it run? See its log, and causal-ctl status.")]
        self._held.append(held)
        return []

    def _close(self, now_s: float) -> list[Effect]:
        if self._close_by_s is None:
            return []
        if self._farewell_by_s is None:
            if self._crew.active() and now_s < self._close_by_s:
                return []
            self._farewell_by_s = now_s + FAREWELL_WITHIN_S if self._says_farewell else now_s
            if self._says_farewell:
                return [Ring()]
        waiting = {worker for worker in self._crew.alive(now_s) - self._told if worker[0] != "control"}
        return [*self._dismiss(), Close()] if now_s >= self._farewell_by_s or not waiting else []

    def _dismiss(self) -> list[Effect]:
        """Whoever still waits is answered before the end."""
        held, self._held = self._held, []
        return [
            _stopped(one.ticket, self._crew.sessions[one.request.session])
            if isinstance(one.request, Stop)
            else refuse(
                one.ticket, "shutting-down", "the stack is being stopped", f"Start it again first: {START_COMMAND}"
            )
            for one in held
        ]


def _needs_no_list(request: List | Start) -> bool:
    return isinstance(request, Start) and all(s.startswith("file:") for s in request.sources or ("?",))


def _stopped(ticket: Ticket | None, session: Session) -> Answer:
    return Answer(ticket, {"ok": True, "state": session.state, "backlog_ms": session.view().backlog_ms})


def _history_row(session: Session) -> dict[str, Any]:
    row = wire.to_map(session.status())
    row.pop("seq", None)
    return row | {"ended_unix_ns": session.ended_unix_ns}
