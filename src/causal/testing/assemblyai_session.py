"""One session of the test service, without a socket: what the client sends and the time come in, messages go out."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

from .assemblyai_query import Query, Refusal
from .assemblyai_turns import Ear, Message, TurnStyle, TurnWriter

STEP_MS = 50
"""Audio is listened to in steps, so that turns end where they end, whatever the sizes of the messages."""
REASON = "See Error message for details"
SHORT_TOLERATED_MS = 1000
UPDATABLE = frozenset(
    {
        *("mode", "min_turn_silence", "max_turn_silence", "end_of_turn_confidence_threshold", "vad_threshold"),
        *("interruption_delay", "continuous_partials", "turn_left_pad_ms", "format_turns", "keyterms_prompt", "prompt"),
        *("agent_context", "language_codes", "filter_profanity", "session_heartbeat", "acknowledge_silence"),
    }
)


@dataclass(frozen=True)
class Shut:
    """Close the connection."""

    code: int
    reason: str


Reply = Message | str | Shut
"""A text goes out as it is."""


@dataclass
class Rules:
    """What may be chosen of the service's behaviour. May be changed while a server runs; new sessions follow."""

    max_session_s: float = 10_800
    buffer_s: float = 300
    """More audio than this ahead of real time (times `intake`) ends the session with 3007."""
    intake: float = 1.25
    """How much faster than real time audio is taken in."""
    paced: bool = False
    """Takes audio in at `intake`; else at once, which tests of other things prefer."""
    turn_silence_ms: int = 400
    heartbeat_s: float = 5.0
    two_finals: bool = True
    formatted_delay_s: float | None = 0.0
    """How long after the plain final the formatted one comes; `None`: never."""
    wrong_edges: bool = False
    empty_final_at_end: bool = True
    termination: bool = True
    """Whether `Termination` is sent before the close."""
    nonsense: bool = False
    """Sends what no client expects before each turn's messages."""


NONSENSE: tuple[str, ...] = (
    '{"type": "Surprise", "news": 1}',
    '{"type": "Turn", "transcript": "without an order"}',
    '{"type": "Heartbeat", "total_audio_received_ms": "soon"}',
    '{"type": "SpeechStarted", "timestamp": 12.5}',
    "this is not JSON",
    '[{"type": "Turn"}]',
    "null",
)


class ServiceSession:
    """From `Begin` to the end. Each method returns what to send, in order; a `Shut` is the last."""

    def __init__(self, query: Query, ear: Ear, rules: Rules, *, now_s: float, unix_s: float, max_s: float) -> None:
        self.received_ms = 0.0
        self.id = str(uuid.uuid4())
        self._query = query
        self._ear = ear
        self._rules = rules
        self._begun_s = now_s
        self._expires_s = now_s + max_s
        self._expires_unix_s = int(unix_s + max_s)
        self._heard_s = now_s
        self._heartbeat_s = now_s
        self._silence_ms = 0
        self._short_ms = 0.0
        self._buffer = bytearray()
        self._taken_ms = 0
        self._later: list[tuple[float, Message]] = []
        self._over = False
        self._writer = TurnWriter(
            TurnStyle(query.is_pro, query.format_turns, rules.two_finals and not query.is_pro, rules.wrong_edges)
        )

    def begin(self) -> Message:
        """The first message."""
        fields = self._query.fields
        configuration = {
            "model": self._query.model,
            "mode": fields.get("mode", "balanced"),
            "api_version": "2025-05-12",
            "speaker_labels": fields.get("speaker_labels", False),
        }
        return {"type": "Begin", "id": self.id, "expires_at": self._expires_unix_s, "configuration": configuration}

    def audio(self, data: bytes, now_s: float) -> list[Reply]:
        """A binary message."""
        self._heard_s = now_s
        length_ms = len(data) * 1000 / (self._query.sample_rate_hz * self._query.bytes_per_sample)
        try:
            self._check_length(length_ms)
            self.received_ms += length_ms
            self._check_rate(now_s)
        except Refusal as refusal:
            return self._refuse(refusal)
        self._buffer += data
        return self.tick(now_s)

    def text(self, data: str, now_s: float) -> list[Reply]:
        """A text message."""
        self._heard_s = now_s
        try:
            message = json.loads(data)
        except ValueError as error:
            return self._refuse(Refusal(3006, f"User Input Validation Error: Invalid JSON: {error}"))
        kind = message.get("type") if isinstance(message, dict) else None
        match kind:
            case "Terminate":
                return self._terminate(now_s)
            case "ForceEndpoint":
                return [*self._take_in(now_s), *self._flush(now_s)]
            case "KeepAlive":
                return []
            case "UpdateConfiguration":
                return self._update({name: value for name, value in message.items() if name in UPDATABLE})
        return self._refuse(Refusal(3006, f"Invalid Message Type: {kind}"))

    def tick(self, now_s: float) -> list[Reply]:
        """Time passed."""
        if self._over:
            return []
        replies = self._take_in(now_s) + self._due(now_s)
        timeout_s = self._query.fields.get("inactivity_timeout")
        if now_s >= self._expires_s:
            return replies + self._refuse(Refusal(3008, "Session Expired: maximum session duration exceeded"))
        if timeout_s is not None and now_s - self._heard_s >= timeout_s:
            text = f"Session terminated due to inactivity: no messages for {timeout_s} seconds"
            return replies + self._refuse(Refusal(3006, text))
        if self._query.fields.get("session_heartbeat") and now_s - self._heartbeat_s >= self._rules.heartbeat_s:
            self._heartbeat_s = now_s
            replies.append(self._heartbeat(now_s))
        return replies

    def _check_length(self, length_ms: float) -> None:
        text = f"Input Duration Error: Input Duration Violation: {length_ms:.1f} ms. Expected between 50 and 1000 ms"
        if length_ms < 50:
            self._short_ms += length_ms
        if length_ms > 1000 or self._short_ms >= SHORT_TOLERATED_MS:
            raise Refusal(3007, text)

    def _check_rate(self, now_s: float) -> None:
        elapsed_s = now_s - self._begun_s
        if self.received_ms / 1000 - self._rules.intake * elapsed_s > self._rules.buffer_s:
            received_s = self.received_ms / 1000
            text = f"Audio Transmission Rate Exceeded: Received {received_s:.1f} sec. audio in {elapsed_s:.2f} sec"
            raise Refusal(3007, text)

    def _take_in(self, now_s: float) -> list[Reply]:
        """Listens to what may be taken in by now, step by step."""
        allowed_ms = (now_s - self._begun_s) * 1000 * self._rules.intake if self._rules.paced else float("inf")
        size = self._query.sample_rate_hz * STEP_MS // 1000 * self._query.bytes_per_sample
        replies: list[Reply] = []
        while len(self._buffer) >= size and self._taken_ms + STEP_MS <= allowed_ms:
            step = bytes(self._buffer[:size])
            del self._buffer[:size]
            replies += self._listen(step, STEP_MS, now_s)
        return replies

    def _listen(self, step: bytes, length_ms: int, now_s: float) -> list[Reply]:
        self._taken_ms += length_ms
        samples = np.frombuffer(step, "<i2") if self._query.bytes_per_sample == 2 else np.zeros(0, np.int16)
        replies: list[Reply] = []
        for word in self._ear.hear(samples, self._taken_ms):
            if self._writer.words and word.start_ms - self._writer.words[-1].end_ms >= self._turn_silence_ms:
                replies += self._end_turn(now_s)
            partials = self._writer.add(word)
            replies += partials if self._query.fields.get("include_partial_turns", True) else []
        if self._writer.words and not self._ear.is_speaking:
            if self._taken_ms - self._writer.words[-1].end_ms >= self._turn_silence_ms:
                replies += self._end_turn(now_s)
        elif not self._writer.words:
            replies += self._acknowledge_silence()
        return [*NONSENSE, *replies] if replies and self._rules.nonsense else replies

    @property
    def _turn_silence_ms(self) -> int:
        asked_ms = self._query.turn_silence_ms
        return self._rules.turn_silence_ms if asked_ms is None else asked_ms

    def _end_turn(self, now_s: float) -> list[Reply]:
        finals = self._writer.end()
        delay_s = self._rules.formatted_delay_s
        if len(finals) == 2 and delay_s != 0.0:
            late = finals.pop()
            if delay_s is not None:
                self._later.append((now_s + delay_s, late))
        return list(finals)

    def _due(self, now_s: float) -> list[Reply]:
        due: list[Reply] = [message for time_s, message in self._later if time_s <= now_s]
        self._later = [(time_s, message) for time_s, message in self._later if time_s > now_s]
        return due

    def _flush(self, now_s: float) -> list[Reply]:
        replies: list[Reply] = []
        for word in self._ear.flush():
            replies += self._writer.add(word)
        return replies + self._end_turn(now_s)

    def _terminate(self, now_s: float) -> list[Reply]:
        replies: list[Reply] = []
        size = self._query.sample_rate_hz * STEP_MS // 1000 * self._query.bytes_per_sample
        while self._buffer:
            step = bytes(self._buffer[:size])
            del self._buffer[:size]
            replies += self._listen(step, STEP_MS * len(step) // size, now_s)
        replies += self._flush(now_s) + self._due(float("inf"))
        if self._rules.empty_final_at_end and not self._query.is_pro:
            replies.append(self._writer.empty_end())
        if self._rules.termination:
            replies.append(
                {
                    "type": "Termination",
                    "audio_duration_seconds": round(self.received_ms / 1000),
                    "session_duration_seconds": round(now_s - self._begun_s),
                }
            )
        self._over = True
        return [*replies, Shut(1000, "Session Ended")]

    def _update(self, changes: dict[str, Any]) -> list[Reply]:
        try:
            self._query = self._query.updated(changes)
        except Refusal as refusal:
            return self._refuse(refusal)
        return []

    def _heartbeat(self, now_s: float) -> Message:
        elapsed_ms = max(1, round((now_s - self._begun_s) * 1000))
        return {
            "type": "Heartbeat",
            "total_audio_received_ms": self._taken_ms,
            "total_duration_ms": elapsed_ms,
            "realtime_factor": self._taken_ms / elapsed_ms,
            "max_speech_probability": 0.9 if self._writer.words else 0.0,
        }

    def _acknowledge_silence(self) -> list[Reply]:
        if not (self._query.is_pro and self._query.fields.get("acknowledge_silence")):
            return []
        if self._taken_ms - self._silence_ms < 1000:
            return []
        start_ms, self._silence_ms = self._silence_ms, self._taken_ms
        return [{"type": "Silence", "start_ms": start_ms, "end_ms": self._taken_ms}]

    def _refuse(self, refusal: Refusal) -> list[Reply]:
        self._over = True
        return [error_message(refusal), Shut(refusal.code, REASON)]


def error_message(refusal: Refusal) -> Message:
    """The `Error` that goes before a close."""
    return {"type": "Error", "error_code": refusal.code, "error": refusal.text}
