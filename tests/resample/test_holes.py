"""The journal tells where nothing was heard."""

from __future__ import annotations

import numpy as np

from causal.journal import JournalReader, JournalWriter
from causal.journal_record import RECORDS_PER_FILE, lost
from causal.messages import Chunk
from causal.resample.holes import holes_before

STREAM = "s1/mic"


def test_the_breaks_between_runs_are_found_newest_first(tmp_path):
    runs = [(3200, [1600, 1600, 100]), (16_000, [1600]), (17_600, [1600, 1600]), (48_000, [0])]
    with JournalWriter(tmp_path, STREAM) as writer:
        for position, valids in runs:
            for number, valid in enumerate(valids):
                chunk = Chunk(
                    stream=STREAM,
                    index=writer.next_index,
                    position=position + 1600 * number,
                    captured_ns=0,
                    valid=valid,
                    segment_chunk=number,
                )
                writer.append(chunk, np.zeros(1600, np.int16))
    with JournalReader(tmp_path, STREAM) as reader:
        assert holes_before(writer.last, reader) == [(1300, 1700), (406, 593)]


def test_a_gap_whose_beginning_was_deleted_is_not_told_again(tmp_path):
    """Of the first two runs the file is gone; the third begins in it, and the fourth behind it."""
    starts = {RECORDS_PER_FILE - 3: 90_000_000, RECORDS_PER_FILE + 2: 99_000_000}
    with JournalWriter(tmp_path, STREAM) as writer:
        writer.last = Chunk(stream=STREAM, index=RECORDS_PER_FILE - 1, position=0, captured_ns=0)
        for index in range(RECORDS_PER_FILE, RECORDS_PER_FILE + 4):
            began = max(start for start in starts if start <= index)
            chunk = Chunk(
                stream=STREAM,
                index=index,
                position=starts[began] + 1600 * (index - began),
                captured_ns=0,
                segment_chunk=index - began,
            )
            writer.append(chunk, np.zeros(1600, np.int16))
    with JournalReader(tmp_path, STREAM) as reader:
        end_ms = (90_000_000 + 5 * 1600) // 16
        assert holes_before(writer.last, reader) == [(end_ms, 99_000_000 // 16 - end_ms)]


def test_one_run_has_no_holes(tmp_path):
    first = Chunk(stream=STREAM, index=0, position=9999, captured_ns=0)
    with JournalWriter(tmp_path, STREAM) as writer:
        writer.append(first, np.zeros(1600, np.int16))
    with JournalReader(tmp_path, STREAM) as reader:
        assert holes_before(first, reader) == []


def test_chunks_that_never_came_to_the_journal_are_one_hole_and_not_many(tmp_path):
    """As it is told while they are missed: from the last chunk that was heard to the first of the next run."""
    before = Chunk(stream=STREAM, index=0, position=0, captured_ns=0)
    after = Chunk(stream=STREAM, index=21, position=160_000, captured_ns=0)
    with JournalWriter(tmp_path, STREAM) as writer:
        writer.append(before, np.zeros(1600, np.int16))
        while writer.next_index < after.index:
            writer.append(*lost(writer.next_index, after))
        writer.append(after, np.zeros(1600, np.int16))
    with JournalReader(tmp_path, STREAM) as reader:
        assert holes_before(after, reader) == [(100, 9_900)]
