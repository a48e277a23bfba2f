"""`causal-sink txt`, `md`, `srt`, `vtt`: each session in a file, in `DATA_DIR/transcripts` or as `--out` says; when it
grows it is written anew, at once and whole.

    write ──▶ events of the sessions that are going on ──flush──▶ <session>.srt.new ──rename──▶ <session>.srt
                                                         └──────▶ progress: where to begin after a kill

A reader sees the old file or the new one. The sink begins anew with the first event of the oldest session that has not
ended; what was written already is only collected then.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from causal.messages import Event, Gap, SessionStatus, TranscriptFinal
from causal.transcript import Transcript, collect
from causal.transcript_formats import FORMATS
from causal.whole_file import replace

from .progress import Progress
from .sink import SinkOptions
from .target import Target

log = logging.getLogger("causal.sink")

REST_FACTOR = 10
"""After writing a file it rests ten times as long as that took: of a session of ten hours, it takes a second."""
ENDED_KEPT = 8
"""Sessions that have ended and may still get a late event."""

Told = TranscriptFinal | Gap | SessionStatus


class Record(msgspec.Struct):
    """What is in the files."""

    seq: int = 0
    """Of the last event that is in them."""
    open: dict[str, int] = {}
    """The sessions that have not ended, and the `seq` of the first event of each."""
    own: str | None = None
    """The session that has the file of `--out`."""


@dataclass
class _Open:
    first_seq: int
    events: list[Told] = field(default_factory=list)
    is_new: bool = False
    """Whether there is more than the file has."""
    has_ended: bool = False


class FileSink:
    """Keeps the events of the sessions that are going on, and of 8 that have ended. One thread."""

    ephemeral = ()

    def __init__(self, options: SinkOptions, kind: str) -> None:
        self._kind = kind
        self._render: Callable[[Transcript], str] = FORMATS[kind]
        self._target = Target(options, kind)
        self._progress = Progress(self._target.progress, Record)
        self._record = Record()
        self._sessions: OrderedDict[str, _Open] = OrderedDict()
        self._last_seq = 0
        self._left_out: set[str] = set()
        self._rest_until_s = 0.0

    def open(self) -> int | None:
        self._target.prepare()
        known = self._progress.open(self._target.path)
        self._target.check(is_ours=known is not None)
        self._record = known or Record()
        self._sessions = OrderedDict((name, _Open(seq)) for name, seq in self._record.open.items())
        if known is None:
            self._last_seq = 0
            return None
        self._last_seq = min(self._record.open.values(), default=known.seq + 1) - 1
        return self._last_seq

    def write(self, event: Event) -> None:
        if event.seq is None:
            return
        if event.seq <= self._last_seq:  # another event log, from its start
            self._sessions.clear()
            self._left_out.clear()
            self._record = Record(own=self._record.own)
        self._last_seq = event.seq
        if isinstance(event, Told) and (session := self._session(event)):
            session.events.append(event)
            session.is_new = session.is_new or event.seq > self._record.seq
            session.has_ended = session.has_ended or (isinstance(event, SessionStatus) and event.state == "ended")

    def flush(self) -> None:
        new = [session for session in self._sessions.values() if session.is_new]
        is_over = any(session.has_ended for session in new)
        if new and (is_over or time.monotonic() >= self._rest_until_s):
            self._store()

    def close(self) -> None:
        try:
            if any(session.is_new for session in self._sessions.values()):
                self._store()
        finally:
            self._sessions.clear()
            self._progress.close()

    def _store(self) -> None:
        began_s = time.monotonic()
        new = {name: session for name, session in self._sessions.items() if session.is_new}
        self._record.open = {name: s.first_seq for name, s in self._sessions.items() if s.is_new or not s.has_ended}
        self._progress.keep(self._record)  # before the files: after a kill in between they are known to be ours
        for name, session in new.items():
            replace(self._name_of(name), self._render(collect(session.events)))
            session.is_new = False
        self._record.seq = self._last_seq
        self._record.open = {name: s.first_seq for name, s in self._sessions.items() if not s.has_ended}
        self._progress.keep(self._record)
        self._forget_old()
        now_s = time.monotonic()
        self._rest_until_s = now_s + REST_FACTOR * (now_s - began_s)

    def _session(self, event: Told) -> _Open | None:
        """Where the event belongs; None for a session whose file was there before: it stays as it is."""
        assert event.seq is not None
        name = event.session
        if name in self._left_out:
            return None
        if name not in self._sessions:
            is_first = self._record.own is None
            if is_first:
                self._record.own = name
            path = self._name_of(name)
            if path.exists() and not (is_first and self._target.is_file):
                log.warning("%s was there before; it is left as it is", path)
                self._left_out.add(name)
                return None
            self._sessions[name] = _Open(event.seq)
        return self._sessions[name]

    def _name_of(self, session: str) -> Path:
        return self._target.file_of(session, is_own=session == self._record.own)

    def _forget_old(self) -> None:
        ended = [name for name, session in self._sessions.items() if session.has_ended]
        for name in ended[:-ENDED_KEPT]:
            del self._sessions[name]


class TxtSink(FileSink):
    """Plain text, a line for each final."""

    def __init__(self, options: SinkOptions) -> None:
        super().__init__(options, "txt")


class MdSink(FileSink):
    """Markdown."""

    def __init__(self, options: SinkOptions) -> None:
        super().__init__(options, "md")


class SrtSink(FileSink):
    """SubRip subtitles."""

    def __init__(self, options: SinkOptions) -> None:
        super().__init__(options, "srt")


class VttSink(FileSink):
    """WebVTT subtitles."""

    def __init__(self, options: SinkOptions) -> None:
        super().__init__(options, "vtt")
