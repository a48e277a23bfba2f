"""The sessions on disk, so that a controller that is killed goes on where it was."""

from __future__ import annotations

import logging
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from causal.messages.control import Fault

from .session import Session

log = logging.getLogger("causal.control")

LOCKED_WITHIN_S = 0.2
HARDLY_ANY_BYTES = 1 << 20
"""With less room than that on the disk, it is the disk, whatever SQLite says."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, started_unix_ns INTEGER NOT NULL, settled INTEGER NOT NULL, session TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS grants (wish TEXT PRIMARY KEY, granted_s REAL NOT NULL) WITHOUT ROWID;
"""


class SessionStore:
    """One writer. `sqlite3.Error` passes through. What another release wrote and this one does not understand is
    left out, and logged."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, timeout=LOCKED_WITHIN_S, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def save(self, session: Session) -> None:
        """Writes the session down as it is now."""
        self._db.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, 0, ?)",
            (session.id, session.started_unix_ns, msgspec.json.encode(session).decode()),
        )

    def settle(self, session_id: str) -> None:
        """Nothing is left to do or to tell for a session: its end is in the event log."""
        self._db.execute("UPDATE sessions SET settled = 1 WHERE id = ?", (session_id,))

    def unsettled(self) -> list[Session]:
        """What the former controller left."""
        return self._load("SELECT id, session FROM sessions WHERE NOT settled ORDER BY started_unix_ns")

    def newest(self, limit: int = 200) -> list[Session]:
        """The latest sessions, newest first."""
        return self._load(f"SELECT id, session FROM sessions ORDER BY started_unix_ns DESC LIMIT {int(limit)}")

    def save_grants(self, granted_s: Mapping[str, float]) -> None:
        """Writes down when which wish was granted, in place of what was written before."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM grants")
            self._db.executemany("INSERT INTO grants VALUES (?, ?)", granted_s.items())

    def grants(self) -> dict[str, float]:
        """What was written down last. Another start of the machine had another clock: such times may lie ahead."""
        return dict(self._db.execute("SELECT wish, granted_s FROM grants"))

    def close(self) -> None:
        self._db.close()

    def _load(self, query: str) -> list[Session]:
        sessions = []
        for session_id, text in self._db.execute(query):
            try:
                sessions.append(msgspec.json.decode(text, type=Session))
            except msgspec.DecodeError as error:
                log.warning("session %s is not understood and left out: %s", session_id, error)
        return sessions


class Pending:
    """What is to be saved, kept until the disk takes it.

    Holds the newest of each name, in the order in which they came: what changes while the disk is full, and no more
    than there are sessions. One thread.
    """

    def __init__(self, folder: Path) -> None:
        self.fault: Fault | None = None
        """What keeps the disk from taking it."""
        self._folder = folder
        self._waiting: dict[str, Callable[[], None]] = {}

    def write(self, name: str, save: Callable[[], None]) -> None:
        """Saves behind what waits; in place of what waits under this name."""
        self._waiting.pop(name, None)
        self._waiting[name] = save
        self.retry()

    def retry(self) -> None:
        """Saves what waits, up to the first that is refused."""
        try:
            while self._waiting:
                name, save = next(iter(self._waiting.items()))
                save()
                del self._waiting[name]
        except sqlite3.Error as error:
            self._fail(error)
        else:
            self._mend()

    def _fail(self, error: sqlite3.Error) -> None:
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or self._is_disk_full()
        text = f"the sessions cannot be saved, and what changes would not outlive the controller: {error}"
        if self.fault is None:
            log.error("%s", text)
        self.fault = Fault(
            code="disk-full" if full else "internal",
            message=text,
            hint=f"Make room on the disk of {self._folder}." if full else "See the controller's log.",
            retrying=True,
        )

    def _mend(self) -> None:
        if self.fault is not None:
            log.info("the sessions are saved again")
            self.fault = None

    def _is_disk_full(self) -> bool:
        try:
            return shutil.disk_usage(self._folder).free < HARDLY_ANY_BYTES
        except OSError:
            return False
