"""What a connection asks of the speech service: address, query and headers, from frozen options.

The service ignores parameters that it does not know and drops long key terms without a word, so all is checked here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode, urlsplit, urlunsplit

from causal.errors import ConfigError
from causal.messages.audio import CHUNK_RATE_HZ

ASSEMBLYAI_ADDRESS = "wss://streaming.assemblyai.com"
API_VERSION = "2025-05-12"
PATH = "/v3/ws"

MAX_KEYTERMS = 100
MAX_KEYTERM_CHARACTERS = 50
MAX_LANGUAGES = 10

HEARS = {
    "universal-streaming-english": ("en",),
    "universal-streaming-multilingual": ("en", "es", "fr", "de", "it", "pt"),
}
"""The languages of the models that cannot be told which one to expect."""

Family = Literal["streaming", "pro", "other"]
"""*streaming* sends words one by one and formats on request; *pro* sends the whole turn anew and always formats."""


@dataclass(frozen=True)
class Key:
    """A secret that does not show itself: not in `repr`, not in `str`, so not in a log or a traceback."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The secret, for the one line that sends it."""
        return self._text


@dataclass(frozen=True, kw_only=True)
class Options:
    """What one connection asks for. Raises `ConfigError` where the service would refuse, or be silent."""

    address: str
    """`wss://host`, or `ws://127.0.0.1:port`; `/v3/ws` is added where it is missing."""
    model: str
    """Any name: the service's list changes faster than we do."""
    language: str = ""
    """`en`, or several as `en,de`; empty: the service finds out, where its model can. A model in `HEARS` is not told;
    what it does not hear is refused."""
    keyterms: tuple[str, ...] = ()
    """Words to listen for, at most 100 of at most 50 characters."""
    mode: str = ""
    """`min_latency`, `balanced`, `max_accuracy`; empty: the service's default. Pro models only."""
    format_turns: bool = True
    """Punctuation and capitals where that is a choice; Pro models always format."""
    min_turn_silence_ms: int | None = None
    max_turn_silence_ms: int | None = None
    inactivity_timeout_s: int | None = None
    """The service closes after so many seconds without a message (5 to 3600): a net under our own hung process."""

    def __post_init__(self) -> None:
        _check_address(self.address)
        _check_model(self)
        _check_languages(self)
        _check_keyterms(self.keyterms)
        _check_times(self)

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(code.strip() for code in self.language.split(",") if code.strip())

    @property
    def formatting_requested(self) -> bool:
        """Whether a turn may end twice: first plain, then formatted."""
        return self.format_turns and family(self.model) == "streaming"


def family(model: str) -> Family:
    """How a model sends its turns, by its name."""
    if model.startswith("universal-streaming"):
        return "streaming"
    return "pro" if model.startswith(("universal-3", "u3")) else "other"


def url(options: Options, token: Key | None = None) -> str:
    """The address with its query. Lists are JSON in one parameter: repeated parameters are refused."""
    parts = urlsplit(options.address)
    path = parts.path.rstrip("/")
    path = path if path.endswith(PATH) else path + PATH
    query = _query(options) | ({"token": token.reveal()} if token else {})
    return urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))


def headers(key: Key | None) -> dict[str, str]:
    """The headers of the upgrade; the key goes raw, without `Bearer`."""
    named = {"AssemblyAI-Version": API_VERSION}
    return named | {"Authorization": key.reveal()} if key else named


def _query(options: Options) -> dict[str, str]:
    kind = family(options.model)
    query = {
        "sample_rate": str(CHUNK_RATE_HZ),
        "encoding": "pcm_s16le",
        "speech_model": options.model,
        "session_heartbeat": "true",
    }
    if kind == "streaming":
        query["format_turns"] = str(options.format_turns).lower()
    if kind == "pro":
        query["acknowledge_silence"] = "true"
        if options.mode:
            query["mode"] = options.mode
    if kind != "streaming" and options.languages:
        query["language_codes"] = json.dumps(options.languages)
    elif options.model != "universal-streaming-english":
        query["language_detection"] = "true"
    if options.keyterms:
        query["keyterms_prompt"] = json.dumps(options.keyterms, ensure_ascii=False)
    for name, number in (
        ("min_turn_silence", options.min_turn_silence_ms),
        ("max_turn_silence", options.max_turn_silence_ms),
        ("inactivity_timeout", options.inactivity_timeout_s),
    ):
        if number is not None:
            query[name] = str(number)
    return query


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ConfigError(
            f"the speech service's address is {address!r}; expected ws://host or wss://host",
            f"set stt_url, for instance to {ASSEMBLYAI_ADDRESS}",
        )
    if parts.query or parts.fragment or parts.username:
        raise ConfigError(
            f"the speech service's address has more than host, port and path: {parts.hostname}",
            "give the key by ASSEMBLYAI_API_KEY, and everything else by settings",
        )


def _check_model(options: Options) -> None:
    if not options.model:
        raise ConfigError("no speech model is named", "set the model, for instance to universal-streaming-english")
    if options.mode and options.mode not in ("min_latency", "balanced", "max_accuracy"):
        raise ConfigError(f"mode {options.mode!r} is unknown", "choose min_latency, balanced or max_accuracy")


def _check_languages(options: Options) -> None:
    codes = options.languages
    if len(codes) > MAX_LANGUAGES or ("multi" in codes and len(codes) > 1):
        raise ConfigError(
            f"languages {options.language!r}: at most {MAX_LANGUAGES}, and `multi` alone", "name fewer languages"
        )
    heard = HEARS.get(options.model, ())
    strange = [code for code in codes if code != "multi" and code.split("-")[0] not in heard]
    if heard and strange:
        raise ConfigError(
            f"{options.model} hears {', '.join(heard)}, and the language is {', '.join(strange)}",
            "leave the language out, or set speech_model to a model that hears it, such as universal-3-6-pro",
        )


def _check_keyterms(keyterms: tuple[str, ...]) -> None:
    if len(keyterms) > MAX_KEYTERMS:
        raise ConfigError(f"{len(keyterms)} key terms; the service takes {MAX_KEYTERMS}", "name fewer key terms")
    for term in keyterms:
        if not 0 < len(term.strip()) <= MAX_KEYTERM_CHARACTERS:
            raise ConfigError(
                f"key term {term!r} has {len(term)} characters; expected 1 to {MAX_KEYTERM_CHARACTERS}",
                "shorten it, or leave it out: the service would drop it without a word",
            )


def _check_times(options: Options) -> None:
    for name, number, low, high in (
        ("min_turn_silence_ms", options.min_turn_silence_ms, 50, 10_000),
        ("max_turn_silence_ms", options.max_turn_silence_ms, 50, 60_000),
        ("inactivity_timeout_s", options.inactivity_timeout_s, 5, 3600),
    ):
        if number is not None and not low <= number <= high:
            raise ConfigError(f"{name} is {number}; expected {low} to {high}", f"correct {name}, or leave it out")
