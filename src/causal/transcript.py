"""A session's durable events as people read them: what was said and what was not heard, in order of time. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from causal.messages import Event, Gap, SessionStatus, TranscriptFinal
from causal.screen import clean


@dataclass(frozen=True)
class Transcript:
    """One session."""

    session: str
    finals: tuple[TranscriptFinal, ...] = ()
    """By `start_ms`, each turn once."""
    gaps: tuple[Gap, ...] = ()
    """By `start_ms`, each once."""
    status: SessionStatus | None = None
    """As it was last told; None if it began before what was heard."""

    @property
    def entries(self) -> list[TranscriptFinal | Gap]:
        """Finals with text and gaps, by `start_ms`."""
        return sorted([*(final for final in self.finals if final.text), *self.gaps], key=_by_time)

    @property
    def sources(self) -> tuple[str, ...]:
        """Those that were asked for, or else those that were heard."""
        if self.status is not None:
            return self.status.sources
        return tuple(dict.fromkeys(entry.source for entry in self.entries))

    @property
    def has_one_voice(self) -> bool:
        """Whether labels would tell nothing."""
        return len({voice(entry) for entry in self.finals} | set(self.sources)) <= 1

    @property
    def started_at(self) -> str:
        """UTC, ISO 8601; empty if nothing tells it."""
        if self.status is not None and self.status.started_at:
            return self.status.started_at
        for final in self.finals:
            try:
                moment = datetime.fromisoformat(final.started_at) - timedelta(milliseconds=final.start_ms)
            except (ValueError, OverflowError):
                continue
            return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return ""


def collect(events: Iterable[Event]) -> Transcript:
    """The transcript that these events of one session make, in whatever order they come."""
    session, status = "", None
    finals: dict[tuple[str, str], TranscriptFinal] = {}
    gaps: dict[tuple[str, int, int], Gap] = {}
    for event in events:
        session = session or event.session
        match event:
            case TranscriptFinal():
                finals.setdefault((event.source, event.turn), event)
            case Gap():
                gaps.setdefault((event.source, event.start_ms, event.length_ms), event)
            case SessionStatus() if status is None or (event.seq or 0) >= (status.seq or 0):
                status = event
    ordered_finals = tuple(sorted(finals.values(), key=_by_time))
    return Transcript(session, ordered_finals, tuple(sorted(gaps.values(), key=_by_time)), status)


def voice(entry: TranscriptFinal | Gap) -> str:
    """Who speaks: the source, and the speaker if the engine tells them apart."""
    speaker = entry.speaker if isinstance(entry, TranscriptFinal) else None
    return one_line(f"{entry.source} {speaker}" if speaker else entry.source)


def one_line(text: str) -> str:
    """`text` without line ends, control characters and double spaces."""
    return " ".join(clean(text).split())


def not_heard(gap: Gap) -> str:
    """What a gap means, in words."""
    return one_line(f"{gap.length_ms / 1000:.1f} s not heard: {gap.reason}")


def clock_text(ms: int, point: str = "") -> str:
    """`01:02:03`; with a `point`, milliseconds behind it."""
    seconds, rest_ms = divmod(max(0, ms), 1000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}{point}{rest_ms:03}" if point else text


def _by_time(entry: TranscriptFinal | Gap) -> tuple[int, str, int]:
    return entry.start_ms, entry.source, entry.seq or 0
