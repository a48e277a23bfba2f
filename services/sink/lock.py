"""One writer for each output: a second sink on the same file is refused."""

from __future__ import annotations

from io import FileIO
from pathlib import Path

from causal import file_lock
from causal.errors import ConfigError


def lock(file: FileIO, path: Path) -> None:
    """Holds `file` until it is closed. Raises `ConfigError` when another sink has it; `path` is what it writes."""
    if not file_lock.take(file):
        raise ConfigError(
            f"another sink writes {path}",
            "Give this one another file by --out, or stop the other: causal-ctl status shows it.",
        )
