"""Where a stream is transcribed: which address, with which key."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from causal.errors import CausalError, EngineError
from causal.messages.control import Assignment
from causal.settings import Settings

from .options import Key, Options

INACTIVITY_S = 60
"""A session without messages for so long is ours, and hung: it costs money until the service closes it."""


@dataclass(frozen=True)
class Target:
    """One service to connect to."""

    options: Options
    key: Key | None
    is_engine: bool
    """Whether it is the local engine, which works as fast as it can."""


def choose(assignment: Assignment, settings: Settings, key: Key | None, engine_file: Path) -> Target:
    """Where the stream goes. Raises `CausalError` that says what is missing."""
    match assignment.engine:
        case "local":
            address, engine_key = _engine(engine_file)
            return Target(_options(assignment, settings, address), engine_key, is_engine=True)
        case "assemblyai":
            if key is None:
                raise CausalError(
                    "auth-failed",
                    "there is no AssemblyAI key",
                    "causal-ctl key set (or ASSEMBLYAI_API_KEY), then start the stack anew; or use --engine local",
                )
            if not may_have_key(settings.stt_url):
                raise CausalError(
                    "bad-config",
                    f"the key would go unencrypted to {settings.stt_url}",
                    "stt_url must begin with wss://; a server without encryption and key is an engine: --engine ws://…",
                )
            return Target(_options(assignment, settings, settings.stt_url), key, is_engine=False)
        case address:
            its_key = key if may_have_key(address) else None
            return Target(_options(assignment, settings, address), its_key, is_engine=False)


def may_have_key(address: str) -> bool:
    """Whether a key sent there is read by nobody on the way."""
    return address.startswith("wss://") or is_loopback(address)


def is_loopback(address: str) -> bool:
    """Whether what is sent there stays on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _options(assignment: Assignment, settings: Settings, address: str) -> Options:
    return Options(
        address=address,
        model=settings.speech_model,
        language=assignment.language or "",
        keyterms=assignment.keyterms,
        inactivity_timeout_s=INACTIVITY_S,
    )


def _engine(engine_file: Path) -> tuple[str, Key]:
    hint = "it starts with the stack: see `causal-ctl status`, and `causal-engine prepare` for its model"
    try:
        fields = json.loads(engine_file.read_text("utf-8"))
        return str(fields["url"]), Key(str(fields["key"]))
    except FileNotFoundError:
        raise EngineError("the local engine is not running", hint) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{engine_file} does not tell where the local engine is: {error}", hint) from error
