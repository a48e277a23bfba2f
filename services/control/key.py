"""The AssemblyAI key: from the environment, or from the system's keyring. Never an argument, never in a log."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping

VARIABLE = "ASSEMBLYAI_API_KEY"
SERVICE = "causal"


def find(environ: Mapping[str, str] = os.environ) -> str | None:
    """The key, or None. The keyring is asked only where the `keyring` package is installed."""
    key = environ.get(VARIABLE, "").strip()
    return key or _from_keyring()


def _from_keyring() -> str | None:
    if importlib.util.find_spec("keyring") is None:
        return None
    import keyring
    from keyring.errors import KeyringError

    try:
        found: str | None = keyring.get_password(SERVICE, VARIABLE)
    except KeyringError:
        return None
    return found
