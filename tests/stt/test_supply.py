import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from causal.journal import JournalReader, JournalWriter
from causal.journal_record import Recorded
from causal.messages import Chunk
from causal.stt.supply import Supply

STREAM = "s/mic"


def recorded(index: int) -> Recorded:
    samples = np.full(1600, index, np.int16)
    return Recorded(Chunk(stream=STREAM, index=index, position=index * 1600, captured_ns=0), samples)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[JournalWriter]:
    with JournalWriter(tmp_path, STREAM) as writer:
        yield writer


@pytest.fixture
def supply(tmp_path: Path) -> Iterator[Supply]:
    made = Supply(JournalReader(tmp_path, STREAM), capacity=3)
    yield made
    made.close()


def test_what_came_the_fast_way_needs_no_journal(supply):
    supply.offer(recorded(7))
    assert supply.get(7).samples[0] == 7
    assert supply.get(6) is None
    assert (supply.newest_index, supply.next_index) == (7, 8)


def test_what_memory_does_not_hold_is_in_the_journal(supply, journal):
    for index in range(5):
        journal.append(*recorded(index))
        supply.offer(recorded(index))
    assert [supply.get(index).chunk.index for index in range(5)] == list(range(5))
    assert supply.get(5) is None


def test_an_empty_stream_has_nothing(supply):
    assert (supply.newest_index, supply.next_index) == (-1, 0)
    assert supply.get(0) is None


def test_a_chunk_is_waited_for_whichever_way_it_comes(supply, journal):
    async def story() -> None:
        waiting = asyncio.create_task(supply.wait_for(0, lambda: False))
        await asyncio.sleep(0)
        supply.offer(recorded(0))
        assert (await waiting).chunk.index == 0
        waiting = asyncio.create_task(supply.wait_for(1, lambda: False))
        await asyncio.sleep(0)
        journal.append(*recorded(0))
        journal.append(*recorded(1))
        assert (await waiting).chunk.index == 1

    asyncio.run(asyncio.wait_for(story(), 5))


def test_a_chunk_that_got_lost_on_the_fast_way_is_read_when_a_later_one_comes(supply, journal):
    async def story() -> None:
        for index in range(3):
            journal.append(*recorded(index))
        supply.offer(recorded(0))
        waiting = asyncio.create_task(supply.wait_for(1, lambda: False))
        await asyncio.sleep(0)
        assert not waiting.done(), "it would come any moment"
        supply.offer(recorded(2))
        assert (await waiting).chunk.index == 1

    asyncio.run(asyncio.wait_for(story(), 5))


def test_a_chunk_is_read_when_the_fast_way_falls_silent(supply, journal):
    async def story() -> None:
        journal.append(*recorded(0))
        journal.append(*recorded(1))
        supply.offer(recorded(0))
        assert (await supply.wait_for(1, lambda: False)).chunk.index == 1

    asyncio.run(asyncio.wait_for(story(), 5))


def test_nobody_waits_for_what_is_not_wanted_any_more(supply):
    async def story() -> None:
        ended = False
        waiting = asyncio.create_task(supply.wait_for(0, lambda: ended))
        await asyncio.sleep(0)
        ended = True
        supply.wake()
        assert await waiting is None

    asyncio.run(asyncio.wait_for(story(), 5))
