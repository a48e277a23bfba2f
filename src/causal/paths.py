"""Where a stack keeps its sockets and its data. Two stacks with different directories never meet."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from causal import file_lock
from causal.errors import ConfigError

MAX_SOCKET_PATH_BYTES = 103
"""macOS allows 104 with the closing zero, Linux 108."""

RELEASED_WITHIN_S = 2.0 if sys.platform == "win32" else 0.0
"""Windows takes its time to release the locks of a process that was killed."""
AGAIN_AFTER_S = 0.05

LONGEST_SOCKET_NAME = "resample-99.next"


@dataclass(frozen=True)
class Paths:
    """`runtime` holds sockets and locks, `data` the event log, journals and transcripts, `cache` the model."""

    runtime: Path
    data: Path
    cache: Path

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Paths:
        """The directories of this stack. Raises `ConfigError` when a socket's path would be too long."""
        runtime = environ.get("CAUSAL_RUNTIME_DIR") or _user_runtime_dir()
        data = environ.get("CAUSAL_DATA_DIR") or platformdirs.user_data_dir("causal", appauthor=False)
        cache = environ.get("CAUSAL_CACHE_DIR") or platformdirs.user_cache_dir("causal", appauthor=False)
        paths = cls(Path(runtime).absolute(), Path(data).absolute(), Path(cache).absolute())
        size = len(os.fsencode(paths.runtime / LONGEST_SOCKET_NAME))
        if sys.platform != "win32" and size > MAX_SOCKET_PATH_BYTES:
            raise ConfigError(
                f"the path {paths.runtime} is too long for sockets ({size} bytes, {MAX_SOCKET_PATH_BYTES} fit)",
                "Set CAUSAL_RUNTIME_DIR to a shorter one, such as /tmp/causal.",
            )
        return paths

    def make(self) -> None:
        """Creates the directories, for this user alone."""
        for folder in (self.runtime, self.data):
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise ConfigError(
                    f"the directory {folder} cannot be made: {error.strerror}",
                    "Set CAUSAL_RUNTIME_DIR and CAUSAL_DATA_DIR to places that you may write to.",
                ) from error
        self._check_private()

    def address(self, socket: str) -> str:
        """The ZeroMQ address of one of the stack's sockets."""
        return f"ipc://{self.runtime / socket}"

    @property
    def journal(self) -> Path:
        return self.data / "journal"

    @property
    def recordings(self) -> Path:
        """For people: what was started with `record`."""
        return self.data / "recordings"

    @property
    def engine_file(self) -> Path:
        """Where the local engine says its address and key."""
        return self.runtime / "engine.json"

    @property
    def page_file(self) -> Path:
        """Where the web page says its address and secret."""
        return self.runtime / "web.json"

    def _check_private(self) -> None:
        if sys.platform == "win32":
            return  # in the user's profile it is private, and elsewhere `mkdir` has made it so
        status = self.runtime.stat()
        if status.st_uid != os.getuid():
            raise ConfigError(f"{self.runtime} belongs to another user", "Set CAUSAL_RUNTIME_DIR to one of your own.")
        if status.st_mode & 0o077:
            self.runtime.chmod(0o700)


def _user_runtime_dir() -> str:
    """Where a user's sockets belong. Without XDG_RUNTIME_DIR platformdirs takes another, and says so each time; what it
    knows for Windows is a folder that is cleared now and then."""
    if sys.platform == "win32":
        return str(Path(platformdirs.user_data_dir("causal", appauthor=False)) / "run")
    with warnings.catch_warnings(action="ignore"):
        return f"{platformdirs.user_runtime_dir(appauthor=False)}/causal"


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Holds `path` for this process. Raises `ConfigError` with the holder's pid when another has it."""
    try:
        file = path.open("a+")
    except OSError as error:
        hint = "Set CAUSAL_RUNTIME_DIR and CAUSAL_DATA_DIR to places that you may write to."
        raise ConfigError(f"the lock {path} cannot be opened: {error.strerror}", hint) from error
    with file:
        until_s = time.monotonic() + RELEASED_WITHIN_S
        while not file_lock.take(file):
            if time.monotonic() < until_s:
                time.sleep(AGAIN_AFTER_S)
                continue
            file.seek(0)
            pid = file.read().strip() or "unknown"
            raise ConfigError(
                f"{what} runs already in {path.parent} (pid {pid})",
                "Stop that stack first (causal-ctl shutdown), or give this one its own "
                "CAUSAL_RUNTIME_DIR and CAUSAL_DATA_DIR.",
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
