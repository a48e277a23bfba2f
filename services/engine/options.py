"""What a client asks for, in the address or in an update: checked, and in the engine's own types.

What the engine cannot do (keyterms, prompts, diarization …) is ignored, as the service ignores what it does not know: a
client written for the service works here. What would give a wrong transcript is refused: another encoding or language.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from .refusal import BAD_INPUT, Refused


class Options(msgspec.Struct, frozen=True):
    """What a client may set that changes what the engine does."""

    sample_rate: int = 16_000
    """Hz."""
    min_turn_silence: int | None = None
    """ms; None leaves it to the engine."""
    max_turn_silence: int | None = None
    """ms; None leaves it to the engine."""
    vad_threshold: float = 0.5
    inactivity_timeout: int | None = None
    """s without any message until the session is ended; None is never."""
    session_heartbeat: bool = False
    include_partial_turns: bool = True


def parse_query(query: str) -> Options:
    """The options in the query string of the address. Raises `Refused`."""
    given = parse_qs(query, keep_blank_values=True)
    twice = [name for name, values in given.items() if len(values) > 1 and name in READERS]
    if twice:
        raise Refused(BAD_INPUT, f"{twice[0]} is given more than once; a list is one JSON value")
    return changed(Options(), {name: values[0] for name, values in given.items()})


def query_token(query: str) -> str | None:
    """The key that a browser sends, which cannot set headers."""
    return parse_qs(query).get("token", [None])[0]


def changed(options: Options, given: Mapping[str, Any]) -> Options:
    """``options`` with what is ``given``, as text (query) or as values (JSON). Unknown names are ignored."""
    found = {name: READERS[name](name, value) for name, value in given.items() if name in READERS}
    known = {name: value for name, value in found.items() if name in Options.__struct_fields__}
    return msgspec.structs.replace(options, **known)


Reader = Callable[[str, Any], Any]


def whole(low: int, high: int) -> Reader:
    """Reads a whole number within limits."""

    def read(name: str, value: Any) -> int:
        try:
            number = int(str(value))
        except ValueError:
            raise Refused(BAD_INPUT, f"{name} must be a whole number, not {value!r}") from None
        if number < low:
            raise Refused(BAD_INPUT, f"{name} must be at least {low:,}{UNITS.get(name, '')}")
        if number > high:
            raise Refused(BAD_INPUT, f"{name} must be at most {high:,}{UNITS.get(name, '')}")
        return number

    return read


def fraction(name: str, value: Any) -> float:
    """Reads a number from 0 to 1."""
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not 0 <= number <= 1:
        raise Refused(BAD_INPUT, f"{name} must be between 0 and 1, not {value!r}")
    return number


def flag(name: str, value: Any) -> bool:
    """Reads a truth value, in any case of letters: Python's clients write ``True``."""
    truths = {"true": True, "1": True, "false": False, "0": False}
    if str(value).lower() not in truths:
        raise Refused(BAD_INPUT, f"{name} must be true or false, not {value!r}")
    return truths[str(value).lower()]


def one_of(*allowed: str) -> Reader:
    """Reads one of a few words."""

    def read(name: str, value: Any) -> str:
        if value not in allowed:
            raise Refused(BAD_INPUT, f"{name} must be {' or '.join(allowed)}, not {value!r}")
        return str(value)

    return read


def texts(name: str, value: Any) -> list[str]:
    """Reads a JSON list of texts; as in the service, at most 100."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Refused(BAD_INPUT, f"{name}: Invalid JSON array") from None
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Refused(BAD_INPUT, f"{name}: Invalid JSON array")
    if len(value) > 100:
        raise Refused(BAD_INPUT, f"{name}: Max 100 items")
    return value


def english(name: str, value: Any) -> list[str]:
    """Reads languages: the model knows one, and would write nonsense for the others."""
    codes = texts(name, value if name.endswith("codes") else [str(value)])
    if codes and not any(code.lower() == "multi" or code.lower().split("-")[0] == "en" for code in codes):
        raise Refused(BAD_INPUT, f"{name}: the local engine understands English only, not {', '.join(codes)}")
    return codes


UNITS: Final = {"sample_rate": " Hz", "inactivity_timeout": " s", "min_turn_silence": " ms", "max_turn_silence": " ms"}

READERS: Final[Mapping[str, Reader]] = {
    "sample_rate": whole(8_000, 96_000),
    "encoding": one_of("pcm_s16le"),
    "min_turn_silence": whole(0, 60_000),
    "max_turn_silence": whole(0, 60_000),
    "vad_threshold": fraction,
    "inactivity_timeout": whole(5, 3_600),
    "session_heartbeat": flag,
    "include_partial_turns": flag,
    "end_of_turn_confidence_threshold": fraction,
    "format_turns": flag,
    "keyterms_prompt": texts,
    "language": english,
    "language_code": english,
    "language_codes": english,
}
"""How each known parameter is read. Those that are not in `Options` are read only to find what is wrong with them."""
