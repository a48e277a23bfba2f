"""From a connection's facts, in the service's time, to events on the stream's time line."""

from __future__ import annotations

from causal import clock
from causal.messages import StreamName, TranscriptFinal, TranscriptPartial, TranscriptVoid, Word

from .lane import Lane
from .turns import Final, Partial, Void


class Scribe:
    """Writes the events of one connection. `prefix` makes the service's numbers of turns, which start at 0 in every
    session, unique in the stream."""

    def __init__(
        self, stream: StreamName, lane: Lane, *, prefix: str, started_unix_ns: int, engine: str, language: str | None
    ) -> None:
        self._stream = stream
        self._lane = lane
        self._prefix = prefix
        self._started_unix_ns = started_unix_ns
        self._engine = engine
        self._language = language

    def event(self, fact: Partial | Final | Void) -> TranscriptPartial | TranscriptFinal | TranscriptVoid:
        """The event that tells of `fact`."""
        session, source = self._stream
        turn = f"{self._prefix}-{fact.order}"
        if isinstance(fact, Void):
            return TranscriptVoid(session=session, source=source, turn=turn)
        words = self._words(fact)
        start_ms, end_ms = self._span(words)
        kind = TranscriptFinal if isinstance(fact, Final) else TranscriptPartial
        return kind(
            session=session,
            source=source,
            turn=turn,
            revision=fact.revision,
            text=fact.text,
            start_ms=start_ms,
            end_ms=end_ms,
            started_at=clock.utc_text(self._started_unix_ns, start_ms),
            words=words,
            speaker=fact.speaker,
            language=fact.language or self._language,
            engine=self._engine,
        )

    def _words(self, fact: Partial) -> tuple[Word, ...]:
        words = []
        for number, word in enumerate(fact.words):
            start_ms, end_ms = self._lane.stream_span(word.start_ms, word.end_ms, begins_turn=number == 0)
            words.append(Word(text=word.text, start_ms=start_ms, end_ms=end_ms, confidence=word.confidence))
        return tuple(words)

    def _span(self, words: tuple[Word, ...]) -> tuple[int, int]:
        """From the first word to the last; a turn without words is as late as what was sent."""
        if not words:
            return self._lane.sent_to_ms, self._lane.sent_to_ms
        return words[0].start_ms, max(word.end_ms for word in words)
