"""The event log: the only authority on what was said, in SQLite.

    publish ──▶ known key? ──yes──▶ the seq it has
                   │no
                   ▼
                covers a lane? ──▶ epoch older than the lane's ──▶ refused: stale-epoch
                   │           └─▶ not where coverage ends     ──▶ refused: not-next
                   ▼
                seq := head + 1, coverage moves: one transaction; a mark only moves coverage (`lanes` has the rules)

A lane's coverage and the final that moves it are written together, so whoever resumes the lane at `covered_to`
neither loses a final nor repeats one. Durable against the death of any process (WAL, `synchronous=NORMAL`), not
against power loss.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causal import wire
from causal.errors import WireError
from causal.messages import DURABLE, EVENT_TYPES
from causal.messages.log import (
    HEARD_SILENCE,
    Claim,
    Claimed,
    Coverage,
    LoggedEvent,
    Publish,
    Refused,
    Replay,
    Replayed,
    Stored,
)

from .lanes import MAX_INTEGER, Lanes

MAX_REPLAY = 1000
MAX_REPLAY_BYTES = 1 << 20
"""A reply must fit into a body of `causal.wire`: at least one event, and no more once so much is in."""
MAX_EVENT_BYTES = 1 << 20
LOCKED_WITHIN_S = 0.2
"""How long another program that writes to the file may keep the broker waiting: it has other things to do."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    session TEXT NOT NULL,
    source TEXT NOT NULL,
    event BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_session ON events (session, seq);
"""


@dataclass(frozen=True)
class Stamped:
    """What came of one publish: the answer to its sender, and, if it is new, the event to tell everybody."""

    answer: Stored | Refused
    news: LoggedEvent | None = None


class EventLog:
    """One writer. `sqlite3.Error` passes through: nothing of the batch was stored then, and it may be tried again."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, timeout=LOCKED_WITHIN_S, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._lanes = Lanes(self._db)
        oldest, head = self._db.execute("SELECT min(seq), max(seq) FROM events").fetchone()
        self.head_seq: int = head or 0
        self.oldest_seq: int = oldest or 1

    def store(self, publishes: Iterable[Publish]) -> list[Stamped]:
        """Stores a batch in one transaction."""
        head_before = self.head_seq
        try:
            with self._transaction():
                return [self._store_one(publish) for publish in publishes]
        except BaseException:
            self.head_seq = head_before
            raise

    def claim(self, claim: Claim) -> Claimed:
        """Gives a stream to an epoch, and tells its lanes. Raises `WireError` for numbers that are none."""
        with self._transaction():
            return self._lanes.claim(claim)

    def replay(self, request: Replay) -> Replayed:
        """Stored events in order of `seq`, at most `limit` of them."""
        limit = max(1, min(request.limit, MAX_REPLAY))
        from_seq = max(0, min(request.from_seq, MAX_INTEGER))
        session = "" if request.session is None else "AND session = ?"
        values = [from_seq, *([] if request.session is None else [request.session]), limit]
        rows = self._db.execute(
            f"SELECT seq, kind, event FROM events WHERE seq >= ? {session} ORDER BY seq LIMIT ?", values
        )
        events: list[LoggedEvent] = []
        next_seq = self.head_seq + 1
        size = 0
        for seq, kind, event in rows:
            size += len(event)
            if events and size > MAX_REPLAY_BYTES:
                next_seq = seq
                break
            events.append(LoggedEvent(kind=kind, event=wire.unpack_map(event)))
            if len(events) == limit:
                next_seq = seq + 1
        return Replayed(events=tuple(events), next_seq=next_seq, head_seq=self.head_seq, oldest_seq=self.oldest_seq)

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _store_one(self, publish: Publish) -> Stamped:
        known = self._db.execute("SELECT seq FROM events WHERE key = ?", (publish.id,)).fetchone()
        if known:
            return Stamped(Stored(id=publish.id, seq=known[0]))
        if publish.kind == HEARD_SILENCE:
            return Stamped(self._mark(publish))
        try:
            fields = _checked(publish)
            fields["seq"] = self.head_seq + 1
            body = _packed(fields)
        except WireError as error:
            return Stamped(Refused(id=publish.id, code="malformed", message=str(error)))
        if publish.coverage is not None and (refusal := self._lanes.cover(publish.id, publish.coverage)):
            return Stamped(refusal)
        self.head_seq += 1
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (self.head_seq, publish.id, publish.kind, fields["session"], fields["source"], body),
        )
        return Stamped(Stored(id=publish.id, seq=self.head_seq), LoggedEvent(kind=publish.kind, event=fields))

    def _mark(self, publish: Publish) -> Stored | Refused:
        """Coverage without an event. It has no number to be known by, so a repeat shows by what it covers."""
        try:
            coverage = _in_range(publish)
        except WireError as error:
            return Refused(id=publish.id, code="malformed", message=str(error))
        if self._lanes.has(coverage):
            return Stored(id=publish.id, seq=self.head_seq)
        return self._lanes.cover(publish.id, coverage) or Stored(id=publish.id, seq=self.head_seq)


def _checked(publish: Publish) -> dict[str, Any]:
    """The event's fields, complete. Raises `WireError` for a type that is not stored, or fields that do not fit."""
    if publish.kind not in DURABLE:
        raise WireError(f"events of type {publish.kind[:40]!r} are not stored")
    if publish.coverage is not None:
        _in_range(publish)
    return wire.to_map(wire.convert(publish.event, EVENT_TYPES[publish.kind]))


def _in_range(publish: Publish) -> Coverage:
    """The coverage of a publish. Raises `WireError` where there is none, or none that can be stored."""
    coverage = publish.coverage
    if coverage is None:
        raise WireError(f"a {publish.kind} without coverage")
    if max(coverage.epoch, coverage.to_chunk) > MAX_INTEGER:
        raise WireError(f"numbers of a lane go to {MAX_INTEGER}")
    return coverage


def _packed(fields: dict[str, Any]) -> bytes:
    body = wire.pack_map(fields)
    if len(body) > MAX_EVENT_BYTES:
        raise WireError(f"an event of {len(body)} bytes; {MAX_EVENT_BYTES} are allowed")
    return body
