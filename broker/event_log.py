"""The event log: the only authority on what was said, in SQLite.

    publish ──▶ known key? ──yes──▶ the seq it has
                   │no
                   ▼
                covers a lane? ──▶ epoch older than the lane's ──▶ refused: stale-epoch
                   │           └─▶ not where coverage ends     ──▶ refused: not-next
                   ▼
                seq := head + 1, coverage moves: one transaction

A lane's coverage and the final that moves it are written together, so whoever resumes the lane at `covered_to`
neither loses a final nor repeats one. Durable against the death of any process (WAL, `synchronous=NORMAL`), not
against power loss.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from causal import wire
from causal.errors import WireError
from causal.messages import DURABLE, EVENT_TYPES
from causal.messages.log import Claim, Claimed, Coverage, LoggedEvent, Publish, Refused, Replay, Replayed, Stored

MAX_REPLAY = 1000

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
CREATE TABLE IF NOT EXISTS lanes (
    stream TEXT NOT NULL,
    lane TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    covered_to INTEGER NOT NULL,
    PRIMARY KEY (stream, lane)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Stamped:
    """What came of one publish: the answer to its sender, and, if it is new, the event to tell everybody."""

    answer: Stored | Refused
    news: LoggedEvent | None = None


class EventLog:
    """One writer. `sqlite3.Error` passes through: nothing of the batch was stored then, and it may be tried again."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        oldest, head = self._db.execute("SELECT min(seq), max(seq) FROM events").fetchone()
        self.head_seq: int = head or 0
        self.oldest_seq: int = oldest or 1

    def store(self, publishes: Iterable[Publish]) -> list[Stamped]:
        """Stores a batch in one transaction."""
        head_before = self.head_seq
        self._db.execute("BEGIN IMMEDIATE")
        try:
            stamped = [self._store_one(publish) for publish in publishes]
            self._db.execute("COMMIT")
        except BaseException:
            self.head_seq = head_before
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return stamped

    def claim(self, claim: Claim) -> Claimed:
        """Gives the lane to the claim's epoch, unless a greater one has it."""
        self._db.execute(
            "INSERT INTO lanes VALUES (?, ?, ?, 0) ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)",
            (claim.stream, claim.lane, claim.epoch),
        )
        epoch, covered_to = self._lane(claim.stream, claim.lane)
        return Claimed(stream=claim.stream, lane=claim.lane, epoch=epoch, covered_to=covered_to)

    def replay(self, request: Replay) -> Replayed:
        """Stored events in order of `seq`, at most `limit` of them."""
        limit = max(1, min(request.limit, MAX_REPLAY))
        session = "" if request.session is None else "AND session = ?"
        values = [request.from_seq, *([] if request.session is None else [request.session]), limit]
        rows = self._db.execute(
            f"SELECT seq, kind, event FROM events WHERE seq >= ? {session} ORDER BY seq LIMIT ?", values
        ).fetchall()
        events = tuple(LoggedEvent(kind=kind, event=wire.unpack_map(event)) for _, kind, event in rows)
        next_seq = rows[-1][0] + 1 if len(rows) == limit else self.head_seq + 1
        return Replayed(events=events, next_seq=next_seq, head_seq=self.head_seq, oldest_seq=self.oldest_seq)

    def close(self) -> None:
        self._db.close()

    def _store_one(self, publish: Publish) -> Stamped:
        known = self._db.execute("SELECT seq FROM events WHERE key = ?", (publish.id,)).fetchone()
        if known:
            return Stamped(Stored(id=publish.id, seq=known[0]))
        try:
            fields = _checked(publish)
        except WireError as error:
            return Stamped(Refused(id=publish.id, code="malformed", message=str(error)))
        if publish.coverage is not None and (refusal := self._cover(publish.id, publish.coverage)):
            return Stamped(refusal)
        self.head_seq += 1
        fields["seq"] = self.head_seq
        self._db.execute(
            "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)",
            (self.head_seq, publish.id, publish.kind, fields["session"], fields["source"], wire.pack_map(fields)),
        )
        return Stamped(Stored(id=publish.id, seq=self.head_seq), LoggedEvent(kind=publish.kind, event=fields))

    def _cover(self, publish_id: str, coverage: Coverage) -> Refused | None:
        epoch, covered_to = self._lane(coverage.stream, coverage.lane)
        if coverage.epoch < epoch:
            text = f"epoch {coverage.epoch} of lane {coverage.lane} is over, {epoch} has it"
            return Refused(id=publish_id, code="stale-epoch", message=text, covered_to=covered_to)
        if coverage.from_chunk != covered_to or coverage.to_chunk < coverage.from_chunk:
            text = f"covers {coverage.from_chunk} to {coverage.to_chunk}, but the lane is covered to {covered_to}"
            return Refused(id=publish_id, code="not-next", message=text, covered_to=covered_to)
        self._db.execute(
            "INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?)",
            (coverage.stream, coverage.lane, coverage.epoch, coverage.to_chunk),
        )
        return None

    def _lane(self, stream: str, lane: str) -> tuple[int, int]:
        row = self._db.execute(
            "SELECT epoch, covered_to FROM lanes WHERE stream = ? AND lane = ?", (stream, lane)
        ).fetchone()
        return (row[0], row[1]) if row else (0, 0)


def _checked(publish: Publish) -> dict[str, Any]:
    """The event's fields, complete. Raises `WireError` for a type that is not stored, or fields that do not fit."""
    if publish.kind not in DURABLE:
        raise WireError(f"events of type {publish.kind!r} are not stored")
    return wire.to_map(wire.convert(publish.event, EVENT_TYPES[publish.kind]))
