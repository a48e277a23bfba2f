"""`causal-sink sqlite`: sessions, finals, words and gaps in a database with full-text search.

    sessions ──< finals ──< words        finals_text: FTS5 over finals.text
             ──< gaps                    position: how far it goes

Other programs may read it while it is written (WAL). What a flush stores and the position are one transaction, so a
kill neither loses an event nor stores it twice. Times are those of the events: `start_ms` from the session's start,
`started_at` UTC.
"""

from __future__ import annotations

import json
import os
import sqlite3
from io import FileIO
from pathlib import Path

from causal.errors import CausalError, ConfigError
from causal.messages import Event, Gap, SessionStatus, TranscriptFinal
from causal.search import default_database

from .lock import lock
from .sink import SinkOptions

VERSION = 1
WAIT_S = 1.0
"""How long another program may hold the database against us before that is a fault."""

SCHEMA = f"""
CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    label TEXT NOT NULL DEFAULT '',
    state TEXT,
    reason TEXT NOT NULL DEFAULT '',
    started_at TEXT NOT NULL DEFAULT '',
    engine TEXT NOT NULL DEFAULT '',
    sources TEXT NOT NULL DEFAULT '[]'
) WITHOUT ROWID;
CREATE TABLE finals (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    session TEXT NOT NULL REFERENCES sessions,
    source TEXT NOT NULL,
    turn TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    started_at TEXT NOT NULL,
    text TEXT NOT NULL,
    speaker TEXT,
    language TEXT,
    engine TEXT NOT NULL,
    UNIQUE (session, source, turn)
);
CREATE INDEX finals_by_time ON finals (session, start_ms);
CREATE TABLE words (
    final INTEGER NOT NULL REFERENCES finals,
    number INTEGER NOT NULL,
    text TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    end_ms INTEGER NOT NULL,
    confidence REAL NOT NULL,
    PRIMARY KEY (final, number)
) WITHOUT ROWID;
CREATE TABLE gaps (
    session TEXT NOT NULL REFERENCES sessions,
    source TEXT NOT NULL,
    start_ms INTEGER NOT NULL,
    length_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (session, source, start_ms, length_ms)
) WITHOUT ROWID;
CREATE VIRTUAL TABLE finals_text USING fts5 (
    text, content = 'finals', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TRIGGER finals_into_text AFTER INSERT ON finals BEGIN
    INSERT INTO finals_text (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER finals_out_of_text AFTER DELETE ON finals BEGIN
    INSERT INTO finals_text (finals_text, rowid, text) VALUES ('delete', old.id, old.text);
    DELETE FROM words WHERE final = old.id;
END;
CREATE TABLE position (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL);
PRAGMA user_version = {VERSION};
"""


class SqliteSink:
    """Writes `DATA_DIR/transcripts/transcript.sqlite` unless told otherwise. Keeps what came since the last flush."""

    ephemeral = ()

    def __init__(self, options: SinkOptions) -> None:
        self._path = Path(options.out).absolute() if options.out else _default_path(options)
        self._is_stdout = options.out == "-"
        self._makes_folder = options.out is None
        self._lock: FileIO | None = None
        self._db: sqlite3.Connection | None = None
        self._collected: list[Event] = []

    def open(self) -> int | None:
        if self._is_stdout:
            raise ConfigError("standard output cannot be a database", "Give --out FILE.")
        if self._makes_folder:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._db = _opened(self._path)
            row = self._db.execute("SELECT seq FROM position").fetchone()
        except sqlite3.Error as error:
            raise _fault(self._path, error) from error
        return row[0] if row else None

    def write(self, event: Event) -> None:
        if event.seq is not None:
            self._collected.append(event)

    def flush(self) -> None:
        if not self._collected:
            return
        assert self._db is not None
        try:
            with self._db:  # one transaction
                self._db.execute("BEGIN IMMEDIATE")
                for event in self._collected:
                    _store(self._db, event)
                self._db.execute("INSERT OR REPLACE INTO position VALUES (1, ?)", (self._collected[-1].seq,))
        except sqlite3.Error as error:
            raise _fault(self._path, error) from error
        self._collected.clear()

    def close(self) -> None:
        self._collected.clear()
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_lock(self) -> None:
        """In a file of its own: SQLite's locks are lost when anybody closes the database's file."""
        path = self._path.with_name(f".{self._path.name}.lock")
        self._lock = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        lock(self._lock, self._path)


def _default_path(options: SinkOptions) -> Path:
    """One database for each choice of events."""
    path = default_database(options.data)
    choice = "-".join(filter(None, (path.stem, options.session, options.source)))
    return path.with_name(choice.replace("/", "_") + path.suffix)


def _opened(path: Path) -> sqlite3.Connection:
    """The database with its tables. Raises `ConfigError` for one that is not ours."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # for this user alone
    db = sqlite3.connect(path, isolation_level=None, timeout=WAIT_S)
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        if version != VERSION and (version or tables):
            raise ConfigError(
                f"{path} is another database (version {version}, expected {VERSION})",
                "Give the sink another file by --out, or move that one away and begin anew with --from start.",
            )
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        if not tables:
            db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} COMMIT;")
    except BaseException:
        db.close()
        raise
    return db


def _store(db: sqlite3.Connection, event: Event) -> None:
    match event:
        case SessionStatus():
            sources = json.dumps(event.sources)
            session = (event.session, event.label, event.state, event.reason, event.started_at, event.engine, sources)
            db.execute("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)", session)
        case TranscriptFinal():
            _store_final(db, event)
        case Gap():
            _mention(db, event)
            gap = (event.session, event.source, event.start_ms, event.length_ms, event.reason, event.seq)
            db.execute("INSERT OR IGNORE INTO gaps VALUES (?, ?, ?, ?, ?, ?)", gap)


def _store_final(db: sqlite3.Connection, final: TranscriptFinal) -> None:
    """A turn that is there already stays as it is: another event log may tell it again."""
    _mention(db, final)
    added = db.execute(
        "INSERT OR IGNORE INTO finals (seq, session, source, turn, start_ms, end_ms, started_at, text, speaker,"
        " language, engine) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            final.seq,
            final.session,
            final.source,
            final.turn,
            final.start_ms,
            final.end_ms,
            final.started_at,
            final.text,
            final.speaker,
            final.language,
            final.engine,
        ),
    ).fetchone()
    if added is not None:
        rows = [
            (added[0], number, word.text, word.start_ms, word.end_ms, word.confidence)
            for number, word in enumerate(final.words)
        ]
        db.executemany("INSERT INTO words VALUES (?, ?, ?, ?, ?, ?)", rows)


def _mention(db: sqlite3.Connection, event: Event) -> None:
    """A session that began before what was heard has a row all the same."""
    db.execute("INSERT OR IGNORE INTO sessions (session) VALUES (?)", (event.session,))


def _fault(path: Path, error: sqlite3.Error) -> CausalError:
    text = f"the database {path} cannot be written: {error}"
    if "full" in str(error):
        return CausalError("disk-full", text, "Make room on the disk.")
    if "readonly" in str(error) or "unable to open" in str(error):
        return CausalError("permission-denied", text, "Allow it, or give another file by --out.")
    if isinstance(error, sqlite3.OperationalError):
        return CausalError("internal", text, "Another program may hold it; close that one.")
    return ConfigError(text, "Give another file by --out, or move that one away.")
