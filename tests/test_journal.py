"""The journal keeps what was said, whatever happens to its writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal import journal
from causal.journal import JournalReader, JournalWriter
from causal.journal_record import (
    RECORD_BYTES,
    RECORDS_PER_FILE,
    Samples,
    decode,
    encode,
    file_of,
    folder_of,
    place_of,
)
from causal.journal_retention import delete_finished
from causal.messages import Chunk

STREAM = "s1/mic"


def chunk(index: int, **fields: object) -> Chunk:
    known = {"position": 1600 * index, "captured_ns": 5 + 100_000_000 * index, "segment_chunk": index}
    return Chunk(**({"stream": STREAM, "index": index} | known | fields))  # type: ignore[arg-type]


def sound(index: int) -> Samples:
    return np.random.default_rng(index).integers(-32768, 32768, 1600, dtype=np.int16)


def fill(folder: Path, count: int) -> None:
    with JournalWriter(folder, STREAM) as writer:
        for index in range(writer.next_index, count):
            writer.append(chunk(index), sound(index))


def contents(folder: Path, first: int = 0, stop: int = 1 << 40) -> list[int]:
    """The indexes that a reader gets; each record is compared with what was written."""
    with JournalReader(folder, STREAM) as reader:
        found = list(reader.read_range(first, stop))
    for recorded in found:
        assert recorded.chunk == chunk(recorded.chunk.index)
        assert np.array_equal(recorded.samples, sound(recorded.chunk.index))
    return [recorded.chunk.index for recorded in found]


@given(
    index=st.integers(0, 2**63),
    position=st.integers(-(2**62), 2**62),
    captured_ns=st.integers(0, 2**62),
    run_started_ns=st.integers(0, 2**62),
    valid=st.integers(0, 1600),
    segment_chunk=st.integers(0, 2**32 - 1),
    mid_segment=st.booleans(),
    active=st.booleans(),
    end=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_record_gives_back_what_went_in(seed, **fields):
    written = Chunk(stream=STREAM, **fields)
    record = encode(written, sound(seed))
    assert len(record) == RECORD_BYTES == 3248
    recorded = decode(record, written.index, STREAM)
    assert recorded is not None
    assert recorded.chunk == written
    assert np.array_equal(recorded.samples, sound(seed))


@given(bit=st.integers(0, 8 * RECORD_BYTES - 1))
def test_any_flipped_bit_is_noticed(bit):
    record = bytearray(encode(chunk(7), sound(7)))
    record[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(record), 7, STREAM) is None


def test_a_record_in_the_wrong_place_is_not_taken_for_another():
    assert decode(encode(chunk(7), sound(7)), 8, STREAM) is None


def test_samples_of_another_length_are_refused():
    with pytest.raises(ValueError, match="1600 samples"):
        encode(chunk(0), np.zeros(1599, np.int16))


@given(index=st.integers(0, 10**9))
def test_the_place_of_a_record_is_arithmetic(index):
    file, offset = place_of(index)
    assert file * RECORDS_PER_FILE + offset // RECORD_BYTES == index
    assert offset % RECORD_BYTES == 0
    assert offset < RECORDS_PER_FILE * RECORD_BYTES


@pytest.mark.parametrize("name", ["../mic", "s1/..", "s1/.", "s1/a b", "s1", "s1/mic/x", "/mic", "s1/"])
def test_a_name_that_leads_elsewhere_is_no_folder(tmp_path, name):
    with pytest.raises(ValueError):
        folder_of(tmp_path, name)


def test_a_stream_has_its_own_folder(tmp_path):
    assert folder_of(tmp_path, "20260131-a1/mic-2") == tmp_path / "20260131-a1" / "mic-2"


def test_a_reader_sees_what_was_written(tmp_path):
    fill(tmp_path, 5)
    assert contents(tmp_path) == [0, 1, 2, 3, 4]
    assert contents(tmp_path, 1, 3) == [1, 2]


def test_a_reader_may_come_before_the_folder_exists(tmp_path):
    folder = tmp_path / "later"
    with JournalReader(folder, STREAM) as reader:
        assert reader.read(0) is None
        assert reader.next_index == 0
        fill(folder, 1)
        recorded = reader.read(0)
        assert recorded is not None
        assert recorded.chunk == chunk(0)
        assert reader.read(1) is None
        assert reader.next_index == 1


def test_a_new_writer_goes_on_where_the_old_one_stopped(tmp_path):
    fill(tmp_path, 3)
    with JournalWriter(tmp_path, STREAM) as writer:
        assert writer.next_index == 3
        assert writer.last == chunk(2)
    fill(tmp_path, 6)
    assert contents(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_an_empty_journal_begins_at_zero(tmp_path):
    with JournalWriter(tmp_path / "new", STREAM) as writer:
        assert writer.next_index == 0
        assert writer.last is None


def test_a_chunk_out_of_turn_is_refused(tmp_path):
    with JournalWriter(tmp_path, STREAM) as writer, pytest.raises(ValueError, match="does not follow"):
        writer.append(chunk(1), sound(1))


def test_a_second_writer_is_noticed(tmp_path):
    with JournalWriter(tmp_path, STREAM) as old:
        old.append(chunk(0), sound(0))
        with JournalWriter(tmp_path, STREAM) as new:
            new.append(chunk(1), sound(1))
            with pytest.raises(OSError, match="another process"):
                old.append(chunk(1), sound(1))
    assert contents(tmp_path) == [0, 1]


def test_the_journal_goes_on_in_the_next_file(tmp_path, monkeypatch):
    monkeypatch.setattr("causal.journal_record.RECORDS_PER_FILE", 4)
    monkeypatch.setattr(journal, "RECORDS_PER_FILE", 4)
    with JournalReader(tmp_path, STREAM) as reader:
        fill(tmp_path, 4)
        assert reader.read(4) is None
        assert reader.next_index == 4
        fill(tmp_path, 10)
        assert reader.read(4) is not None
        assert reader.next_index == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000.chunks", "000001.chunks", "000002.chunks"]
    assert contents(tmp_path) == list(range(10))


def test_a_last_file_without_a_good_record_gives_way_to_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr("causal.journal_record.RECORDS_PER_FILE", 4)
    monkeypatch.setattr(journal, "RECORDS_PER_FILE", 4)
    fill(tmp_path, 5)
    os.truncate(file_of(tmp_path, 1), RECORD_BYTES - 1)
    with JournalWriter(tmp_path, STREAM) as writer:
        assert writer.next_index == 4
    fill(tmp_path, 6)
    assert contents(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_a_record_torn_at_any_byte_is_cut_off_and_written_again(tmp_path):
    fill(tmp_path, 3)
    path = file_of(tmp_path, 0)
    whole = path.read_bytes()
    for length in range(2 * RECORD_BYTES, 3 * RECORD_BYTES):
        path.write_bytes(whole[:length])
        with JournalReader(tmp_path, STREAM) as reader:
            assert reader.read(1) is not None
            assert reader.read(2) is None
        with JournalWriter(tmp_path, STREAM, sync=lambda _: None) as writer:
            assert writer.next_index == 2
            writer.append(chunk(2), sound(2))
        assert path.read_bytes() == whole


@given(flips=st.lists(st.integers(0, 2 * RECORD_BYTES - 1), min_size=1, max_size=4))
def test_damaged_last_records_are_cut_off(tmp_path_factory, flips):
    folder = tmp_path_factory.mktemp("damaged")
    fill(folder, 4)
    path = file_of(folder, 0)
    data = bytearray(path.read_bytes())
    for at in set(flips):
        data[2 * RECORD_BYTES + at] ^= 0xFF
    path.write_bytes(data)
    last_is_good = max(flips) < RECORD_BYTES
    with JournalWriter(folder, STREAM) as writer:
        assert writer.next_index == (4 if last_is_good else 3 if min(flips) >= RECORD_BYTES else 2)


def test_a_damaged_record_in_the_middle_comes_as_nothing_heard(tmp_path):
    fill(tmp_path, 4)
    path = file_of(tmp_path, 0)
    data = bytearray(path.read_bytes())
    data[RECORD_BYTES : 3 * RECORD_BYTES] = bytes(2 * RECORD_BYTES)
    path.write_bytes(data)
    with JournalReader(tmp_path, STREAM) as reader:
        found = [recorded.chunk for recorded in reader.read_range(0, 9)]
    assert [(one.index, one.valid) for one in found] == [(0, 1600), (1, 0), (2, 0), (3, 1600)]
    assert [one.position for one in found] == [0, 1600, 3200, 4800]
    assert [one.captured_ns for one in found] == [chunk(index).captured_ns for index in range(4)]


def test_a_damaged_newest_record_is_not_there_yet(tmp_path):
    fill(tmp_path, 2)
    path = file_of(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with JournalReader(tmp_path, STREAM) as reader:
        assert reader.read(1) is None


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path, monkeypatch):
    """Half of the record is written before the disk is full; once there is room again, it goes on."""

    class FullDisk(journal.FileIO):
        def write(self, data):
            super().write(bytes(data)[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")

    fill(tmp_path, 2)
    with monkeypatch.context() as patch, JournalWriter(tmp_path, STREAM) as writer:
        patch.setattr(journal, "FileIO", FullDisk)
        with pytest.raises(OSError, match="No space left"):
            writer.append(chunk(2), sound(2))
        assert writer.next_index == 2
    assert file_of(tmp_path, 0).stat().st_size == 2 * RECORD_BYTES
    fill(tmp_path, 3)
    assert contents(tmp_path) == [0, 1, 2]


def test_a_record_for_which_there_is_half_the_room_is_a_full_disk(tmp_path, monkeypatch):
    class NearlyFullDisk(journal.FileIO):
        def write(self, data):
            return super().write(bytes(data)[: len(data) // 2])

    fill(tmp_path, 2)
    with monkeypatch.context() as patch, JournalWriter(tmp_path, STREAM) as writer:
        patch.setattr(journal, "FileIO", NearlyFullDisk)
        with pytest.raises(OSError) as raised:
            writer.append(chunk(2), sound(2))
    assert raised.value.errno == errno.ENOSPC
    assert file_of(tmp_path, 0).stat().st_size == 2 * RECORD_BYTES


def test_chunks_whose_file_was_deleted_come_as_nothing_heard_and_at_once(tmp_path, monkeypatch):
    last = 3 * RECORDS_PER_FILE
    for index in (2 * RECORDS_PER_FILE + 1, last):
        at = place_of(index)
        with file_of(tmp_path, at.file).open("wb") as file:
            file.truncate(at.offset)
            file.seek(at.offset)
            file.write(encode(chunk(index), sound(index)))
    reads = []
    monkeypatch.setattr(journal, "decode", lambda *args: reads.append(args) or decode(*args))
    with JournalReader(tmp_path, STREAM) as reader:
        assert (reader.first_index, reader.next_index) == (2 * RECORDS_PER_FILE, last + 1)
        for index in (5, RECORDS_PER_FILE + 7):
            found = reader.read(index).chunk
            assert (found.index, found.valid, found.position) == (index, 0, 1600 * index)
    assert len(reads) <= 4, "and not one for each chunk that is gone"


def test_the_disk_is_made_sure_of_once_a_second(tmp_path):
    synced = []
    with JournalWriter(tmp_path, STREAM, sync=synced.append) as writer:
        writer.append(chunk(0), sound(0))
        writer.tick(10.0)
        writer.append(chunk(1), sound(1))
        writer.tick(10.9)
        assert len(synced) == 1
        writer.tick(11.0)
        assert len(synced) == 2
        writer.tick(99.0)
        assert len(synced) == 2, "nothing was written since"


class TestRetention:
    def session(self, root: Path, name: str, written_s: float, chunks: int, ended: bool) -> None:
        for source in ("mic", "system"):
            folder = root / name / source
            with JournalWriter(folder, f"{name}/{source}") as writer:
                for index in range(chunks):
                    end = ended and index == chunks - 1
                    writer.append(chunk(index, stream=f"{name}/{source}", end=end), sound(0))
            os.utime(file_of(folder, 0), (written_s, written_s))

    def test_old_sessions_go_and_young_ones_stay(self, tmp_path):
        self.session(tmp_path, "old", 1_000, 2, ended=True)
        self.session(tmp_path, "broken-off", 1_500, 2, ended=False)
        self.session(tmp_path, "young", 5_000, 2, ended=True)
        assert delete_finished(tmp_path, 3_600, now_s=6_000) == ["old", "broken-off"]
        assert [path.name for path in tmp_path.iterdir()] == ["young"]

    def test_a_live_session_stays_however_old(self, tmp_path):
        self.session(tmp_path, "old", 1_000, 2, ended=False)
        assert delete_finished(tmp_path, 3_600, now_s=9_000, live=frozenset({"old"})) == []

    def test_a_young_session_stays_however_much_sound_there_is(self, tmp_path):
        """Two streams of 13 hours are 26 hours of sound, and none of it is a day old."""
        for name in ("morning", "evening"):
            self.session(tmp_path, name, 1_000, 1, ended=False)
            for source in ("mic", "system"):
                end = chunk(RECORDS_PER_FILE, stream=f"{name}/{source}", end=True)
                file_of(tmp_path / name / source, 1).write_bytes(encode(end, sound(0)))
                with file_of(tmp_path / name / source, 0).open("r+b") as file:
                    file.truncate(13 * 36_000 * RECORD_BYTES)  # a hole: it takes no room
                for number in (0, 1):
                    os.utime(file_of(tmp_path / name / source, number), (1_000, 1_000))
        assert delete_finished(tmp_path, 24 * 3_600, now_s=2_000) == []

    def test_on_a_full_disk_the_oldest_that_have_ended_go_until_there_is_room(self, tmp_path):
        self.session(tmp_path, "b", 2_000, 2, ended=True)
        self.session(tmp_path, "a", 1_000, 2, ended=True)
        self.session(tmp_path, "broken-off", 500, 2, ended=False)
        self.session(tmp_path, "running", 600, 2, ended=True)
        self.session(tmp_path, "c", 3_000, 2, ended=True)
        left = iter([True, True, False])
        deleted = delete_finished(
            tmp_path, 1e9, now_s=4_000, live=frozenset({"running"}), is_full=lambda: next(left, False)
        )
        assert deleted == ["a", "b"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken-off", "c", "running"]

    def test_a_session_of_this_minute_stays_on_a_full_disk_too(self, tmp_path):
        self.session(tmp_path, "just-ended", 3_950, 2, ended=True)
        assert delete_finished(tmp_path, 1e9, now_s=4_000, is_full=lambda: True) == []
        assert delete_finished(tmp_path, 1e9, now_s=4_011, is_full=lambda: True) == ["just-ended"]

    def test_a_folder_that_does_not_exist_has_nothing_to_delete(self, tmp_path):
        assert delete_finished(tmp_path / "none", 0, now_s=1) == []
