"""The part of AssemblyAI's streaming protocol (v3) that the engine speaks: text of frames to objects, and back."""

from __future__ import annotations

import json
from typing import Final

import msgspec

from .options import Options, changed
from .refusal import BAD_AUDIO, BAD_INPUT, Refused

PATH: Final = "/v3/ws"
HEALTH_PATH: Final = "/v3/ws/health"

SHORTEST_MS: Final = 50
LONGEST_MS: Final = 1000
BYTES_PER_SAMPLE: Final = 2


class Begin(msgspec.Struct, frozen=True, tag="Begin"):
    """The session is usable."""

    id: str
    expires_at: int
    """Unix seconds."""
    configuration: dict[str, str]


class TurnWord(msgspec.Struct, frozen=True):
    """One word; times in ms of audio received in this session."""

    start: int
    end: int
    text: str
    confidence: float
    word_is_final: bool


class Turn(msgspec.Struct, frozen=True, tag="Turn"):
    """All of a turn as it is understood now: it replaces what was said of this turn before."""

    turn_order: int
    turn_is_formatted: bool
    end_of_turn: bool
    end_of_turn_confidence: float
    transcript: str
    words: tuple[TurnWord, ...]
    utterance: str


class Heartbeat(msgspec.Struct, frozen=True, tag="Heartbeat"):
    """How far the engine is."""

    total_audio_received_ms: int
    """Audio that is dealt with: all of it, less what waits for its final."""
    total_duration_ms: int
    """The session's age."""
    realtime_factor: float
    """The first divided by the second: above 1, the engine works faster than the audio would play."""
    max_speech_probability: float
    """The highest since the last Heartbeat."""


class Termination(msgspec.Struct, frozen=True, tag="Termination"):
    """The end that the client asked for."""

    audio_duration_seconds: int
    session_duration_seconds: int


class Error(msgspec.Struct, frozen=True, tag="Error"):
    """Why the connection is closed next, with the same code."""

    error_code: int
    error: str


ServerMessage = Begin | Turn | Heartbeat | Termination | Error


def encode(message: ServerMessage) -> str:
    """The message as the text of a frame."""
    return msgspec.json.encode(message).decode()


class UpdateConfiguration(msgspec.Struct, frozen=True):
    """The options from now on."""

    options: Options


class ForceEndpoint(msgspec.Struct, frozen=True):
    """The current turn ends here."""


class KeepAlive(msgspec.Struct, frozen=True):
    """The client is there."""


class Terminate(msgspec.Struct, frozen=True):
    """Everything up to here is to be answered; then the session ends."""


ClientMessage = UpdateConfiguration | ForceEndpoint | KeepAlive | Terminate


def parse_message(text: str, options: Options) -> ClientMessage:
    """The client's message; ``options`` are those that an update changes. Raises `Refused`."""
    try:
        message = json.loads(text)
    except ValueError as error:
        raise Refused(BAD_INPUT, f"User Input Validation Error: Invalid JSON: {error}") from None
    if not isinstance(message, dict):
        raise Refused(BAD_INPUT, "User Input Validation Error: Invalid JSON: expected an object")
    match message.pop("type", None):
        case "UpdateConfiguration":
            message.pop("sample_rate", None)  # fixed for the session
            return UpdateConfiguration(changed(options, message))
        case "ForceEndpoint":
            return ForceEndpoint()
        case "KeepAlive":
            return KeepAlive()
        case "Terminate":
            return Terminate()
        case unknown:
            raise Refused(BAD_INPUT, f"Invalid Message Type: {unknown}")


def check_audio(data: bytes, options: Options) -> None:
    """Raises `Refused` unless the message has 50 to 1000 ms of whole samples."""
    if len(data) % BYTES_PER_SAMPLE:
        raise Refused(BAD_INPUT, f"Audio of {len(data)} bytes holds half a sample: expected 16-bit samples")
    length_ms = len(data) / BYTES_PER_SAMPLE / options.sample_rate * 1000
    if not SHORTEST_MS <= length_ms <= LONGEST_MS:
        raise Refused(
            BAD_AUDIO,
            f"Input Duration Error: Input Duration Violation: {length_ms:.1f} ms. "
            f"Expected between {SHORTEST_MS} and {LONGEST_MS} ms",
        )
