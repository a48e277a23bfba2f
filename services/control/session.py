"""A session and its streams, as the controller knows them: who works on what, and what they say of it.

    start                 all sources ended, or stop          all gateways done
────────────▶ running ──────────────────────────▶ finishing ────────────────────▶ ended
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from causal import clock
from causal.messages import CaptureStatus, SessionStatus, StreamName
from causal.messages.control import Assignment, Fault, SessionView, StreamReport

Role = Literal["capture", "resample", "stt"]
ROLES: tuple[Role, ...] = ("capture", "resample", "stt")


class Holder(msgspec.Struct):
    """Which worker has the stream. `epoch` grows whenever another process takes it."""

    instance: str
    incarnation: str
    epoch: int


class Stream(msgspec.Struct, kw_only=True):
    """One source of a session."""

    name: StreamName
    device: str
    stop: bool = False
    holders: dict[str, Holder] = {}
    reports: dict[str, StreamReport] = {}
    told: tuple[str, ...] = ()
    """State, speech and hint as last published."""
    told_faults: dict[str, Fault] = {}
    captured_before_ms: int = 0
    """Heard by capture workers that are gone: each counts from zero."""

    def done(self, role: str) -> bool:
        """Whether nothing is left to do there. What is behind a finished worker is finished for good."""
        report = self.reports.get(role)
        return report is not None and report.done

    @property
    def untouched(self) -> bool:
        """Stopped before any capture worker had it: nothing was heard, nothing is to be done."""
        return self.stop and "capture" not in self.holders

    def needs(self, role: str) -> bool:
        """Whether a worker in this role has work here."""
        return not self.done(role) and not self.untouched

    def hand_to(self, role: Role, instance: str, incarnation: str) -> None:
        """Gives the stream to a worker, in a new epoch."""
        former = self.holders.get(role)
        if role == "capture" and (last := self.reports.pop("capture", None)) is not None:
            self.captured_before_ms += last.captured_ms or 0
        self.holders[role] = Holder(instance, incarnation, former.epoch + 1 if former else 1)

    def hear(self, role: Role, report: StreamReport) -> bool:
        """Takes a report in, if it is of the epoch in force."""
        holder = self.holders.get(role)
        if holder is None or report.epoch != holder.epoch:
            return False
        self.reports[role] = report
        return True

    def faults(self) -> dict[str, Fault]:
        """What is wrong now, by role."""
        return {role: report.fault for role, report in self.reports.items() if report.fault is not None}

    def status(self) -> CaptureStatus:
        """How the stream is doing, put together from what all its workers say."""
        capture, resample, stt = (self.reports.get(role) for role in ROLES)
        state = capture.state if capture and capture.state else "starting"
        if state != "failed" and self.stop:
            state = "stopping" if self.needs("capture") else "stopped"
        return CaptureStatus(
            session=self.name.session,
            source=self.name.source,
            device=(capture and capture.device) or self.device,
            state=state,
            speech=stt.speech if stt and stt.speech else "idle",
            captured_ms=self.captured_before_ms + ((capture and capture.captured_ms) or 0),
            sent_ms=(stt and stt.sent_ms) or 0,
            final_ms=(stt and stt.final_ms) or 0,
            lost_ms=(resample and resample.lost_ms) or 0,
            rms_dbfs=capture.rms_dbfs if capture and capture.rms_dbfs is not None else -120.0,
            peak_dbfs=capture.peak_dbfs if capture and capture.peak_dbfs is not None else -120.0,
            hint=(not self.stop and capture and capture.hint) or "",
            drift_ppm=capture.drift_ppm if capture else None,
        )

    def backlog_ms(self) -> int:
        stt = self.reports.get("stt")
        return (stt and stt.backlog_ms) or 0

    def covered_to(self) -> int:
        """The first chunk without a transcript, as far as is known."""
        stt = self.reports.get("stt")
        return (stt and stt.covered_to) or 0


class Session(msgspec.Struct, kw_only=True):
    """One start…stop."""

    id: str
    label: str
    engine: str
    language: str | None
    keyterms: tuple[str, ...]
    record: bool
    started_ns: int
    started_unix_ns: int
    stack: str
    """Which run of the stack began it: a session does not go on in another."""
    streams: list[Stream]
    request_id: str | int | None = None
    """The request that began it: asked again, it begins no second one."""
    state: Literal["running", "finishing", "ended"] = "running"
    reason: str = ""
    stopped_ns: int | None = None
    """Capture clock at the stop; None when the controller died before it."""
    ended_unix_ns: int | None = None

    def answer(self) -> dict[str, Any]:
        """What `start` is answered."""
        return {"ok": True, "session": self.id, "engine": self.engine}

    def assignment(self, stream: Stream, role: Role) -> Assignment:
        """All that the worker in `role` must know of the stream."""
        return Assignment(
            stream=str(stream.name),
            epoch=stream.holders[role].epoch,
            device=stream.device,
            engine=self.engine,
            language=self.language,
            keyterms=self.keyterms,
            record=self.record,
            started_ns=self.started_ns,
            started_unix_ns=self.started_unix_ns,
            stop=stream.stop,
            stopped_ns=self.stopped_ns,
            covered_to=stream.covered_to() if role == "resample" else 0,
            peers={other: holder.instance for other, holder in stream.holders.items() if other != role},
        )

    def status(self) -> SessionStatus:
        return SessionStatus(
            session=self.id,
            label=self.label,
            state=self.state,
            sources=tuple(stream.name.source for stream in self.streams),
            reason=self.reason,
            started_at=clock.utc_text(self.started_unix_ns),
            engine=self.engine,
        )

    def view(self) -> SessionView:
        """The session as `status` shows it."""
        return SessionView(
            status=self.status(),
            streams=tuple(stream.status() for stream in self.streams),
            faults={s.name.source: next(iter(s.faults().values())) for s in self.streams if s.faults()},
            backlog_ms=max((stream.backlog_ms() for stream in self.streams), default=0),
        )
