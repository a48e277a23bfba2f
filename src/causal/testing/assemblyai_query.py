"""What a client asks of the test service in its address, checked as AssemblyAI checks it.

Unknown parameters are ignored, booleans come in any letter case, lists are JSON in one parameter.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

STREAMING_MODELS = ("universal-streaming-english", "universal-streaming-multilingual")
PRO_MODELS = ("universal-3-6-pro", "universal-3-5-pro", "universal-3-6", "u3-rt-pro", "u3-rt-pro-beta-1")
MODELS = (*STREAMING_MODELS, *PRO_MODELS, "whisper-rt")
ENCODINGS = ("pcm_s16le", "pcm_mulaw", "opus", "ogg_opus", "aac")
MAX_PROMPT_CHARACTERS = 1750
MAX_KEYTERMS = 100


class Refusal(Exception):
    """Ends a session: an `Error` message with this code and text, then a close with the same code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Query:
    """A session's parameters, with the service's defaults where nothing was asked."""

    fields: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.fields.get("speech_model", "universal-3-6-pro"))

    @property
    def is_pro(self) -> bool:
        return self.model in PRO_MODELS

    @property
    def format_turns(self) -> bool:
        return self.is_pro or bool(self.fields.get("format_turns", False))

    @property
    def sample_rate_hz(self) -> int:
        return int(self.fields.get("sample_rate", 16_000))

    @property
    def bytes_per_sample(self) -> int:
        return 1 if self.fields.get("encoding") == "pcm_mulaw" else 2

    @property
    def turn_silence_ms(self) -> int | None:
        silence_ms = self.fields.get("min_turn_silence", self.fields.get("min_end_of_turn_silence_when_confident"))
        return None if silence_ms is None else int(silence_ms)

    def updated(self, changes: dict[str, Any]) -> Query:
        """The same after an `UpdateConfiguration`. Raises `Refusal` for a value out of range."""
        return Query(self.fields | {name: _checked(name, value) for name, value in changes.items()})


def read_query(path: str) -> Query:
    """The parameters in a request's path. Raises `Refusal` as the service would."""
    fields: dict[str, Any] = {}
    for name, texts in parse_qs(urlsplit(path).query, keep_blank_values=True).items():
        if name in _READERS:
            if len(texts) > 1:
                raise Refusal(3006, f"Invalid JSON array: {name}" if name in _LISTS else f"Repeated parameter: {name}")
            fields[name] = _checked(name, _decoded(name, texts[0]))
    return Query(fields)


def _decoded(name: str, text: str) -> Any:
    if name not in _LISTS:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise Refusal(3006, f"Invalid JSON array: {name}") from None


def _checked(name: str, value: Any) -> Any:
    reader = _READERS.get(name)
    if reader is None:
        return value
    try:
        return reader(value)
    except (TypeError, ValueError) as error:
        raise Refusal(3006, f"User Input Validation Error: {name}: {error}") from None


def _boolean(value: Any) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{value!r} is not a boolean")
    return text == "true"


def _sample_rate(value: Any) -> int:
    rate_hz = int(value)
    if rate_hz < 8000:
        raise Refusal(3006, "sample_rate must be at least 8,000 Hz")
    return _within(8000, 96_000, int)(rate_hz)  # type: ignore[no-any-return]


def _keyterms(value: Any) -> list[str]:
    terms = _strings(value)
    if len(terms) > MAX_KEYTERMS:
        raise Refusal(3006, "Max 100 items")
    return [term for term in terms if len(term) <= 50]


def _languages(value: Any) -> list[str]:
    codes = _strings(value)
    if len(codes) > 10 or ("multi" in codes and len(codes) > 1):
        raise ValueError("at most 10 codes, and multi alone")
    return codes


def _strings(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refusal(3006, "Invalid JSON array")
    return value


def _prompt(value: Any) -> str:
    if len(str(value)) > MAX_PROMPT_CHARACTERS:
        raise ValueError(f"at most {MAX_PROMPT_CHARACTERS} characters")
    return str(value)


def _within(low: float, high: float, kind: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        number = kind(value)
        if not low <= number <= high:
            raise ValueError(f"{value} is not between {low} and {high}")
        return number

    return read


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError(f"{value!r} is not one of {', '.join(choices)}")
        return str(value)

    return read


_LISTS = ("keyterms_prompt", "language_codes", "redact_pii_policies")

_READERS: dict[str, Callable[[Any], Any]] = {
    "sample_rate": _sample_rate,
    "encoding": _one_of(*ENCODINGS),
    "speech_model": _one_of(*MODELS),
    "mode": _one_of("min_latency", "balanced", "max_accuracy"),
    "inactivity_timeout": _within(5, 3600, int),
    "session_heartbeat": _boolean,
    "acknowledge_silence": _boolean,
    "format_turns": _boolean,
    "end_of_turn_confidence_threshold": _within(0, 1, float),
    "min_turn_silence": _within(0, 600_000, int),
    "min_end_of_turn_silence_when_confident": _within(0, 600_000, int),
    "max_turn_silence": _within(0, 600_000, int),
    "vad_threshold": _within(0, 1, float),
    "interruption_delay": _within(0, 1000, int),
    "continuous_partials": _boolean,
    "include_partial_turns": _boolean,
    "language_codes": _languages,
    "language_detection": _boolean,
    "keyterms_prompt": _keyterms,
    "prompt": _prompt,
    "agent_context": _prompt,
    "speaker_labels": _boolean,
    "max_speakers": _within(1, 10, int),
    "redact_pii_policies": _strings,
}
