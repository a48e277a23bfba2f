"""The lanes of all streams: which chunks each has, how far it is covered, and who may write it.

    claim (a greater epoch) ──▶ all lanes of the stream are its; older epochs are refused from now on
    claim (a lane to come)  ──▶ the open lane ends at its `from_chunk`, the new one begins there: one transaction
    cover (final or mark)   ──▶ stored only from `covered_to` on, and not beyond the lane's end

So the lanes of a stream lie side by side, and so do the finals of a lane: no chunk is covered twice.
"""

from __future__ import annotations

import sqlite3

from causal.errors import WireError
from causal.messages.log import Claim, Claimed, Coverage, LaneRange, Refused

MAX_INTEGER = 2**63 - 1

SCHEMA = """
CREATE TABLE IF NOT EXISTS lanes (
    stream TEXT NOT NULL,
    lane TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    covered_to INTEGER NOT NULL,
    from_chunk INTEGER NOT NULL DEFAULT 0,
    to_chunk INTEGER,
    PRIMARY KEY (stream, lane)
) WITHOUT ROWID;
"""
ADDED = {"from_chunk": "INTEGER NOT NULL DEFAULT 0", "to_chunk": "INTEGER"}
"""Columns that the first version did not have."""


class Lanes:
    """Works on the event log's connection, in its transactions. `sqlite3.Error` passes through."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)
        known = {row[1] for row in db.execute("PRAGMA table_info(lanes)")}
        for column, kind in ADDED.items():
            if column not in known:
                db.execute(f"ALTER TABLE lanes ADD COLUMN {column} {kind}")

    def claim(self, claim: Claim) -> Claimed:
        """Gives the stream to the claim's epoch, unless a greater one has it, and begins the lane if there is none.
        Raises `WireError` for numbers that are none."""
        if not (0 <= claim.epoch <= MAX_INTEGER and 0 <= claim.from_chunk <= MAX_INTEGER):
            raise WireError(f"epoch {claim.epoch} from chunk {claim.from_chunk}, expected 0 to {MAX_INTEGER}")
        newest = self._db.execute("SELECT max(epoch) FROM lanes WHERE stream = ?", (claim.stream,)).fetchone()[0]
        if newest is None or claim.epoch >= newest:
            self._db.execute("UPDATE lanes SET epoch = ? WHERE stream = ?", (claim.epoch, claim.stream))
            self._begin(claim)
        lanes = self._lanes(claim.stream)
        covered_to = next((lane.covered_to for lane in lanes if lane.lane == claim.lane), 0)
        unfinished = tuple(lane for lane in lanes if lane.to_chunk is None or lane.covered_to < lane.to_chunk)
        epoch = max(newest or 0, claim.epoch)
        return Claimed(stream=claim.stream, lane=claim.lane, epoch=epoch, covered_to=covered_to, lanes=unfinished)

    def cover(self, publish_id: str, coverage: Coverage) -> Refused | None:
        """Moves a lane's coverage on, or says why not."""
        epoch, covered_to, end = self._lane(coverage)
        if coverage.epoch < epoch:
            text = f"epoch {coverage.epoch} of lane {coverage.lane} is over, {epoch} has it"
            return Refused(id=publish_id, code="stale-epoch", message=text, covered_to=covered_to)
        if coverage.from_chunk != covered_to or not covered_to <= coverage.to_chunk <= end:
            where = f"the lane is covered to {covered_to}" + ("" if end == MAX_INTEGER else f" and ends at {end}")
            text = f"covers {coverage.from_chunk} to {coverage.to_chunk}, but {where}"
            return Refused(id=publish_id, code="not-next", message=text, covered_to=covered_to)
        self._db.execute(
            "INSERT INTO lanes (stream, lane, epoch, covered_to) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET epoch = excluded.epoch, covered_to = excluded.covered_to",
            (coverage.stream, coverage.lane, coverage.epoch, coverage.to_chunk),
        )
        return None

    def has(self, coverage: Coverage) -> bool:
        """Whether this is what the lane's coverage was moved by last: a mark that is sent again."""
        epoch, covered_to, _ = self._lane(coverage)
        return coverage.epoch == epoch and coverage.from_chunk < covered_to == coverage.to_chunk

    def _begin(self, claim: Claim) -> None:
        """A lane that is not there yet; the open one ends where it begins. Not where something is covered already."""
        lanes = self._lanes(claim.stream)
        if any(lane.lane == claim.lane for lane in lanes):
            return
        if lanes:
            last = lanes[-1]
            if last.to_chunk is not None or not max(last.covered_to, last.from_chunk + 1) <= claim.from_chunk:
                return
            self._db.execute(
                "UPDATE lanes SET to_chunk = ? WHERE stream = ? AND lane = ?",
                (claim.from_chunk, claim.stream, last.lane),
            )
        self._db.execute(
            "INSERT INTO lanes (stream, lane, epoch, covered_to, from_chunk) VALUES (?, ?, ?, ?, ?)",
            (claim.stream, claim.lane, claim.epoch, claim.from_chunk, claim.from_chunk),
        )

    def _lanes(self, stream: str) -> list[LaneRange]:
        """A stream's lanes, from its start on."""
        rows = self._db.execute(
            "SELECT lane, from_chunk, to_chunk, covered_to FROM lanes WHERE stream = ? ORDER BY from_chunk, lane",
            (stream,),
        )
        return [LaneRange(lane=row[0], from_chunk=row[1], to_chunk=row[2], covered_to=row[3]) for row in rows]

    def _lane(self, coverage: Coverage) -> tuple[int, int, int]:
        """Epoch, coverage and end of a lane."""
        row = self._db.execute(
            "SELECT epoch, covered_to, to_chunk FROM lanes WHERE stream = ? AND lane = ?",
            (coverage.stream, coverage.lane),
        ).fetchone()
        return (row[0], row[1], MAX_INTEGER if row[2] is None else row[2]) if row else (0, 0, MAX_INTEGER)
