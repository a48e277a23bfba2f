"""A full disk stops nobody, and what it refused is written later."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from causal import journal
from causal.journal import JournalReader
from causal.journal_record import RECORD_BYTES
from causal.messages import Chunk
from causal.resample.reserve import RESERVE_BYTES, Reserve, Room
from causal.resample.shelf import MARK, NOTE_EVERY, Shelf

STREAM = "s1/mic"


def chunk(index):
    return Chunk(
        stream=STREAM, index=index, position=1600 * index, captured_ns=10**9 + 10**8 * index, segment_chunk=index
    )


def keep(shelf, indexes):
    for index in indexes:
        shelf.keep(chunk(index), np.full(1600, index, np.int16))


def contents(folder):
    with JournalReader(folder, STREAM) as reader:
        found = list(reader.read_range(0, 10**6))
    return [(one.chunk.index, one.chunk.valid, int(one.samples[0])) for one in found]


@pytest.fixture
def disk(monkeypatch):
    """`disk["full"] = True` makes every write fail."""
    state = {"full": False}

    class Disk(journal.FileIO):
        def write(self, data):
            if state["full"]:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    monkeypatch.setattr(journal, "FileIO", Disk)
    return state


class LargeDisk:
    """What is free on a large disk; it is told, not measured."""

    def __init__(self, free_bytes=1 << 30):
        self.free_bytes = free_bytes

    def __call__(self):
        return Room(1 << 40, self.free_bytes)


def opened(tmp_path, look=None, **options):
    return Shelf(tmp_path / "s1" / "mic", STREAM, lambda _: None, Reserve(look or LargeDisk()), **options)


def test_a_shelf_that_died_with_chunks_in_memory_is_known_to_have_passed_them_on(tmp_path, disk):
    shelf = opened(tmp_path, capacity=50)
    keep(shelf, range(2))
    assert opened(tmp_path).outran == 0
    disk["full"] = True
    keep(shelf, range(2, 5))
    assert 3 <= opened(tmp_path).outran <= 3 + NOTE_EVERY


def test_without_room_for_how_many_they_were_it_is_as_many_as_fit_into_memory(tmp_path, disk):
    keep(opened(tmp_path), range(2))
    (tmp_path / "s1" / "mic" / MARK).touch()
    assert opened(tmp_path, capacity=40).outran == 40


def test_it_is_known_how_many_were_passed_on_also_when_they_did_not_fit_into_memory(tmp_path, disk):
    shelf = opened(tmp_path, capacity=50)
    keep(shelf, range(2))
    disk["full"] = True
    keep(shelf, range(2, 501))
    assert 499 <= opened(tmp_path, capacity=50).outran <= 499 + NOTE_EVERY


def test_a_shelf_that_wrote_what_it_held_leaves_nothing_to_be_known(tmp_path, disk):
    shelf = opened(tmp_path)
    disk["full"] = True
    keep(shelf, range(2))
    disk["full"] = False
    shelf.tick(now_s=10.0)
    assert shelf.depth == 0
    assert opened(tmp_path).outran == 0


def test_indexes_that_are_left_out_stand_in_the_journal_as_nothing_heard(tmp_path, disk):
    shelf = opened(tmp_path)
    keep(shelf, [0, 1, 4, 5])
    assert shelf.depth == 0
    assert contents(tmp_path / "s1" / "mic") == [
        (0, 1600, 0),
        (1, 1600, 1),
        (2, 0, 0),
        (3, 0, 0),
        (4, 1600, 4),
        (5, 1600, 5),
    ]


def test_with_room_on_the_disk_nothing_waits(tmp_path, disk):
    shelf = opened(tmp_path)
    keep(shelf, range(3))
    assert shelf.depth == 0
    assert shelf.fault is None
    assert shelf.last == chunk(2)
    assert contents(tmp_path / "s1" / "mic") == [(0, 1600, 0), (1, 1600, 1), (2, 1600, 2)]


def test_a_full_disk_is_a_fault_and_all_is_written_when_there_is_room_again(tmp_path, disk):
    shelf = opened(tmp_path)
    keep(shelf, range(2))
    disk["full"] = True
    keep(shelf, range(2, 5))
    shelf.tick(now_s=10.0)
    assert shelf.fault.code == "disk-full"
    assert "No space left" in shelf.fault.message
    assert (shelf.depth, shelf.last) == (3, chunk(4))
    disk["full"] = False
    shelf.tick(now_s=10.9)
    assert shelf.depth == 3, "it is tried once a second"
    keep(shelf, [5])
    shelf.tick(now_s=11.0)
    assert (shelf.depth, shelf.fault) == (0, None)
    keep(shelf, [6])
    assert contents(tmp_path / "s1" / "mic") == [(index, 1600, index) for index in range(7)]


def test_what_does_not_fit_into_memory_stands_in_the_journal_as_nothing_heard(tmp_path, disk):
    shelf = opened(tmp_path, capacity=3)
    keep(shelf, range(1))
    disk["full"] = True
    keep(shelf, range(1, 7))
    assert (shelf.depth, shelf.dropped) == (3, 3)
    disk["full"] = False
    shelf.tick(now_s=10.0)
    assert contents(tmp_path / "s1" / "mic") == [
        (0, 1600, 0),
        (1, 0, 0),
        (2, 0, 0),
        (3, 0, 0),
        (4, 1600, 4),
        (5, 1600, 5),
        (6, 1600, 6),
    ]


def test_much_is_written_bit_by_bit(tmp_path, disk):
    shelf = opened(tmp_path)
    disk["full"] = True
    keep(shelf, range(1000))
    disk["full"] = False
    shelf.tick(now_s=10.0)
    assert shelf.depth == 400
    shelf.tick(now_s=10.1)
    assert shelf.depth == 0


def test_the_last_room_on_a_disk_is_not_for_sound(tmp_path):
    large = LargeDisk(RESERVE_BYTES + 3 * RECORD_BYTES)
    shelf = opened(tmp_path, large)
    keep(shelf, range(5))
    assert shelf.depth == 2
    assert shelf.fault.code == "disk-full"
    assert "kept for the transcript" in shelf.fault.message
    assert [index for index, _, _ in contents(tmp_path / "s1" / "mic")] == [0, 1, 2]

    large.free_bytes = RESERVE_BYTES
    shelf.tick(now_s=10.0)
    assert shelf.depth == 2
    large.free_bytes = 1 << 30
    shelf.tick(now_s=10.5)
    assert shelf.depth == 2, "it is looked at once a second"
    shelf.tick(now_s=11.0)
    assert (shelf.depth, shelf.fault) == (0, None)


def test_streams_share_the_room_that_is_left(tmp_path):
    reserve = Reserve(LargeDisk(RESERVE_BYTES + 3 * RECORD_BYTES))
    shelves = [Shelf(tmp_path / "s1" / name, STREAM, lambda _: None, reserve) for name in ("mic", "system")]
    for index in range(2):
        for shelf in shelves:
            keep(shelf, [index])
    assert sorted(shelf.depth for shelf in shelves) == [0, 1]


def test_what_waits_when_the_process_ends_may_have_a_half_of_it(tmp_path):
    shelf = opened(tmp_path, LargeDisk(RESERVE_BYTES))
    keep(shelf, range(5))
    assert shelf.depth == 5
    shelf.close()
    assert len(contents(tmp_path / "s1" / "mic")) == 5


def test_closing_writes_what_waits(tmp_path, disk):
    shelf = opened(tmp_path)
    disk["full"] = True
    keep(shelf, range(3))
    disk["full"] = False
    shelf.close()
    assert len(contents(tmp_path / "s1" / "mic")) == 3


def test_a_folder_that_cannot_be_made_is_a_fault_too(tmp_path):
    (tmp_path / "s1").write_text("in the way")
    shelf = opened(tmp_path)
    assert shelf.fault is not None
    assert shelf.last is None
    keep(shelf, range(2))
    (tmp_path / "s1").unlink()
    shelf.tick(now_s=10.0)
    assert len(contents(tmp_path / "s1" / "mic")) == 2
