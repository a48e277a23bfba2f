"""What sinks hear: transcripts, and how the work goes.

Durable events are stored by the broker, which gives them their `seq`; the others pass through.
All `*_ms` count from the session's start on the capture clock, gaps included.
"""

from typing import Literal

import msgspec

from .base import Message

CaptureState = Literal["starting", "capturing", "silent", "stalled", "muted", "stopping", "stopped", "failed"]
"""*silent* is zeros delivered, *stalled* nothing delivered, *muted* the system says so."""

SpeechState = Literal["idle", "connecting", "live", "reconnecting", "catching-up", "failed"]

SessionState = Literal["running", "finishing", "ended"]


class Word(Message):
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    """0 to 1, as the engine says."""


class Event(Message):
    """Anything that is published. `session` and `source` are `-` where an event has none."""

    session: str = "-"
    source: str = "-"
    seq: int | None = None
    """The broker's number of a durable event, without holes."""


class Transcript(Event):
    """The words of one turn."""

    turn: str
    """Unique in its stream."""
    revision: int
    """Counts the versions of this turn from 0."""
    text: str
    start_ms: int
    end_ms: int
    started_at: str
    """UTC, ISO 8601: the session's start by the wall clock plus `start_ms`."""
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    language: str | None = None
    engine: str = ""


class TranscriptPartial(Transcript):
    """A turn as it stands; the next revision replaces it."""


class TranscriptFinal(Transcript):
    """A turn that does not change any more."""


class TranscriptVoid(Event):
    """Takes back a partial whose connection was lost."""

    turn: str


class SessionStatus(Event):
    label: str
    state: SessionState
    sources: tuple[str, ...]
    reason: str = ""
    """Why it is ending or has ended: stopped, source-ended, failed, stack-stopped."""
    started_at: str = ""
    """UTC, ISO 8601."""
    engine: str = ""
    """Who hears the room: `assemblyai`, `local`, or the address of a compatible server."""


class CaptureStatus(Event):
    """How one stream is doing. Durable when `state` or `speech` changed, else five times a second for the levels."""

    device: str
    state: CaptureState
    speech: SpeechState
    captured_ms: int = 0
    """Heard from the device so far."""
    sent_ms: int = 0
    """Handed to the speech service so far."""
    final_ms: int = 0
    """Covered by stored finals so far."""
    lost_ms: int = 0
    """Length of all gaps."""
    rms_dbfs: float = -120.0
    peak_dbfs: float = -120.0
    hint: str = ""
    """What a person can do about `state`: how to unmute the device, say. Also when it is heard, but turned down."""
    drift_ppm: float | None = None
    """By how much the device's clock is fast; absent until known. The times of the transcript are free of it."""


class CaptureError(Event):
    code: str
    """One of `causal.errors.CODES`."""
    message: str
    hint: str
    retrying: bool


class Gap(Event):
    """Audio that was never heard."""

    start_ms: int
    length_ms: int
    reason: str
    """device-lost, overflow, suspended, restarted, moved."""


class QueueDepth(Message):
    depth: int
    capacity: int
    dropped: int = 0


class HopLatency(Message):
    p50: float
    p99: float


class ServiceStatus(Event):
    """How one worker is doing, once a second."""

    service: str
    instance: str
    pid: int
    cpu_percent: float
    rss_bytes: int
    queues: dict[str, QueueDepth] = msgspec.field(default_factory=dict)
    latency_ms: dict[str, HopLatency] = msgspec.field(default_factory=dict)


EVENT_TYPES: dict[str, type[Event]] = {
    "transcript-partial": TranscriptPartial,
    "transcript-final": TranscriptFinal,
    "transcript-void": TranscriptVoid,
    "session-status": SessionStatus,
    "capture-status": CaptureStatus,
    "capture-error": CaptureError,
    "gap": Gap,
    "service-status": ServiceStatus,
}

DURABLE = frozenset({"transcript-final", "session-status", "capture-status", "capture-error", "gap"})
"""Types that may be stored. `capture-status` is stored only when sent as durable."""
