"""The settings: `config/default.toml`, then the user's `causal.toml`, then `CAUSAL_*` variables, then flags."""

from __future__ import annotations

import difflib
import json
import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec
import platformdirs

from causal.errors import ConfigError

DIRECTORIES = ("CAUSAL_RUNTIME_DIR", "CAUSAL_DATA_DIR", "CAUSAL_CACHE_DIR", "CAUSAL_CONFIG_DIR")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings; `config/default.toml` says what each means."""

    engine: str
    stt_url: str
    speech_model: str
    language: str
    keyterms: tuple[str, ...]
    block_ms: int
    journal_hours: float
    engine_port: int
    engine_threads: int
    log_level: Literal["debug", "info", "warning", "error"]


def load(flags: Mapping[str, str] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings in force. Raises `ConfigError` naming file or variable, the key, and the nearest key that exists."""
    values = tomllib.loads(resources.files("causal.config").joinpath("default.toml").read_text("utf-8"))
    known = tuple(values)
    path = user_file(environ)
    if path.exists():
        values |= _checked(_read_toml(path), known, str(path))
    values |= _checked(_from_environment(environ), known, "the environment", lambda key: f"CAUSAL_{key.upper()}")
    values |= _checked(dict(flags or {}), known, "--set")
    return _convert(values)


def user_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Where the user's own settings are, whether the file exists or not."""
    folder = environ.get("CAUSAL_CONFIG_DIR") or platformdirs.user_config_dir("causal", appauthor=False)
    return Path(folder) / "causal.toml"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", "Mend the file, or move it away.") from error


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        name.removeprefix("CAUSAL_").lower(): value
        for name, value in environ.items()
        if name.startswith("CAUSAL_") and name not in DIRECTORIES and not name.startswith("CAUSAL_PARENT")
    }


def _checked(values: dict[str, Any], known: tuple[str, ...], where: str, name: Any = str) -> dict[str, Any]:
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, 1, 0.5)
            hint = f"Did you mean {name(near[0])}?" if near else f"Known are {', '.join(map(name, known))}."
            raise ConfigError(f"unknown setting {name(key)} in {where}", hint)
    return values


def _convert(values: dict[str, Any]) -> Settings:
    for key, value in values.items():
        if isinstance(value, str) and value.lstrip().startswith("["):
            try:
                values[key] = json.loads(value)
            except ValueError as error:
                raise ConfigError(f"setting {key}: {value!r} is not a list", 'Write it as ["one", "two"].') from error
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"a setting has a wrong value: {error}", "default.toml shows what each may be.") from error
