"""Where the engine is and the key that it wants, for the gateway of the same user."""

from __future__ import annotations

import json
from pathlib import Path

from causal import whole_file


def write_address(path: Path, url: str, key: str) -> None:
    """Writes ``{"url", "key"}`` for this user's eyes only; a reader sees the old file or the new one, never half."""
    whole_file.replace(path, json.dumps({"url": url, "key": key}))
