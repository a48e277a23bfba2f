"""What a person types for a source, as the id that the controller knows."""

from __future__ import annotations

import re
from pathlib import Path

SCHEME = re.compile(r"[a-z][a-z0-9+-]+:")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")


def device_id(given: str) -> str:
    """`clip.wav` and `file:clip.wav?speed=2` become `file:` with the whole path; ids and aliases stay as they are."""
    if given.startswith("file:"):
        return _whole(given.removeprefix("file:"))
    path = given.partition("?")[0]
    is_path = "/" in path or path.lower().endswith(AUDIO_SUFFIXES) or Path(path).is_file()
    return _whole(given) if is_path and not SCHEME.match(given) else given


def _whole(given: str) -> str:
    path, mark, options = given.partition("?")
    return f"file:{Path(path).expanduser().absolute()}{mark}{options}"
