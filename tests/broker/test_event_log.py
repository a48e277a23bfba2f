"""The event log: numbers without holes, finals that cover each chunk once, batches that are stored whole or not."""

import contextlib
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from causal import wire
from causal.broker.event_log import LOCKED_WITHIN_S, MAX_EVENT_BYTES, EventLog
from causal.errors import WireError
from causal.messages import Gap, TranscriptFinal, TranscriptPartial
from causal.messages.log import Claim, Claimed, Coverage, LaneRange, Publish, Refused, Replay, Replayed, Stored

STREAM = "s/mic"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.sqlite"


@pytest.fixture
def log(path: Path) -> Iterator[EventLog]:
    with contextlib.closing(EventLog(path)) as log:
        yield log


def gap(key: str, session: str = "s", reason: str = "overflow") -> Publish:
    event = Gap(session=session, source="mic", start_ms=0, length_ms=1, reason=reason)
    return Publish(id=key, kind="gap", event=wire.to_map(event))


def final(epoch: int, from_chunk: int, to_chunk: int, lane: str = "0", key: str = "") -> Publish:
    text = f"{from_chunk}-{to_chunk}"
    event = TranscriptFinal(
        session="s", source="mic", turn=text, revision=0, text=text, start_ms=0, end_ms=0, started_at=""
    )
    coverage = Coverage(stream=STREAM, lane=lane, epoch=epoch, from_chunk=from_chunk, to_chunk=to_chunk)
    key = key or f"{lane}/{epoch}/{text}"
    return Publish(id=key, kind="transcript-final", event=wire.to_map(event), coverage=coverage)


def claim(epoch: int, lane: str = "0") -> Claim:
    return Claim(stream=STREAM, lane=lane, epoch=epoch)


def store(log: EventLog, *publishes: Publish) -> list[Stored | Refused]:
    return [stamped.answer for stamped in log.store(publishes)]


def everything(log: EventLog, **wishes: Any) -> list[dict[str, Any]]:
    """All events, asked for as a sink does it."""
    events: list[dict[str, Any]] = []
    from_seq = 0
    while from_seq <= log.head_seq:
        replayed = log.replay(Replay(from_seq=from_seq, **wishes))
        assert replayed.next_seq > from_seq
        from_seq = replayed.next_seq
        events += [logged.event for logged in replayed.events]
    return events


# --- numbers ---


def test_events_are_numbered_from_one_and_told_with_their_number(log):
    stamped = log.store([gap("a"), gap("b")])
    assert [one.answer for one in stamped] == [Stored(id="a", seq=1), Stored(id="b", seq=2)]
    assert [one.news.event["seq"] for one in stamped] == [1, 2]
    assert (log.head_seq, log.oldest_seq) == (2, 1)


def test_the_same_key_again_gets_the_same_number_and_is_not_told_again(log):
    store(log, gap("a"))
    again, twin, new = log.store([gap("a"), gap("a"), gap("b")])
    assert again.answer == twin.answer == Stored(id="a", seq=1)
    assert again.news is twin.news is None
    assert new.answer == Stored(id="b", seq=2)


def test_a_key_twice_in_a_batch_is_stored_once(log):
    first, second = log.store([gap("a"), gap("a")])
    assert first.answer == second.answer == Stored(id="a", seq=1)
    assert first.news
    assert second.news is None


def test_a_restarted_broker_goes_on_numbering(path):
    with contextlib.closing(EventLog(path)) as log:
        store(log, gap("a"), gap("b"))
    with contextlib.closing(EventLog(path)) as log:
        assert store(log, gap("c"), gap("a")) == [Stored(id="c", seq=3), Stored(id="a", seq=1)]


def test_a_senders_own_number_is_not_taken(log):
    event = wire.to_map(Gap(session="s", source="mic", seq=77, start_ms=0, length_ms=1, reason="x"))
    (stamped,) = log.store([Publish(id="a", kind="gap", event=event)])
    assert stamped.news.event["seq"] == 1


# --- what is refused for good ---


def refusal(log: EventLog, publish: Publish) -> Refused:
    (answer,) = store(log, publish)
    assert isinstance(answer, Refused)
    assert log.head_seq == 0
    return answer


def test_a_type_that_is_not_durable_is_refused(log):
    partial = TranscriptPartial(
        session="s", source="mic", turn="1", revision=0, text="", start_ms=0, end_ms=0, started_at=""
    )
    answer = refusal(log, Publish(id="a", kind="transcript-partial", event=wire.to_map(partial)))
    assert answer.code == "malformed"
    assert "'transcript-partial' are not stored" in answer.message


def test_fields_that_do_not_fit_are_refused_by_name(log):
    answer = refusal(log, Publish(id="a", kind="gap", event={"session": "s", "start_ms": "soon"}))
    assert (answer.code, "start_ms" in answer.message) == ("malformed", True)


def test_an_event_that_no_reply_could_carry_is_refused(log):
    assert "bytes" in refusal(log, gap("a", reason="x" * MAX_EVENT_BYTES)).message


@pytest.mark.parametrize("coverage", [(2**63, 0, 1), (1, 0, 2**63), (2**64 - 1, 0, 2**64 - 1)])
def test_numbers_that_sqlite_cannot_hold_are_refused_not_fatal(log, coverage):
    assert refusal(log, final(*coverage)).code == "malformed"


@pytest.mark.parametrize("epoch", [2**63, -1])
def test_a_claim_of_no_epoch_at_all_is_a_wire_error(log, epoch):
    with pytest.raises(WireError, match="epoch"):
        log.claim(claim(epoch))


def test_the_others_of_a_batch_are_stored(log):
    bad = Publish(id="bad", kind="gap", event={})
    good, refused, also_good = store(log, gap("a"), bad, gap("b"))
    assert (good, also_good) == (Stored(id="a", seq=1), Stored(id="b", seq=2))
    assert isinstance(refused, Refused)


# --- coverage ---


def test_the_story_of_a_lane(log):
    only = LaneRange(lane="0", from_chunk=0, to_chunk=None, covered_to=0)
    assert log.claim(claim(1)) == Claimed(stream=STREAM, lane="0", epoch=1, covered_to=0, lanes=(only,))
    assert store(log, final(1, 0, 20), final(1, 20, 35)) == [
        Stored(id="0/1/0-20", seq=1),
        Stored(id="0/1/20-35", seq=2),
    ]
    assert log.claim(claim(2)).covered_to == 35, "the first gateway was killed; the second goes on there"

    (late,) = store(log, final(1, 35, 50))
    assert isinstance(late, Refused)
    assert (late.code, late.covered_to) == ("stale-epoch", 35)
    assert "epoch 1 of lane 0 is over, 2 has it" in late.message

    assert store(log, final(2, 35, 51)) == [Stored(id="0/2/35-51", seq=3)]
    assert log.claim(claim(2)).covered_to == 51


@pytest.mark.parametrize(("from_chunk", "to_chunk"), [(0, 5), (9, 12), (11, 12), (10, 9)])
def test_a_final_that_is_not_the_next_is_refused(log, from_chunk, to_chunk):
    store(log, final(1, 0, 10))
    (answer,) = store(log, final(1, from_chunk, to_chunk, key="odd"))
    assert isinstance(answer, Refused)
    assert (answer.code, answer.covered_to) == ("not-next", 10)


def test_a_stored_final_that_is_sent_again_after_the_lane_moved_on_is_still_stored(log):
    log.claim(claim(1))
    store(log, final(1, 0, 10), final(1, 10, 20))
    log.claim(claim(2))
    assert store(log, final(1, 0, 10)) == [Stored(id="0/1/0-10", seq=1)]


def test_a_claim_that_comes_late_does_not_take_the_lane_back(log):
    log.claim(claim(5))
    assert log.claim(claim(4)).epoch == 5


def test_a_final_of_a_newer_epoch_takes_the_lane_without_a_claim(log):
    store(log, final(3, 0, 10))
    (answer,) = store(log, final(2, 10, 20))
    assert isinstance(answer, Refused)
    assert answer.code == "stale-epoch"


def test_lanes_are_covered_each_by_itself(log):
    store(log, final(1, 0, 10, lane="0"), final(1, 0, 7, lane="1"))
    assert log.claim(claim(2, lane="0")).covered_to == 10
    assert log.claim(claim(2, lane="1")).covered_to == 7


def test_a_refused_final_leaves_no_trace(log):
    store(log, final(2, 0, 10))
    store(log, final(1, 10, 20), final(2, 15, 20))
    assert log.claim(claim(2)).covered_to == 10
    assert [event["text"] for event in everything(log)] == ["0-10"]


# --- replay ---


def test_a_replay_tells_everything_in_order_however_small_its_steps(log):
    store(log, *(gap(str(number)) for number in range(25)))
    for limit in (1, 7, 25, 500):
        assert [event["seq"] for event in everything(log, limit=limit)] == list(range(1, 26))


def test_a_replay_of_one_session_leaves_the_others_out(log):
    store(log, *(gap(str(number), session="ab"[number % 2]) for number in range(10)))
    assert [event["seq"] for event in everything(log, session="a", limit=2)] == [1, 3, 5, 7, 9]
    assert log.replay(Replay(from_seq=10, session="a")).next_seq == 11


def test_a_replay_fits_into_a_message_however_long_the_events_are(log):
    store(log, *(gap(str(number), reason="x" * 300_000) for number in range(40)))
    replayed = log.replay(Replay(from_seq=1, limit=1000))
    assert 1 < len(replayed.events) < 40
    assert wire.unpack(wire.pack(b"replayed", replayed), Replayed) == replayed
    assert [event["seq"] for event in everything(log, limit=1000)] == list(range(1, 41))


def test_the_largest_event_can_be_told(log):
    store(log, gap("a", reason="x" * (MAX_EVENT_BYTES - 200)))
    replayed = log.replay(Replay(from_seq=1))
    assert wire.unpack(wire.pack(b"replayed", replayed), Replayed) == replayed


@pytest.mark.parametrize("from_seq", [-5, 0, 1, 2, 3, 1000, 2**63, 2**64 - 1, -(2**63)])
@pytest.mark.parametrize("limit", [-1, 0, 1, 10**6])
def test_any_wish_gets_a_reply(log, from_seq, limit):
    store(log, gap("a"), gap("b"))
    replayed = log.replay(Replay(from_seq=from_seq, limit=limit))
    assert [event.event["seq"] for event in replayed.events] == [
        seq for seq in (1, 2) if seq >= from_seq and (limit > 1 or seq == max(1, from_seq))
    ]
    assert replayed.head_seq == 2


def test_an_empty_log_says_so(log):
    assert log.replay(Replay(from_seq=0)) == Replayed(events=(), next_seq=1, head_seq=0, oldest_seq=1)


# --- when the disk or the file says no ---


@contextlib.contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file grows beyond `size` bytes: for SQLite, the disk is full."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_batch_that_does_not_fit_on_the_disk_is_not_stored_at_all(log, path):
    store(log, final(1, 0, 10))
    wal = path.with_name("events.sqlite-wal").stat().st_size
    batch = [final(1, 10, 20), gap("big", reason="x" * 500_000), final(1, 20, 30)]
    with full_disk(wal + 100_000), pytest.raises(sqlite3.Error):
        store(log, *batch)
    assert log.head_seq == 1
    assert log.claim(claim(1)).covered_to == 10
    assert store(log, *batch) == [
        Stored(id="0/1/10-20", seq=2),
        Stored(id="big", seq=3),
        Stored(id="0/1/20-30", seq=4),
    ]


def test_a_log_on_a_full_disk_can_be_read(log, path):
    store(log, gap("a"))
    with full_disk(path.stat().st_size):
        with pytest.raises(sqlite3.Error):
            store(log, gap("b", reason="x" * 100_000))
        assert [event["seq"] for event in everything(log)] == [1]


def test_a_writer_beside_the_broker_does_not_hold_it_up_for_long(log, path):
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store(log, gap("a"))
        assert LOCKED_WITHIN_S < 1.0
        other.execute("ROLLBACK")
    assert store(log, gap("a")) == [Stored(id="a", seq=1)]


# --- whatever happens, in whatever order ---

AUDIO_CHUNKS = 60


class Gateway:
    """Transcribes a lane from where the log says; may be killed or overtaken at any time, and does not know it."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.next: int | None = None
        self.unanswered: list[Publish] = []

    def claim(self, log: EventLog) -> None:
        claimed = log.claim(claim(self.epoch))
        self.next = claimed.covered_to if claimed.epoch == self.epoch else None
        self.unanswered.clear()

    def hear(self, length: int) -> None:
        if self.next is not None and self.next < AUDIO_CHUNKS:
            to_chunk = min(self.next + length, AUDIO_CHUNKS)
            self.unanswered.append(final(self.epoch, self.next, to_chunk))
            self.next = to_chunk


class Storm:
    """A log and its gateways, among losses, delays, repeats and kills of either. All by chance, from a seed."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.chance = random.Random(seed)
        self.log = EventLog(path)
        self.gateways = [Gateway(1)]
        self.on_the_way: list[Publish] = []
        self.claimed_epoch = 0

    def step(self) -> None:
        gateway = self.chance.choice(self.gateways[-2:])
        match self.chance.choice(
            ["hear", "hear", "hear", "send", "send", "arrive", "arrive", "claim", "move", "other"]
        ):
            case "hear":
                gateway.hear(self.chance.randint(1, 9))
            case "claim":
                gateway.claim(self.log)
                self.claimed_epoch = max(self.claimed_epoch, gateway.epoch)
            case "move":
                self.gateways.append(Gateway(self.gateways[-1].epoch + 1))
            case "send":
                self.on_the_way += gateway.unanswered
            case "other":
                self.on_the_way.append(gap(f"gap-{self.chance.randint(0, 9)}"))
            case "arrive":
                self.arrive()

    def arrive(self) -> None:
        batch, self.on_the_way = self.on_the_way, []
        match self.chance.choice(["well"] * 6 + ["late", "lost", "in disorder", "killed before", "killed after"]):
            case "late":
                self.on_the_way = batch
            case "lost":
                pass
            case "killed before":
                self.reopen()
            case fate:
                if fate == "in disorder":
                    self.chance.shuffle(batch)
                self.store(batch)
                if fate == "killed after":
                    self.reopen()

    def store(self, batch: list[Publish]) -> None:
        head_seq = self.log.head_seq
        for publish, answer in zip(batch, store(self.log, *batch), strict=True):
            if publish.coverage and publish.coverage.epoch < self.claimed_epoch:
                assert isinstance(answer, Refused) or answer.seq <= head_seq, "an older epoch was let in"

    def reopen(self) -> None:
        self.log.close()
        self.log = EventLog(self.path)

    def calm(self) -> None:
        """A last gateway finishes what the others left."""
        last = Gateway(self.gateways[-1].epoch + 1)
        last.claim(self.log)
        while last.next != AUDIO_CHUNKS:
            last.hear(10)
        self.store(last.unanswered)


@pytest.mark.parametrize("seed", range(80))
def test_any_order_of_claims_finals_repeats_and_kills_covers_each_chunk_once(path, seed):
    storm = Storm(path, seed)
    for _ in range(100):
        storm.step()
    storm.calm()
    events = everything(storm.log)
    storm.log.close()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    tiles = [tuple(map(int, event["text"].split("-"))) for event in events if "text" in event]
    assert [begin for begin, _ in tiles] == [0, *(end for _, end in tiles[:-1])]
    assert tiles[-1][1] == AUDIO_CHUNKS
    assert len(events) - len(tiles) <= 10, "ten keys, each stored once"
