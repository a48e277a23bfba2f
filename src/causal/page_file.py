"""Where the web page is, and the secret that lets a browser in: a file for the eyes of its user alone."""

from __future__ import annotations

from pathlib import Path

import msgspec

from causal import whole_file


class PageFile(msgspec.Struct, frozen=True, kw_only=True):
    """What `causal-sink web` writes and `causal-ctl open` reads."""

    url: str
    """`http://127.0.0.1:8765`, without a slash at the end."""
    secret: str
    """Whoever sends it as `Authorization: Bearer …` may ask for a link to the page."""

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


def read(path: Path) -> PageFile | None:
    """What the file says; None when there is none, or nothing that can be understood."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=PageFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write(path: Path, page: PageFile) -> None:
    """A reader sees the old file or the new one, never half; nobody else ever sees any."""
    whole_file.replace(path, msgspec.json.encode(page).decode())
