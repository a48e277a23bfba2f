"""The settings: `config/default.toml`, then the user's `causal.toml`, then `CAUSAL_*` variables, then flags."""

from __future__ import annotations

import contextlib
import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import platformdirs

from causal.errors import ConfigError

DIRECTORIES = ("CAUSAL_RUNTIME_DIR", "CAUSAL_DATA_DIR", "CAUSAL_CACHE_DIR", "CAUSAL_CONFIG_DIR")
FOR_SINKS = ("CAUSAL_WEBHOOK_URL", "CAUSAL_WEBHOOK_SECRET")
"""Variables that are no settings: `status` and logs may show settings, and these are secret."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; `config/default.toml` says what each means."""

    engine: str
    stt_url: str
    speech_model: str
    language: str
    keyterms: tuple[str, ...]
    idle_close_s: Annotated[float, msgspec.Meta(ge=0)]
    new_sessions_per_minute: Annotated[int, msgspec.Meta(ge=1)]
    backend: Literal["auto", "pulse", "portaudio", "soundcard", "wasapi", "coreaudio"]
    block_ms: Annotated[int, msgspec.Meta(ge=5, le=1000)]
    journal_hours: Annotated[float, msgspec.Meta(ge=0)]
    engine_port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    engine_threads: Annotated[int, msgspec.Meta(ge=1)]
    web_port: Annotated[int, msgspec.Meta(ge=0, le=65535)]
    transport: Literal["auto", "ipc", "tcp"]
    log_level: Literal["debug", "info", "warning", "error"]


KINDS: dict[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Settings)}
TEXTS = frozenset(name for name, kind in KINDS.items() if kind is str)


def load(flags: Mapping[str, str] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises `ConfigError` naming file or variable, the key, and the nearest key that exists."""
    values = tomllib.loads(resources.files("causal.config").joinpath("default.toml").read_text("utf-8"))
    path = user_file(environ)
    values |= _checked(_read_toml(path), str(path))
    values |= _checked(_parsed(_from_environment(environ)), "the environment", lambda key: f"CAUSAL_{key.upper()}")
    values |= _checked(_parsed(flags or {}), "--set")
    return msgspec.convert(values, Settings)


def user_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own settings are, whether the file exists or not."""
    folder = environ.get("CAUSAL_CONFIG_DIR") or platformdirs.user_config_dir("causal", appauthor=False)
    return Path(folder) / "causal.toml"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "Mend the file, or move it away.") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("CAUSAL_").lower(): value
        for name, value in environ.items()
        if name.startswith("CAUSAL_") and name not in DIRECTORIES + FOR_SINKS and not name.startswith("CAUSAL_PARENT")
    }


def _parsed(texts: Mapping[str, str]) -> dict[str, Any]:
    """Texts as what they mean: a number or a list is written as in the file. What is neither stays a text."""
    values: dict[str, Any] = dict(texts)
    for key, text in texts.items():
        if key in KINDS and key not in TEXTS:
            with contextlib.suppress(msgspec.DecodeError):
                values[key] = msgspec.json.decode(text)
    return values


def _checked(values: dict[str, Any], where: str, name: Callable[[str], str] = str) -> dict[str, Any]:
    """The values of one place, each of its kind."""
    for key, value in values.items():
        if key not in KINDS:
            near = difflib.get_close_matches(key, KINDS, 1, 0.5)
            hint = f"Did you mean {name(near[0])}?" if near else f"Known are {', '.join(map(name, KINDS))}."
            raise ConfigError(f"unknown setting {name(key)} in {where}", hint)
        try:
            msgspec.convert(value, KINDS[key])
        except msgspec.ValidationError as error:
            text = f"setting {name(key)} in {where} is {value!r}. {error}"
            hint = 'Write a list as ["one", "two"]' if key == "keyterms" else "default.toml shows what it may be"
            raise ConfigError(text, hint) from error
    return values
