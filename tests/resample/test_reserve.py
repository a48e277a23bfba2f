"""The last room of a disk is the event log's, and sound keeps out of it."""

from __future__ import annotations

import pytest

from causal.broker.ballast import PLENTY, SIZE_BYTES
from causal.resample.reserve import PART, RESERVE_BYTES, Reserve, Room, room_of

MB = 1 << 20
GB = 1 << 30


class Disk:
    """A disk with as much room as a test says; counts the looks."""

    def __init__(self, total_bytes: int, free_bytes: int) -> None:
        self.room = Room(total_bytes, free_bytes)
        self.looks = 0

    def free(self, free_bytes: int, total_bytes: int | None = None) -> None:
        self.room = Room(total_bytes or self.room.total_bytes, free_bytes)

    def look(self) -> Room:
        self.looks += 1
        return self.room


def test_with_room_on_the_disk_all_is_given():
    reserve = Reserve(Disk(100 * GB, 10 * GB).look)
    assert all(reserve.take(MB) for _ in range(100))


def test_the_last_room_is_not_given():
    disk = Disk(100 * GB, RESERVE_BYTES + 3 * MB)
    reserve = Reserve(disk.look)
    assert [reserve.take(MB) for _ in range(4)] == [True, True, True, False]
    assert disk.looks == 1, "what was given is counted"


def test_it_is_looked_at_once_a_second():
    disk = Disk(100 * GB, RESERVE_BYTES)
    reserve = Reserve(disk.look)
    reserve.tick(10.0)
    assert not reserve.take(1)
    disk.free(GB)
    reserve.tick(10.9)
    assert not reserve.take(1)
    reserve.tick(11.0)
    assert reserve.take(1)
    assert disk.looks == 2


def test_a_spent_ballast_is_room_for_the_log_alone():
    """Whoever filled the disk: what the ballast was is free then, and no more."""
    disk = Disk(100 * GB, SIZE_BYTES)
    assert not Reserve(disk.look).take(1)


@pytest.mark.parametrize("total_bytes", [PLENTY * SIZE_BYTES, 5 * SIZE_BYTES, 100 * SIZE_BYTES])
def test_a_disk_that_may_have_a_ballast_keeps_as_much_at_least(total_bytes):
    assert not Reserve(Disk(total_bytes, SIZE_BYTES - 1).look).take(1)


def test_a_tiny_disk_keeps_a_part_of_itself():
    disk = Disk(8 * MB, 3 * MB)
    reserve = Reserve(disk.look)
    assert reserve.take(3 * MB - 8 * MB // PART)
    assert not reserve.take(1)


def test_a_disk_that_becomes_smaller_keeps_as_much_as_before():
    disk = Disk(100 * GB, GB)
    reserve = Reserve(disk.look)
    reserve.look()
    disk.free(SIZE_BYTES, total_bytes=20 * MB)
    reserve.look()
    assert not reserve.take(1)


def test_last_words_may_have_half_of_it():
    reserve = Reserve(Disk(100 * GB, RESERVE_BYTES).look)
    assert not reserve.take(1)
    assert reserve.take(RESERVE_BYTES // 2, last_words=True)
    assert not reserve.take(1, last_words=True)
    assert not Reserve(Disk(100 * GB, SIZE_BYTES).look).take(1, last_words=True), "not the spent ballast"


def test_whether_it_is_reached_is_looked_at_each_time():
    disk = Disk(100 * GB, RESERVE_BYTES - 1)
    reserve = Reserve(disk.look)
    assert reserve.is_reached()
    disk.free(RESERVE_BYTES)
    assert not reserve.is_reached()


def test_a_disk_that_tells_nothing_is_written_until_it_refuses():
    def look() -> Room:
        raise OSError("nothing is told")

    reserve = Reserve(look)
    assert reserve.take(GB)


def test_the_room_of_a_folder_is_its_disks_before_it_is_made(tmp_path):
    room = room_of(tmp_path / "journal" / "s1")
    assert 0 < room.free_bytes <= room.total_bytes
