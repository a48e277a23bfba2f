"""The sessions on disk, so that a controller that is killed goes on where it was."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from .session import Session

log = logging.getLogger("causal.control")

LOCKED_WITHIN_S = 0.2

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
