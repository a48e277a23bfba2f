"""The journal tells where nothing was heard."""

from __future__ import annotations

import numpy as np

from causal.journal import JournalReader, JournalWriter
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


def test_one_run_has_no_holes(tmp_path):
    first = Chunk(stream=STREAM, index=0, position=9999, captured_ns=0)
    with JournalWriter(tmp_path, STREAM) as writer:
        writer.append(first, np.zeros(1600, np.int16))
    with JournalReader(tmp_path, STREAM) as reader:
        assert holes_before(first, reader) == []
