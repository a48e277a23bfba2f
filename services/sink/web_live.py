"""What is going on at the moment, for a page that is opened now: words that may still change, and how streams do."""

from __future__ import annotations

from causal.messages import (
    CaptureStatus,
    Event,
    SessionStatus,
    TranscriptFinal,
    TranscriptPartial,
    TranscriptVoid,
)

PARTIALS_OF_A_STREAM = 8

Stream = tuple[str, str]


class Live:
    """Holds the newest status and at most 8 partials of each stream whose session has not ended; the earliest go."""

    def __init__(self) -> None:
        self._partials: dict[Stream, dict[str, TranscriptPartial]] = {}
        self._statuses: dict[Stream, CaptureStatus] = {}

    def on(self, event: Event) -> None:
        """Takes an event in."""
        stream = (event.session, event.source)
        match event:
            case TranscriptPartial():
                partials = self._partials.setdefault(stream, {})
                partials[event.turn] = event
                if len(partials) > PARTIALS_OF_A_STREAM:
                    del partials[min(partials, key=lambda turn: partials[turn].start_ms)]
            case TranscriptVoid():
                self._partials.get(stream, {}).pop(event.turn, None)
            case TranscriptFinal():
                kept = self._partials.get(stream, {})
                # Those before it were never taken back: their gateway was killed.
                self._partials[stream] = {
                    t: p for t, p in kept.items() if t != event.turn and p.start_ms >= event.start_ms
                }
            case CaptureStatus():
                self._statuses[stream] = event
            case SessionStatus(state="ended"):
                for known in (self._partials, self._statuses):
                    for ended in [key for key in known if key[0] == event.session]:
                        del known[ended]

    def statuses(self) -> list[CaptureStatus]:
        """How each stream does."""
        return list(self._statuses.values())

    def partials(self, session: str) -> list[TranscriptPartial]:
        """What is being said in a session."""
        return [partial for (of, _), turns in self._partials.items() if of == session for partial in turns.values()]
