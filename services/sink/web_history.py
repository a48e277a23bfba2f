"""What the page can look back on: an index of the event log of its own, in SQLite, with full-text search.

It is a copy. The event log is the authority: when the file is damaged or of another release, or when the log is another
one, it is made anew from there. When the disk is full it is made in memory.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import sqlite3
import threading
from pathlib import Path
from typing import Any

import msgspec

from causal import wire
from causal.messages import EVENT_TYPES, CaptureError, Event, Gap, SessionStatus, TranscriptFinal

VERSION = 1
PREVIEW_CHARACTERS = 120
TYPE_OF = {event: kind for kind, event in EVENT_TYPES.items()}
SNIPPET_WORDS = 24
MARK = ("\x02", "\x03")
"""Around the words that were found."""

SCHEMA = f"""
CREATE TABLE about (seq INTEGER NOT NULL, log TEXT NOT NULL);
CREATE TABLE events (seq INTEGER PRIMARY KEY, session TEXT NOT NULL, event BLOB NOT NULL, words BLOB);
CREATE INDEX events_by_session ON events (session, seq);
CREATE TABLE sessions (
    session TEXT PRIMARY KEY, started_at TEXT NOT NULL, status BLOB NOT NULL, preview TEXT NOT NULL DEFAULT ''
);
CREATE INDEX sessions_by_time ON sessions (started_at, session);
CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize = 'unicode61 remove_diacritics 2');
PRAGMA user_version = {VERSION};
"""


class History:
    """One connection behind a lock: one thread writes, another reads."""

    def __init__(self, path: Path | None) -> None:
        """None means in memory. Raises `sqlite3.Error` when the file cannot be written."""
        self._lock = threading.Lock()
        self._db = _opened(path)
        self.seq, self.log = self._db.execute("SELECT seq, log FROM about").fetchone()
        """The newest event that is stored, and the name of the log that it is from."""

    def close(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.close()

    def add(self, event: Event) -> None:
        """Stores a durable event. One whose number is not new is from another log: then all is forgotten before."""
        assert event.seq is not None
        with self._lock, self._transaction():
            if event.seq <= self.seq:
                self._forget()
            self._store(event, event.seq)
            self._db.execute("UPDATE about SET seq = ?", (event.seq,))
            self.seq = event.seq

    def events(self, session: str, after: int = 0) -> list[bytes]:
        """What was said in a session, and what went wrong, as the page takes it: in order of `seq`."""
        rows = self._read("SELECT event FROM events WHERE session = ? AND seq > ? ORDER BY seq", session, after)
        return [row[0] for row in rows]

    def full_events(self, session: str) -> list[Event]:
        """The same with all words, for export."""
        rows = self._read("SELECT event, words FROM events WHERE session = ? ORDER BY seq", session)
        return [_whole(*row) for row in rows]

    def sessions(self, before: str = "", limit: int = 100) -> list[dict[str, Any]]:
        """The newest sessions, or those that began before the moment `before`: last status and first words."""
        rows = self._read(
            "SELECT status, preview FROM sessions WHERE ? = '' OR started_at < ?"
            " ORDER BY started_at DESC, session DESC LIMIT ?",
            *(before, before, limit),
        )
        return [msgspec.json.decode(status) | {"preview": preview} for status, preview in rows]

    def session(self, session: str) -> SessionStatus | None:
        """The last status of a session; None when there is no such session."""
        rows = self._read("SELECT status FROM sessions WHERE session = ?", session)
        return msgspec.json.decode(rows[0][0], type=SessionStatus) if rows else None

    def search(self, text: str, limit: int = 50) -> list[dict[str, Any]]:
        """Finals that hold all words of `text`, the newest first, with the words around them. A word finds those that
        begin with it; words in quotes have to follow each other."""
        query = match_of(text)
        if not query:
            return []
        rows = self._read(
            "SELECT events.event, snippet(texts, 0, ?, ?, '…', ?), sessions.status FROM texts"
            " JOIN events ON events.seq = texts.rowid LEFT JOIN sessions ON sessions.session = events.session"
            " WHERE texts MATCH ? ORDER BY texts.rowid DESC LIMIT ?",
            *(*MARK, SNIPPET_WORDS, query, limit),
        )
        return [_found(*row) for row in rows]

    def _store(self, event: Event, seq: int) -> None:
        match event:
            case SessionStatus():
                status = msgspec.json.encode(event)
                self._db.execute(
                    "INSERT INTO sessions (session, started_at, status) VALUES (?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET started_at = excluded.started_at, status = excluded.status",
                    (event.session, event.started_at, status),
                )
            case TranscriptFinal():
                words = msgspec.json.encode(event.words)
                self._insert(seq, event, words)
                self._db.execute("INSERT INTO texts (rowid, text) VALUES (?, ?)", (seq, event.text))
                preview = event.text[:PREVIEW_CHARACTERS]
                self._db.execute(
                    "UPDATE sessions SET preview = ? WHERE session = ? AND preview = ''", (preview, event.session)
                )
            case Gap() | CaptureError():
                self._insert(seq, event, None)

    def _insert(self, seq: int, event: Event, words: bytes | None) -> None:
        self._db.execute("INSERT INTO events VALUES (?, ?, ?, ?)", (seq, event.session, for_page(event), words))

    def _forget(self) -> None:
        for table in ("events", "sessions", "texts"):
            self._db.execute(f"DELETE FROM {table}")
        self.seq, self.log = 0, secrets.token_hex(8)
        self._db.execute("UPDATE about SET seq = 0, log = ?", (self.log,))

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


def for_page(event: Event) -> bytes:
    """An event as the page gets it: as in the `jsonl` sink, without the single words."""
    fields = {"type": TYPE_OF[type(event)]} | wire.to_map(event)
    fields.pop("words", None)
    return msgspec.json.encode(fields)


def match_of(text: str) -> str:
    """What a person types, as FTS5 wants it; empty when there is no word in it."""
    parts = []
    for phrase, word in re.findall(r'"([^"]*)"|([^\s"]+)', text):
        if re.search(r"\w", phrase):
            parts.append(f'"{phrase}"')
        elif re.search(r"\w", word):
            parts.append(f'"{word}"*')
    return " ".join(parts)


def _opened(path: Path | None) -> sqlite3.Connection:
    if path is None:
        return _prepared(":memory:")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        return _prepared(str(path))
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such" not in str(error):
            raise
    for file in path.parent.glob(f"{path.name}*"):  # damaged: it is only a copy
        file.unlink()
    return _prepared(str(path))


def _prepared(place: str) -> sqlite3.Connection:
    db = sqlite3.connect(place, check_same_thread=False, isolation_level=None, timeout=1.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _make(db)
        db.execute("UPDATE about SET seq = seq")  # so that a file that cannot be written shows now
    except BaseException:
        db.close()
        raise
    return db


def _make(db: sqlite3.Connection) -> None:
    """An empty history, whatever was there."""
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT NULL")]
    for name in ("texts", *(name for name in names if not name.startswith(("sqlite_", "texts")))):
        db.execute(f'DROP TABLE IF EXISTS "{name}"')
    db.executescript(f"BEGIN; {SCHEMA} INSERT INTO about VALUES (0, '{secrets.token_hex(8)}'); COMMIT;")


def _whole(event: bytes, words: bytes | None) -> Event:
    fields = msgspec.json.decode(event)
    if words is not None:
        fields["words"] = msgspec.json.decode(words)
    return wire.convert(fields, EVENT_TYPES[fields.pop("type")])


def _found(event: bytes, snippet: str, status: bytes | None) -> dict[str, Any]:
    final = msgspec.json.decode(event)
    label = msgspec.json.decode(status)["label"] if status else ""
    kept = {name: final[name] for name in ("session", "source", "turn", "speaker", "start_ms", "started_at")}
    return kept | {"label": label, "snippet": snippet}
