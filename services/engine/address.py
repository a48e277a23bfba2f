"""Where the engine is and the key that it wants, for the gateway of the same user."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path


def write_address(path: Path, url: str, key: str) -> None:
    """Writes ``{"url", "key"}`` for this user's eyes only; a reader sees the old file or the new one, never half."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mkstemp makes it with mode 0600
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump({"url": url, "key": key}, file)
        written.replace(path)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
