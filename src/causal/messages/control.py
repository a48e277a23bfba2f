"""What is asked of the controller, and what it answers: one MessagePack map each, one frame.

A request is `{v: 1, id, op, …}`; a reply `{v: 1, id, ok: true, …}` or `{v: 1, id, ok: false, error: {code, message,
hint}}`. The classes below are the requests' fields beside `v` and `id`; `op` chooses among them.
"""

from typing import Annotated, Literal

import msgspec

from .base import Message
from .events import CaptureState, CaptureStatus, HopLatency, QueueDepth, ServiceStatus, SessionStatus, SpeechState

PROTOCOL_VERSION = 1

DeviceKind = Literal["input", "loopback", "file"]

Name = Annotated[str, msgspec.Meta(max_length=200)]
SourceName = Annotated[str, msgspec.Meta(max_length=4200)]
"""A device's id, an alias, or a file's path with its options."""
Sources = Annotated[tuple[SourceName, ...], msgspec.Meta(max_length=32)]


class Device(Message):
    """Something that can be heard."""

    id: str
    """Stable across restarts: `pulse:<source name>`, `file:<path>` …"""
    name: str
    kind: DeviceKind
    backend: str
    default: bool
    """What `mic` or `system` means now."""
    channels: int
    rate_hz: int


class Fault(Message):
    """An error in words: what was found, and what to do."""

    code: str
    message: str
    hint: str = ""
    retrying: bool = False
    """The service tries again by itself."""


class Assignment(Message):
    """One stream, and all that a worker must know of it."""

    stream: str
    """`session/source`."""
    epoch: int
    """This worker's turn at the stream; it only grows."""
    device: str
    """A device id, or the alias `mic` or `system`."""
    engine: str
    """`assemblyai`, `local`, or the address of a compatible server."""
    language: str | None = None
    keyterms: tuple[str, ...] = ()
    record: bool = False
    started_ns: int
    """Capture clock at the session's start: position 0 of the time line."""
    started_unix_ns: int
    """Wall clock at the same moment."""
    stop: bool = False
    """Finish it: capture ends the stream, the others follow the end mark."""
    stopped_ns: int | None = None
    """Capture clock at the stop: until then it was to be heard. Absent as long as it is not stopped, or when nobody was
    there to see it."""
    covered_to: int = 0
    """For resamplers: the chunks before this one are transcribed; all but the last minute of them may be deleted."""
    peers: dict[str, str] = msgspec.field(default_factory=dict)
    """Which instance of each other service has the stream: `{"resample": "1", …}`; absent while nobody has."""


class StreamReport(Message):
    """What a worker says of one of its streams; what it does not know is absent."""

    stream: str
    epoch: int
    device: str | None = None
    """What an alias means at the moment."""
    state: CaptureState | None = None
    hint: str | None = None
    """What a person can do about the state."""
    speech: SpeechState | None = None
    captured_ms: int | None = None
    sent_ms: int | None = None
    final_ms: int | None = None
    lost_ms: int | None = None
    rms_dbfs: float | None = None
    peak_dbfs: float | None = None
    backlog_ms: int | None = None
    covered_to: int | None = None
    """The first chunk that no stored final, or mark, covers."""
    drift_ppm: float | None = None
    done: bool = False
    """This worker has nothing more to do for the stream."""
    fault: Fault | None = None
    """What is wrong now; absent when nothing is."""


class Wish(Message):
    """A gateway wants to begin a session with the speech service, whose account allows so many a minute."""

    id: str
    """Unique for ever. Told in every poll until it is granted, and paid for once."""
    live: bool
    """For what is being said now; else for a backlog, which waits for the others."""


class List(Message, tag_field="op", tag="list"):
    pass


class Start(Message, tag_field="op", tag="start"):
    sources: Sources = ()
    """Device ids or aliases; none means `mic` and `system`, whichever exist."""
    engine: Name | None = None
    language: Name | None = None
    keyterms: Annotated[tuple[Name, ...], msgspec.Meta(max_length=1000)] = ()
    label: Name = ""
    record: bool = False


class Stop(Message, tag_field="op", tag="stop"):
    session: Name
    timeout_s: float = 10.0


class Status(Message, tag_field="op", tag="status"):
    pass


class Sessions(Message, tag_field="op", tag="sessions"):
    pass


class Token(Message, tag_field="op", tag="token"):
    expires_in_s: int = 60


class Export(Message, tag_field="op", tag="export"):
    session: Name
    format: Name
    """`txt`, `md`, `srt`, `vtt`, `json`, `csv`."""


class Shutdown(Message, tag_field="op", tag="shutdown"):
    pass


class Assignments(Message, tag_field="op", tag="assignments"):
    """A service's poll: how it is, and what it shall do. Not for other clients."""

    service: Name
    instance: Name
    incarnation: Name
    """Names this process: a new one with the same instance begins anew."""
    pid: int
    cpu_percent: float = 0.0
    rss_bytes: int = 0
    queues: dict[str, QueueDepth] = msgspec.field(default_factory=dict)
    latency_ms: dict[str, HopLatency] = msgspec.field(default_factory=dict)
    streams: tuple[StreamReport, ...] = ()
    devices: tuple[Device, ...] | None = None
    """Capture only: all that can be heard now."""
    wishes: tuple[Wish, ...] = ()
    """Gateways only: sessions that wait for permission."""
    fault: Fault | None = None
    """What keeps the whole service from working."""


Request = List | Start | Stop | Status | Sessions | Export | Token | Shutdown | Assignments


class Work(Message):
    """The answer to a poll."""

    streams: tuple[Assignment, ...] = ()
    key: str | None = None
    """The AssemblyAI key, for gateways only."""
    granted: tuple[str, ...] = ()
    """Wishes that may be carried out, by their id."""
    sessions: tuple[str, ...] = ()
    """All that have not ended, for resamplers only. Of their journals, whoever has the streams, only what has been
    transcribed is deleted."""
    shutdown: bool = False
    """The whole stack ends: finish and exit."""

    def __repr__(self) -> str:
        key = "…" if self.key else None
        return f"Work(streams={self.streams!r}, {key=}, shutdown={self.shutdown})"


class SessionView(Message):
    """A session as `status` shows it."""

    status: SessionStatus
    streams: tuple[CaptureStatus, ...]
    faults: dict[str, Fault] = msgspec.field(default_factory=dict)
    """By source."""
    backlog_ms: int = 0


class ServiceView(Message):
    """A worker as `status` shows it."""

    status: ServiceStatus
    alive: bool
    fault: Fault | None = None
