"""The sessions on disk, so that a controller that is killed goes on where it was."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec

from .session import Session

SCHEMA = """
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, started_unix_ns INTEGER NOT NULL, ended INTEGER NOT NULL, session TEXT NOT NULL
) WITHOUT ROWID
"""


class SessionStore:
    """One writer. `sqlite3.Error` passes through."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(SCHEMA)

    def save(self, session: Session) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?)",
            (session.id, session.started_unix_ns, session.state == "ended", msgspec.json.encode(session).decode()),
        )

    def unfinished(self) -> list[Session]:
        """What the former controller had not ended."""
        return self._load("SELECT session FROM sessions WHERE NOT ended ORDER BY started_unix_ns")

    def newest(self, limit: int = 200) -> list[Session]:
        """The latest sessions, newest first."""
        return self._load(f"SELECT session FROM sessions ORDER BY started_unix_ns DESC LIMIT {int(limit)}")

    def close(self) -> None:
        self._db.close()

    def _load(self, query: str) -> list[Session]:
        return [msgspec.json.decode(text, type=Session) for (text,) in self._db.execute(query)]
