"""The workers and the sessions that they work on: what they report goes to the listeners, what is wanted to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from causal import wire
from causal.messages import CaptureError
from causal.messages.control import Assignment, Assignments, Device, Fault, ServiceView

from .assigner import assign
from .effects import Effect, Emit, Publish, Ring, Save
from .registry import Registry
from .session import ROLES, Role, Session, Stream


@dataclass(frozen=True)
class Now:
    """The time by three clocks."""

    monotonic_s: float
    capture_ns: int
    unix_ns: int


class Crew:
    """Knows the sessions that have not ended, and those that ended since the last `forget_ended`."""

    def __init__(self, unfinished: Iterable[Session] = ()) -> None:
        self.sessions = {session.id: session for session in unfinished}
        self.devices: tuple[Device, ...] | None = None
        """What capture can hear; None before it has said so."""
        self.deafness: Fault | None = None
        """Why capture hears nothing, when it knows."""
        self._registry = Registry()

    # --- sessions ---

    def open(self, stack: str, now: Now) -> list[Effect]:
        """What a former controller left: its sessions go on, unless the whole stack was stopped since. Their news is
        told again, for the last of it may have died with that controller."""
        effects: list[Effect] = []
        for session in self.sessions.values():
            effects.append(_news(session))
            if session.stack != stack:
                effects += self.finish(session, "stack-stopped", now, seen=False)
            effects += self._progress(session, now)
        return effects

    def begin(self, session: Session, now: Now) -> list[Effect]:
        """A new session, given to the workers."""
        self.sessions[session.id] = session
        changed = assign(self.active(), self._registry, now.monotonic_s)
        return [*(Save(other) for other in changed if other is not session), Save(session), _news(session), Ring()]

    def finish(self, session: Session, reason: str, now: Now, *, seen: bool = True) -> list[Effect]:
        """No more is heard; the last words are waited for. Unless `seen`, nobody knows since when that is so."""
        if session.state != "running":
            return []
        session.state = "finishing"
        session.reason = reason
        session.stopped_ns = now.capture_ns if seen else None
        for stream in session.streams:
            stream.stop = True
        return [Save(session), _news(session), Ring(), *self._progress(session, now)]

    def finish_all(self, reason: str, now: Now) -> list[Effect]:
        return [effect for session in self.active() for effect in self.finish(session, reason, now)]

    def active(self) -> list[Session]:
        """The sessions that have not ended."""
        return [session for session in self.sessions.values() if session.state != "ended"]

    def forget_ended(self) -> None:
        self.sessions = {session.id: session for session in self.active()}

    # --- workers ---

    def hear(self, poll: Assignments, now: Now) -> list[Effect]:
        """What a worker says: how it is, and how its streams are."""
        worker = self._registry.hear(poll, now.monotonic_s)
        news = self._registry.news(worker, now.monotonic_s)
        effects: list[Effect] = [Emit(news)] if news else []
        if poll.service == "capture" and poll.devices is not None:
            self.devices = poll.devices
            self.deafness = poll.fault
        for role in ROLES:
            if role == poll.service:
                effects += self._hear_reports(role, poll, now)
        return effects

    def work(self, poll: Assignments) -> tuple[list[Effect], tuple[Assignment, ...]]:
        """What the worker shall do. A new process in an old worker's place gets its streams in a new epoch."""
        effects: list[Effect] = []
        work = []
        for role in ROLES:
            for session in self.active() if role == poll.service else ():
                for stream in session.streams:
                    holder = stream.holders.get(role)
                    if holder is None or holder.instance != poll.instance or not stream.needs(role):
                        continue
                    if holder.incarnation != poll.incarnation:
                        stream.hand_to(role, poll.instance, poll.incarnation)
                        effects.append(Save(session))
                    work.append(session.assignment(stream, role))
        return effects, tuple(work)

    def assign(self, now_s: float) -> list[Effect]:
        """Gives streams to workers that nobody has, or only one that is gone. Call it at least twice a second."""
        self._registry.look(now_s)
        effects: list[Effect] = [Save(session) for session in assign(self.active(), self._registry, now_s)]
        return [*effects, Ring()] if effects else []

    @property
    def complete(self) -> bool:
        """Whether every stream has all the workers that it needs."""
        streams = (stream for session in self.active() for stream in session.streams)
        return all(role in stream.holders for stream in streams for role in ROLES if stream.needs(role))

    def alive(self, now_s: float) -> set[tuple[str, str]]:
        """Service and instance of each live worker."""
        return {(view.status.service, view.status.instance) for view in self.views(now_s) if view.alive}

    def views(self, now_s: float) -> list[ServiceView]:
        """The workers as `status` shows them."""
        return self._registry.views(now_s)

    # --- the way of a session ---

    def _hear_reports(self, role: Role, poll: Assignments, now: Now) -> list[Effect]:
        effects: list[Effect] = []
        for report in poll.streams:
            session_id, _, source = report.stream.partition("/")
            session = self.sessions.get(session_id)
            stream = next((s for s in session.streams if s.name.source == source), None) if session else None
            if session is None or stream is None:
                continue
            was_done = stream.done(role)
            if stream.hear(role, report):
                effects += _tell(stream, role)
                if stream.done(role) and not was_done:
                    effects.append(Save(session))  # the worker forgets the stream when it hears the answer
                effects += self._progress(session, now)
        return effects

    def _progress(self, session: Session, now: Now) -> list[Effect]:
        if session.state == "running" and not any(stream.needs("capture") for stream in session.streams):
            failed = any(stream.status().state == "failed" for stream in session.streams)
            return self.finish(session, "failed" if failed else "source-ended", now)
        if session.state == "finishing" and not any(stream.needs("stt") for stream in session.streams):
            session.state = "ended"
            session.ended_unix_ns = now.unix_ns
            return [Save(session), _news(session)]
        return []


def _news(session: Session) -> Publish:
    """The session's state, stored once however often it is told."""
    return Publish(session.status(), key=f"session/{session.id}/{session.state}")


def _tell(stream: Stream, role: Role) -> list[Effect]:
    """What listeners should know after a report: changes durably, levels in passing."""
    effects: list[Effect] = []
    faults = stream.faults()
    for place, fault in faults.items():
        if stream.told_faults.get(place) != fault:
            session, source = stream.name
            effects.append(Publish(CaptureError(session=session, source=source, **wire.to_map(fault))))
    stream.told_faults = faults
    status = stream.status()
    if (status.state, status.speech, status.hint) != stream.told:
        stream.told = (status.state, status.speech, status.hint)
        effects.append(Publish(status))
    elif role == "capture":
        effects.append(Emit(status))
    return effects
