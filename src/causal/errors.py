"""Errors, sorted by what their reader can do about them."""

from __future__ import annotations

import os
import sys
from typing import Literal, get_args

Code = Literal[
    "device-not-found",
    "device-unavailable",
    "device-lost",
    "permission-denied",
    "format-unsupported",
    "connection-failed",
    "auth-failed",
    "quota-exceeded",
    "rejected-by-service",
    "engine-failed",
    "buffer-overflow",
    "buffer-underflow",
    "disk-full",
    "bad-config",
    "internal",
]
CODES: tuple[str, ...] = get_args(Code)
"""The codes of `capture-error` events. Refused control requests have these and those of `docs/protocol.md`."""


PROCFILE = "Procfile.windows" if sys.platform == "win32" else "Procfile"


def start_command(here: str, prefix: str) -> str:
    """How a person starts the stack: in a checkout, or wherever a Procfile lies, by that one; elsewhere by the one that
    was installed under `prefix`."""
    # Without pathlib, whose import would cost causal-ctl --help a tenth of its time.
    installed = os.path.join(prefix, "share", "causal", PROCFILE)  # noqa: PTH118
    own = os.path.join(here, PROCFILE)  # noqa: PTH118
    if os.path.exists(own) or not os.path.exists(installed):  # noqa: PTH110
        return "honcho start" if PROCFILE == "Procfile" else f"honcho start -f {PROCFILE}"
    return f'honcho start -f "{installed}"'


START_COMMAND = start_command("", sys.prefix)
"""For hints."""


class CausalError(Exception):
    """Something that a person can act on: what was found (`message`), and what to do (`hint`)."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}" if self.hint else self.message


class ConfigError(CausalError):
    """Edit something: a setting, a flag, a directory."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("bad-config", message, hint)


class SourceError(CausalError):
    """A device or file that cannot be heard. `retryable` says whether waiting may help."""

    def __init__(self, code: Code, message: str, hint: str = "", *, retryable: bool = False) -> None:
        super().__init__(code, message, hint)
        self.retryable = retryable


class EngineError(CausalError):
    """The local engine cannot work: get its model, or mend the machine."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("engine-failed", message, hint)


class WireError(Exception):
    """A message that does not fit: count it, drop it, go on."""
