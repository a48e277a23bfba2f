"""AssemblyAI streaming v3 as bytes and text: the messages of both sides, without a socket.

Nothing that a server says is fatal here: unknown fields are ignored, missing ones have defaults, times may be floats,
and what cannot be read becomes `Unreadable`, to be counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from causal.messages.audio import CHUNK_RATE_HZ

TERMINATE = '{"type": "Terminate"}'
"""Asks for the last turns, `Termination` and the close."""
FORCE_ENDPOINT = '{"type": "ForceEndpoint"}'
"""Ends the open turn now."""
KEEP_ALIVE = '{"type": "KeepAlive"}'
"""Resets the service's inactivity timer, and nothing else."""

MIN_FRAME_SAMPLES = CHUNK_RATE_HZ * 50 // 1000
MAX_FRAME_SAMPLES = CHUNK_RATE_HZ


@dataclass(frozen=True)
class Begin:
    """The session exists; before this an open socket proves nothing."""

    id: str
    expires_at_unix_s: float | None


@dataclass(frozen=True)
class SpeechStarted:
    timestamp_ms: int


@dataclass(frozen=True)
class HeardWord:
    """One word, in milliseconds of the audio that this session received."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float
    speaker: str | None = None


@dataclass(frozen=True)
class Turn:
    """One version of one utterance."""

    order: int
    ended: bool
    formatted: bool
    text: str
    """The best text to show: the transcript, or the words where they say more."""
    words: tuple[HeardWord, ...]
    speaker: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Termination:
    audio_duration_s: float


@dataclass(frozen=True)
class ServiceError:
    """Why the service is about to close: the close frame itself does not tell."""

    code: int | None
    text: str


@dataclass(frozen=True)
class ServiceWarning:
    code: int | None
    text: str


@dataclass(frozen=True)
class Heartbeat:
    received_ms: int
    """Audio that the service has taken in."""
    realtime_factor: float


@dataclass(frozen=True)
class Silence:
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Unknown:
    """A message of a type that we have no use for, or that is newer than we are."""

    type: str


@dataclass(frozen=True)
class Unreadable:
    """Not a message: counted, never fatal."""

    reason: str


ServerMessage = (
    Begin
    | SpeechStarted
    | Turn
    | Termination
    | ServiceError
    | ServiceWarning
    | Heartbeat
    | Silence
    | Unknown
    | Unreadable
)


def audio_frame(samples: npt.NDArray[np.int16]) -> bytes:
    """The samples as one binary message: s16le, no header. Raises `ValueError` outside 50 to 1000 ms, which the
    service punishes by closing."""
    if samples.dtype != np.int16 or samples.ndim != 1:
        raise ValueError(f"audio of {samples.dtype}, {samples.ndim} dimensions; expected int16, one dimension")
    if not MIN_FRAME_SAMPLES <= len(samples) <= MAX_FRAME_SAMPLES:
        raise ValueError(f"{len(samples)} samples; a message takes {MIN_FRAME_SAMPLES} to {MAX_FRAME_SAMPLES}")
    return samples.astype("<i2", copy=False).tobytes()


def parse(frame: str | bytes) -> ServerMessage:
    """What the server said. Never raises."""
    if not isinstance(frame, str):
        return Unreadable(f"a binary message of {len(frame)} bytes")
    try:
        fields = json.loads(frame)
    except (ValueError, RecursionError):
        return Unreadable("not JSON")
    if not isinstance(fields, dict):
        return Unreadable(f"a JSON {type(fields).__name__} instead of an object")
    try:
        return _message(fields)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        return Unreadable(f"{str(fields.get('type'))[:40]}: {type(error).__name__} {error}"[:200])


def _message(fields: dict[str, Any]) -> ServerMessage:
    kind = fields.get("type", "Error" if "error" in fields else None)  # older errors have no type
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    return reader(fields) if reader else Unknown(str(kind)[:40])


def _begin(fields: dict[str, Any]) -> Begin:
    expires = fields.get("expires_at")
    return Begin(_text(fields.get("id")), None if expires is None else _number(expires))


def _turn(fields: dict[str, Any]) -> Turn:
    ended = fields.get("end_of_turn") is True
    words = _words(fields.get("words"))
    return Turn(
        order=int(_number(fields["turn_order"])),
        ended=ended,
        formatted=fields.get("turn_is_formatted") is True,
        text=_best_text(_text(fields.get("transcript")), words, ended),
        words=words,
        speaker=_text(fields.get("speaker_label")) or None,
        language=_text(fields.get("language_code")) or None,
    )


def _words(items: Any) -> tuple[HeardWord, ...]:
    """The words that can be read; one without times stands at the end of the one before it."""
    words: list[HeardWord] = []
    for item in items if isinstance(items, list) else []:
        text = _text(item.get("text")) if isinstance(item, dict) else ""
        if not text:
            continue
        start_ms = _ms(item.get("start", words[-1].end_ms if words else 0))
        end_ms = max(start_ms, _ms(item.get("end", start_ms)))
        confidence = min(1.0, max(0.0, _number(item.get("confidence", 0))))
        words.append(HeardWord(text, start_ms, end_ms, confidence, _text(item.get("speaker")) or None))
    return tuple(words)


def _best_text(transcript: str, words: tuple[HeardWord, ...], ended: bool) -> str:
    """Partials of the streaming models have only the settled words in `transcript`, at first none."""
    transcript = transcript.strip()
    if transcript and (ended or len(transcript.split()) >= len(words)):
        return transcript
    return " ".join(word.text for word in words) or transcript


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, bool) or not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number")
    return number


def _ms(value: Any) -> int:
    return max(0, round(_number(value)))


def _code(value: Any) -> int | None:
    return None if value is None else int(_number(value))


_READERS: dict[str, Callable[[dict[str, Any]], ServerMessage]] = {
    "Begin": _begin,
    "Turn": _turn,
    "SpeechStarted": lambda fields: SpeechStarted(_ms(fields.get("timestamp", 0))),
    "Termination": lambda fields: Termination(_number(fields.get("audio_duration_seconds", 0))),
    "Heartbeat": lambda fields: Heartbeat(
        _ms(fields["total_audio_received_ms"]), _number(fields.get("realtime_factor", 1))
    ),
    "Silence": lambda fields: Silence(_ms(fields["start_ms"]), _ms(fields["end_ms"])),
    "Warning": lambda fields: ServiceWarning(_code(fields.get("warning_code")), _text(fields.get("warning"))),
    "Error": lambda fields: ServiceError(_code(fields.get("error_code")), _text(fields.get("error"))),
}
