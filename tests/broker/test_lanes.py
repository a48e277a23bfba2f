"""Lanes: side by side, each covered once, and all with one gateway. Marks: coverage without an event."""

import contextlib
import itertools
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal import wire
from causal.broker.event_log import EventLog
from causal.errors import WireError
from causal.messages import TranscriptFinal
from causal.messages.log import HEARD_SILENCE, Claim, Coverage, LaneRange, Publish, Refused, Replay, Stored

STREAM = "s/mic"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    with contextlib.closing(EventLog(tmp_path / "events.sqlite")) as log:
        yield log


def take(log: EventLog, epoch: int, from_chunk: int = 0) -> list[tuple[int, int | None, int]]:
    """Claims the lane that begins there; the stream's lanes as from, to, covered."""
    claimed = log.claim(Claim(stream=STREAM, lane=str(from_chunk), epoch=epoch, from_chunk=from_chunk))
    return [(lane.from_chunk, lane.to_chunk, lane.covered_to) for lane in claimed.lanes]


def cover(
    log: EventLog, epoch: int, from_chunk: int, to_chunk: int, *, lane: int = 0, mark: bool = False
) -> Stored | Refused:
    coverage = Coverage(stream=STREAM, lane=str(lane), epoch=epoch, from_chunk=from_chunk, to_chunk=to_chunk)
    text = f"{from_chunk}-{to_chunk}"
    event = TranscriptFinal(
        session="s", source="mic", turn=text, revision=0, text=text, start_ms=0, end_ms=0, started_at=""
    )
    kind, fields = (HEARD_SILENCE, {}) if mark else ("transcript-final", wire.to_map(event))
    publish = Publish(id=f"{epoch}/{lane}/{text}/{mark}", kind=kind, event=fields, coverage=coverage)
    (stamped,) = log.store([publish])
    assert (stamped.news is None) or not mark
    return stamped.answer


def code(answer: Stored | Refused) -> str:
    return answer.code if isinstance(answer, Refused) else "stored"


def test_a_new_lane_begins_where_the_open_one_ends(log):
    assert take(log, 1) == [(0, None, 0)]
    assert take(log, 1, 500) == [(0, 500, 0), (500, None, 500)]
    assert take(log, 1, 900) == [(0, 500, 0), (500, 900, 500), (900, None, 900)]


def test_the_same_claim_again_changes_nothing(log):
    take(log, 1)
    assert take(log, 1, 500) == take(log, 1, 500) == [(0, 500, 0), (500, None, 500)]


def test_whoever_takes_the_stream_over_finds_all_lanes_and_has_them_all(log):
    take(log, 1)
    take(log, 1, 500)
    cover(log, 1, 0, 40)
    cover(log, 1, 500, 520, lane=500)
    assert take(log, 2) == [(0, 500, 40), (500, None, 520)]
    assert code(cover(log, 1, 520, 530, lane=500)) == "stale-epoch"
    assert code(cover(log, 1, 40, 50)) == "stale-epoch"
    assert code(cover(log, 2, 40, 50)) == "stored"


def test_a_lane_is_not_covered_beyond_its_end(log):
    take(log, 1)
    take(log, 1, 500)
    refused = cover(log, 1, 0, 501)
    assert code(refused) == "not-next"
    assert "ends at 500" in refused.message
    assert code(cover(log, 1, 0, 500)) == "stored"


def test_a_lane_that_is_covered_to_its_end_is_not_told_any_more(log):
    take(log, 1)
    take(log, 1, 500)
    cover(log, 1, 0, 500)
    assert take(log, 1) == [(500, None, 500)]


@pytest.mark.parametrize("from_chunk", [0, 30, 39])
def test_what_is_covered_already_does_not_get_another_lane(log, from_chunk):
    take(log, 1)
    cover(log, 1, 0, 40)
    assert take(log, 1, from_chunk) == [(0, None, 40)]


def test_an_older_epoch_divides_nothing(log):
    take(log, 2)
    assert take(log, 1, 500) == [(0, None, 0)]
    claimed = log.claim(Claim(stream=STREAM, lane="0", epoch=1))
    assert claimed.epoch == 2


def test_a_claim_of_odd_numbers_is_malformed(log):
    for odd in (Claim(stream=STREAM, lane="0", epoch=-1), Claim(stream=STREAM, lane="x", epoch=1, from_chunk=2**63)):
        with pytest.raises(WireError):
            log.claim(odd)


def test_a_mark_moves_coverage_and_is_no_event(log):
    take(log, 1)
    cover(log, 1, 0, 20)
    assert cover(log, 1, 20, 90, mark=True) == Stored(id="1/0/20-90/True", seq=1)
    assert log.head_seq == 1
    assert len(log.replay(Replay(from_seq=0)).events) == 1
    assert take(log, 2) == [(0, None, 90)]


def test_a_mark_that_is_sent_again_is_stored_once(log):
    take(log, 1)
    assert code(cover(log, 1, 0, 50, mark=True)) == "stored"
    assert code(cover(log, 1, 0, 50, mark=True)) == "stored"
    assert take(log, 1) == [(0, None, 50)]


def test_a_mark_obeys_the_rules_of_finals(log):
    take(log, 2)
    cover(log, 2, 0, 50)
    assert code(cover(log, 1, 50, 60, mark=True)) == "stale-epoch"
    assert code(cover(log, 2, 40, 60, mark=True)) == "not-next"
    assert code(cover(log, 2, 60, 70, mark=True)) == "not-next"
    (stamped,) = log.store([Publish(id="x", kind=HEARD_SILENCE, event={})])
    assert code(stamped.answer) == "malformed"


def test_a_log_of_the_first_version_goes_on(tmp_path):
    path = tmp_path / "events.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(
            "CREATE TABLE lanes (stream TEXT NOT NULL, lane TEXT NOT NULL, epoch INTEGER NOT NULL,"
            " covered_to INTEGER NOT NULL, PRIMARY KEY (stream, lane)) WITHOUT ROWID;"
            f"INSERT INTO lanes VALUES ('{STREAM}', '0', 3, 70);"
        )
    with contextlib.closing(EventLog(path)) as log:
        assert take(log, 4, 200) == [(0, 200, 70), (200, None, 200)]


class Gateway:
    """Works on lanes as the log told them; may be overtaken at any time, and does not know it."""

    def __init__(self, epoch: int, chance: random.Random) -> None:
        self.epoch = epoch
        self.chance = chance
        self.lanes: dict[str, LaneRange] = {}

    def claim(self, log: EventLog, from_chunk: int = 0) -> None:
        claim = Claim(stream=STREAM, lane=str(from_chunk), epoch=self.epoch, from_chunk=from_chunk)
        claimed = log.claim(claim)
        self.lanes = {lane.lane: lane for lane in claimed.lanes} if claimed.epoch == self.epoch else {}

    def cover(self, log: EventLog) -> tuple[int, int] | None:
        """A tile that was stored as new coverage, if any."""
        if not self.lanes:
            return None
        lane = self.chance.choice(list(self.lanes.values()))
        from_chunk = lane.covered_to + self.chance.choice([0] * 8 + [-1, 3])
        to_chunk = from_chunk + self.chance.randint(1, 20)
        mark = self.chance.random() < 0.5
        known = log.claim(Claim(stream=STREAM, lane="0", epoch=0)).lanes
        before = {one.lane: one.covered_to for one in known}.get(lane.lane)
        if code(cover(log, self.epoch, from_chunk, to_chunk, lane=int(lane.lane), mark=mark)) != "stored":
            self.claim(log)
            return None
        self.lanes[lane.lane] = LaneRange(
            lane=lane.lane, from_chunk=lane.from_chunk, to_chunk=lane.to_chunk, covered_to=to_chunk
        )
        return (from_chunk, to_chunk) if before == from_chunk else None


@pytest.mark.parametrize("seed", range(60))
def test_whatever_gateways_do_to_lanes_each_chunk_is_covered_once_and_none_is_left_out(tmp_path, seed):
    chance = random.Random(seed)
    with contextlib.closing(EventLog(tmp_path / "events.sqlite")) as log:
        gateways = [Gateway(1, chance)]
        gateways[0].claim(log)
        tiles: list[tuple[int, int]] = []
        for _ in range(150):
            gateway = chance.choice(gateways[-2:])
            match chance.choice(["cover"] * 6 + ["divide", "move"]):
                case "cover":
                    if (tile := gateway.cover(log)) is not None:
                        tiles.append(tile)
                case "divide":
                    gateway.claim(log, chance.randint(0, 600))
                case "move":
                    gateways.append(Gateway(gateways[-1].epoch + 1, chance))
                    gateways[-1].claim(log)
        rest = [(covered, to) for _, to, covered in take(log, gateways[-1].epoch + 1)]
    assert rest[-1][1] is None, "one lane is open"
    ends = sorted(tiles) + [(covered, to) for covered, to in rest[:-1] if to is not None] + [(rest[-1][0], 10**9)]
    ends.sort()
    assert ends[0][0] == 0
    assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(ends)), ends
