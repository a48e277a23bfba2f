"""Which file a session goes to."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from causal.errors import ConfigError

from .sink import SinkOptions


class Target:
    """Which session goes to which file.

    `--out` names a folder, or a file for the first session that is heard; further ones go beside it, as
    `talk-<session>.srt`. Without it: `DATA_DIR/transcripts/<session>.srt`.
    """

    def __init__(self, options: SinkOptions, kind: str) -> None:
        out = Path(options.out).absolute() if options.out else options.data / "transcripts"
        is_folder = options.out is None or options.out.endswith(("/", os.sep)) or out.is_dir()
        self.path = out
        """The folder or the file, for messages."""
        self._makes_folder = options.out is None
        self._file = None if is_folder else out
        self._folder = out if is_folder else out.parent
        choice = "".join(f"-{part}" for part in (options.session, options.source) if part)
        name = f"{choice.lstrip('-')}.{kind}" if choice else kind
        self._suffix = f"-{options.source}.{kind}" if options.source else f".{kind}"
        self.progress = self._folder / (f".{out.name}.progress" if self._file else f".{name}.progress")
        self._is_stdout = options.out == "-"

    @property
    def is_file(self) -> bool:
        """Whether `--out` names a file."""
        return self._file is not None

    def prepare(self) -> None:
        """Raises `ConfigError` or `OSError` when nothing can be written there."""
        if self._is_stdout:
            raise ConfigError("standard output cannot be written anew, as this sink does", "Give --out FILE.")
        if self._makes_folder:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._folder.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self._folder))

    def check(self, *, is_ours: bool) -> None:
        """Raises `ConfigError` for a file that somebody else has written."""
        if self._file is not None and not is_ours and self._file.exists() and self._file.stat().st_size:
            self.progress.unlink()
            raise ConfigError(
                f"{self._file} is there already, and not from this sink",
                "Give another file by --out, or move that one away.",
            )

    def file_of(self, session: str, *, is_own: bool) -> Path:
        """`is_own` says that the session has the file of `--out`."""
        name = session.replace("/", "_")
        if self._file is None:
            return self._folder / f"{name}{self._suffix}"
        return self._file if is_own else self._file.with_name(f"{self._file.stem}-{name}{self._file.suffix}")
