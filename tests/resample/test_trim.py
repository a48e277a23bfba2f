"""The journal of a stream that goes on does not grow for ever, and what was lost in it stays known."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from causal.journal import JournalReader, JournalWriter
from causal.journal_record import RECORDS_PER_FILE, encode, file_numbers, file_of
from causal.messages import Chunk
from causal.resample.holes import holes_before
from causal.resample.trim import KEPT_CHUNKS, LOST_FILE, lost_before, trim

STREAM = "s1/mic"
SILENCE = np.zeros(1600, np.int16)


def stream(folder: Path, written_s: list[float]) -> Path:
    """A stream with a file for each of these times, of one chunk each."""
    folder.mkdir(parents=True)
    for number, at_s in enumerate(written_s):
        index = number * RECORDS_PER_FILE
        path = file_of(folder, number)
        path.write_bytes(encode(Chunk(stream=STREAM, index=index, position=1600 * index, captured_ns=0), SILENCE))
        os.utime(path, (at_s, at_s))
    return folder


def test_the_old_files_go_that_are_transcribed(tmp_path):
    mic = stream(tmp_path / "s1" / "mic", [1_000, 1_600, 2_200, 6_000])
    system = stream(tmp_path / "s1" / "system", [1_100, 6_000])
    needed_from = {mic: 2 * RECORDS_PER_FILE + KEPT_CHUNKS, system: RECORDS_PER_FILE + KEPT_CHUNKS - 1}
    assert trim(needed_from, 3_600, now_s=9_000) == [file_of(mic, 0), file_of(mic, 1)]
    assert (file_numbers(mic), file_numbers(system)) == ([2, 3], [0, 1])
    assert trim(needed_from, 3_600, now_s=9_000) == []


def test_young_files_stay(tmp_path):
    mic = stream(tmp_path / "s1" / "mic", [1_000, 6_000, 6_600])
    assert trim({mic: 1 << 40}, 3_600, now_s=9_000) == [file_of(mic, 0)]


def test_on_a_full_disk_the_oldest_go_until_there_is_room(tmp_path):
    mic = stream(tmp_path / "s1" / "mic", [1_000, 1_600, 2_200])
    system = stream(tmp_path / "s1" / "system", [1_100, 1_700, 2_200])
    left = iter([True, True, True, False])
    needed_from = dict.fromkeys((mic, system), 3 * RECORDS_PER_FILE)
    deleted = trim(needed_from, 1e9, now_s=3_000, is_full=lambda: next(left, False))
    assert deleted == [file_of(mic, 0), file_of(system, 0), file_of(mic, 1)]


@pytest.mark.parametrize("begun", [False, True])
def test_the_end_of_a_journal_stays_where_what_is_transcribed_is_ahead_of_it(tmp_path, begun):
    """On a full disk chunks are passed on from memory; `begun` is a file that has no record yet."""
    mic = stream(tmp_path / "s1" / "mic", [1_000])
    if begun:
        file_of(mic, 1).touch()
    assert trim({mic: 1 << 40}, 0, now_s=9_000, is_full=lambda: True) == []


def test_what_cannot_be_deleted_keeps_no_other_stream_from_it(tmp_path, caplog):
    mic = stream(tmp_path / "s1" / "mic", [1_000, 1_600, 2_200])
    system = stream(tmp_path / "s1" / "system", [1_100, 1_700, 2_200])
    (mic / f".{LOST_FILE}.new").mkdir()
    needed_from = dict.fromkeys((mic, system), RECORDS_PER_FILE + KEPT_CHUNKS)
    assert trim(needed_from, 0, now_s=9_000) == [file_of(system, 0)]
    assert str(file_of(mic, 0)) in caplog.text


def test_a_stream_without_a_journal_has_nothing_to_delete(tmp_path):
    assert trim({tmp_path / "none": 1 << 40}, 0, now_s=9_000) == []
    assert lost_before(tmp_path / "none") == 0


def test_what_was_lost_in_the_deleted_files_is_not_forgotten(tmp_path):
    """Gaps amid a file, at its very beginning, and of a run that reaches over the files' edge."""
    folder = tmp_path / "s1" / "mic"
    gaps_ms = {100: 700, 5_900: 1_100, RECORDS_PER_FILE + 200: 1_300, 2 * RECORDS_PER_FILE: 1_700, 12_100: 1_900}
    began, position = 0, 0
    with JournalWriter(folder, STREAM, sync=lambda _: None) as writer:
        for index in range(2 * RECORDS_PER_FILE + 200):
            if index in gaps_ms:
                began, position = index, position + 16 * gaps_ms[index]
            chunk = Chunk(stream=STREAM, index=index, position=position, captured_ns=0, segment_chunk=index - began)
            writer.append(chunk, SILENCE)
            position += 1600
        newest = writer.last

    def lost_ms() -> int:
        with JournalReader(folder, STREAM) as reader:
            return lost_before(folder) + sum(hole.length_ms for hole in holes_before(newest, reader))

    for number in (1, 2):
        assert lost_ms() == sum(gaps_ms.values())
        assert trim({folder: number * RECORDS_PER_FILE + KEPT_CHUNKS}, 0, now_s=1e12) == [file_of(folder, number - 1)]
    assert lost_ms() == sum(gaps_ms.values())
    assert lost_before(folder) == 700 + 1_100 + 1_300 + 1_700


def test_a_sum_that_cannot_be_read_counts_for_nothing(tmp_path, caplog):
    (tmp_path / LOST_FILE).write_text("x")
    assert lost_before(tmp_path) == 0
    assert "less lost sound" in caplog.text
