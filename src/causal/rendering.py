"""Events for people: what was said, and what went wrong.

    12:34:56 mic     The words of a turn that does not change any more.
    12:34:58 system  Another source, on the same time line.
             mic     ! device-lost: the microphone is gone. Plug it in again. (trying again)
    mic     words that may still cha            redrawn in place, on a terminal only

Used by the `console` sink and by `causal-ctl start --follow`.
"""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, tzinfo

from causal.messages import (
    CaptureError,
    CaptureStatus,
    Event,
    Gap,
    SessionStatus,
    TranscriptFinal,
    TranscriptPartial,
    TranscriptVoid,
)
from causal.screen import Screen, clean, tail, width_of

LATE_AFTER_MS = 10_000
"""A final that ends this long before the newest one began is told as late."""
REMEMBERED_FINALS = 4096
PARTIALS_OF_A_STREAM = 8
NO_TIME = " " * 8

PALETTE = {"mic": "36", "system": "35", "file": "33"}
MORE_COLOURS = ("32", "34", "96", "95", "92")

NOTES = {
    "stalled": "nothing is delivered",
    "muted": "muted",
    "failed": "failed",
    "reconnecting": "connecting again; what is said is kept",
    "catching-up": "catching up",
}
"""States of a stream that a person should see."""


class Renderer:
    """Turns events into lines that stay (`lines`) and lines that change (`bottom`). Remembers the last 4096 finals, so
    that one that came twice is told once."""

    def __init__(self, *, colour: bool, zone: tzinfo | None = None) -> None:
        """`zone` is where the reader is; None means where the computer is."""
        self._colour = colour
        self._zone = zone
        self._sessions: dict[str, SessionStatus] = {}
        self._label_width = 3
        self._newest_ms: dict[str, int] = {}
        self._told: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._partials: dict[tuple[str, str], dict[str, TranscriptPartial]] = {}
        self._notes: dict[tuple[str, str], str] = {}
        self._hints: dict[tuple[str, str], str] = {}

    def lines(self, event: Event) -> list[str]:
        """The lines that an event leaves behind."""
        match event:
            case TranscriptFinal():
                self._drop_partials(event)
                return self._final(event)
            case TranscriptPartial():
                self._keep_partial(event)
            case TranscriptVoid():
                self._partials.get((event.session, event.source), {}).pop(event.turn, None)
            case SessionStatus():
                return self._session(event)
            case CaptureError():
                again = " (trying again)" if event.retrying else ""
                text = " ".join(filter(None, (event.message.rstrip(".") + ".", event.hint)))
                return [self._line(NO_TIME, event, f"! {event.code}: {text}{again}", "31")]
            case Gap():
                length = f"{event.length_ms} ms" if event.length_ms < 100 else f"{event.length_ms / 1000:.1f} s"
                text = f"~ {length} were not heard: {event.reason}"
                return [self._line(self._time_in_session(event.session, event.start_ms), event, text, "33")]
            case CaptureStatus():
                self._note(event)
                return self._advice(event)
        return []

    def bottom(self, width: int) -> list[str]:
        """One line for each source that is speaking or in trouble; each is narrower than `width` columns."""
        rows = []
        streams = sorted(stream for stream in self._partials.keys() | self._notes.keys() if self._says(stream))
        for name, stream in [(self._name(*stream), stream) for stream in streams]:
            label = self._pad(name)
            text = tail(clean(self._says(stream)), max(0, width - 1 - width_of(label) - 2))
            rows.append(f"{self._paint(label, _colour_of(stream[1]))}  {self._paint(text, '2')}")
        return rows

    # --- lines that stay ---

    def _final(self, event: TranscriptFinal) -> list[str]:
        key = (event.session, event.source, event.turn)
        if key in self._told or not event.text:
            return []
        self._told[key] = None
        if len(self._told) > REMEMBERED_FINALS:
            self._told.popitem(last=False)
        newest_ms = self._newest_ms.get(event.session, 0)
        self._newest_ms[event.session] = max(newest_ms, event.start_ms)
        late = "(late) " if event.end_ms + LATE_AFTER_MS < newest_ms else ""
        speaker = f"{event.speaker}: " if event.speaker else ""
        return [self._line(self._time(event.started_at), event, f"{late}{speaker}{event.text}")]

    def _advice(self, event: CaptureStatus) -> list[str]:
        """What a person can do about a stream, once."""
        stream = (event.session, event.source)
        if event.hint == self._hints.get(stream, ""):
            return []
        self._hints[stream] = event.hint
        if not event.hint and event.state not in ("capturing", "silent"):
            return []  # it has ended, or an error of its own says what is wrong
        text = f"~ {event.state}: {event.hint}" if event.hint else f"~ {event.state}"
        return [self._line(NO_TIME, event, text, "33")]

    def _session(self, event: SessionStatus) -> list[str]:
        name = f'{event.session} "{event.label}"' if event.label else event.session
        reason = f": {event.reason}" if event.reason else ""
        match event.state:
            case "running":
                self._sessions[event.session] = event
                for source in event.sources:
                    self._name(event.session, source)  # so that the first line is as wide as the others
                engine = f", heard by {event.engine}" if event.engine else ""
                text = f"session {name} listens to {', '.join(event.sources)}{engine}"
                return [self._line(self._time(event.started_at), None, text, "1")]
            case "finishing":
                self._sessions[event.session] = event
                return [self._line(NO_TIME, None, f"session {name} is finishing{reason}", "1")]
            case "ended":
                self._forget(event.session)
                return [self._line(NO_TIME, None, f"session {name} has ended{reason}", "1")]

    def _line(self, time: str, event: Event | None, text: str, style: str = "") -> str:
        source = event.source if event else "-"
        label = self._pad(self._name(event.session, source) if event and source != "-" else "--")
        return f"{self._paint(time, '2')} {self._paint(label, _colour_of(source))}  {self._paint(clean(text), style)}"

    def _name(self, session: str, source: str) -> str:
        """The source; with its session where several are running. From now on labels are as wide as it is."""
        if len(self._sessions) > 1:
            known = self._sessions.get(session)
            source = f"{source}@{(known and known.label) or session.rpartition('-')[2]}"
        name = clean(source)
        self._label_width = max(self._label_width, width_of(name))
        return name

    def _pad(self, name: str) -> str:
        return name + " " * (self._label_width - width_of(name))

    def _time_in_session(self, session: str, start_ms: int) -> str:
        known = self._sessions.get(session)
        return self._time(known.started_at, start_ms) if known else NO_TIME

    def _time(self, utc: str, plus_ms: int = 0) -> str:
        try:
            moment = datetime.fromisoformat(utc) + timedelta(milliseconds=plus_ms)
        except ValueError:
            return NO_TIME
        return f"{moment.astimezone(self._zone):%H:%M:%S}"

    def _paint(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self._colour and style and not text.isspace() else text

    # --- lines that change ---

    def _says(self, stream: tuple[str, str]) -> str:
        partials = self._partials.get(stream)
        if partials:
            return max(partials.values(), key=lambda partial: partial.start_ms).text
        return f"({self._notes[stream]})" if stream in self._notes else ""

    def _keep_partial(self, event: TranscriptPartial) -> None:
        if (event.session, event.source, event.turn) in self._told:
            return
        partials = self._partials.setdefault((event.session, event.source), {})
        partials[event.turn] = event
        if len(partials) > PARTIALS_OF_A_STREAM:
            del partials[min(partials, key=lambda turn: partials[turn].start_ms)]

    def _drop_partials(self, final: TranscriptFinal) -> None:
        """The final's own, and those before it that nobody took back: their gateway was killed."""
        partials = self._partials.get((final.session, final.source), {})
        for turn, partial in list(partials.items()):
            if turn == final.turn or partial.start_ms < final.start_ms:
                del partials[turn]

    def _note(self, event: CaptureStatus) -> None:
        stream = (event.session, event.source)
        note = NOTES.get(event.state) or NOTES.get(event.speech)
        if note is not None and event.state != "stopped":
            self._notes[stream] = note
        else:
            self._notes.pop(stream, None)

    def _forget(self, session: str) -> None:
        self._sessions.pop(session, None)
        self._newest_ms.pop(session, None)
        for kept in (self._partials, self._notes, self._hints):
            for stream in [stream for stream in kept if stream[0] == session]:
                del kept[stream]


class View:
    """What to write to a terminal, or to a pipe: there, only the lines that stay."""

    def __init__(self, renderer: Renderer, width: Callable[[], int] | None) -> None:
        """`width` gives the terminal's columns at the moment; None means a pipe."""
        self._renderer = renderer
        self._width = width
        self._screen = Screen()

    @property
    def shows_partials(self) -> bool:
        """Whether lines that change are shown too."""
        return self._width is not None

    def on(self, event: Event) -> str:
        """What an event changes."""
        return self._show(self._renderer.lines(event))

    def say(self, text: str) -> str:
        """A line of one's own."""
        return self._show([clean(text)])

    def end(self) -> str:
        """Takes away what is not final."""
        return self._screen.show([], [], self._width()) if self._width is not None else ""

    def _show(self, lines: list[str]) -> str:
        if self._width is None:
            return "".join(f"{line}\n" for line in lines)
        width = self._width()
        return self._screen.show(lines, self._renderer.bottom(width), width)


def view_for(fd: int, environ: Mapping[str, str] = os.environ) -> View:
    """The view for a descriptor: in place and coloured on a terminal (not with `NO_COLOR`), else plain."""
    terminal = os.isatty(fd) and environ.get("TERM") != "dumb"
    colour = terminal and not environ.get("NO_COLOR")

    def width() -> int:
        try:
            return os.get_terminal_size(fd).columns or 80
        except OSError:
            return 80

    return View(Renderer(colour=colour), width if terminal else None)


def _colour_of(source: str) -> str:
    if source == "-":
        return "1"
    kind = source.partition("-")[0]
    return PALETTE.get(kind) or MORE_COLOURS[zlib.crc32(source.encode()) % len(MORE_COLOURS)]
