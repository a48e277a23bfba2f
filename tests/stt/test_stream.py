"""One stream with a real event log and a real journal; nothing is ever connected, for permission never comes."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

from causal import wire
from causal.broker.event_log import EventLog
from causal.journal import JournalReader, JournalWriter
from causal.journal_record import Recorded
from causal.latency import Latency
from causal.messages import Chunk, TranscriptFinal
from causal.messages.audio import CHUNK_SAMPLES
from causal.messages.control import Assignment
from causal.messages.log import Claim, Claimed, Coverage, LaneRange, Publish
from causal.stt import stream as stream_module
from causal.stt.lane import Tile
from causal.stt.options import Key, Options
from causal.stt.stream import BEHIND_CHUNKS, SpeechStream
from causal.stt.supply import Supply
from causal.stt.surroundings import Surroundings
from causal.stt.target import Target
from causal.stt.timing import Timing
from causal.testing.waiting import until_async

STREAM = "s/mic"
NOWHERE = Target(Options(address="ws://127.0.0.1:9", model="universal-streaming-english"), Key("k"), is_engine=False)
FINAL = TranscriptFinal(
    session="s", source="mic", turn="t", revision=0, text="word", start_ms=0, end_ms=300, started_at=""
)


class Gateway:
    """Asks the event log what the stream asks for; `answer` may say something else."""

    def __init__(self, folder: Path, epoch: int = 1, log: EventLog | None = None) -> None:
        self.log = log or EventLog(":memory:")
        self.answer: Callable[[Claim], Claimed] = self.log.claim
        self.claims: list[Claim] = []
        self.published: list[tuple[TranscriptFinal | None, Coverage]] = []
        self.journal = JournalWriter(folder, STREAM)
        facts = Assignment(stream=STREAM, epoch=epoch, device="mic", engine="x", started_ns=0, started_unix_ns=0)
        around = Surroundings(
            choose=lambda _: NOWHERE,
            claim=self._claim,
            publish=lambda event, coverage: self.published.append((event, coverage)),
            permit=self._never,
            emit=lambda _: None,
            changed=lambda: None,
            sending=Latency(),
            timing=Timing(),
        )
        self.stream = SpeechStream(facts, Supply(JournalReader(folder, STREAM)), around)

    def hear(self, *levels: int) -> None:
        """A chunk of each loudness."""
        for level in levels:
            index = self.journal.next_index
            chunk = Chunk(stream=STREAM, index=index, position=index * CHUNK_SAMPLES, captured_ns=0)
            samples = np.full(CHUNK_SAMPLES, level, np.int16)
            self.journal.append(chunk, samples)
            self.stream.supply.offer(Recorded(chunk, samples))

    def hear_end(self) -> None:
        index = self.journal.next_index
        chunk = Chunk(stream=STREAM, index=index, position=index * CHUNK_SAMPLES, captured_ns=0, valid=0, end=True)
        self.journal.append(chunk, np.zeros(CHUNK_SAMPLES, np.int16))
        self.stream.supply.wake()

    def store(self) -> None:
        """The broker answers all that was published."""
        published, self.published = self.published, []
        for event, coverage in published:
            fields = wire.to_map(event) if event else {}
            publish = Publish(id=repr(coverage), kind="transcript-final", event=fields, coverage=coverage)
            self.stream.settled(coverage, self.log.store([publish])[0].answer)

    def _claim(self, claim: Claim) -> None:
        self.claims.append(claim)
        asyncio.get_running_loop().call_soon(lambda: self.stream.claimed(self.answer(claim)))

    async def _never(self, _live: bool, unless: Callable[[], bool]) -> bool:
        await until_async(unless)
        return False


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def story(gateway: Gateway, tell: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        async with asyncio.timeout(10):
            task = asyncio.ensure_future(gateway.stream.run())
            try:
                await tell()
            finally:
                gateway.stream.finish_now()
                await task

    asyncio.run(run())


def queue_of(gateway: Gateway):
    return gateway.stream.take_open()


def test_a_stream_asks_the_broker_for_its_lanes_before_anything_else(gateway):
    async def tell() -> None:
        gateway.hear(*[100] * 5)
        await until_async(lambda: gateway.claims)
        assert gateway.claims == [Claim(stream=STREAM, lane="0", epoch=1, from_chunk=0)]
        await until_async(lambda: gateway.stream.report().backlog_ms == 500)

    story(gateway, tell)


def test_an_answer_without_an_open_lane_is_told_and_asked_for_again(gateway, monkeypatch):
    monkeypatch.setattr(stream_module, "ASK_AGAIN_S", 0.05)
    ended = LaneRange(lane="0", from_chunk=0, to_chunk=7, covered_to=0)

    async def tell() -> None:
        for lanes, found in [((), "found none"), ((ended,), "found 0 to 7")]:
            gateway.answer = lambda claim, lanes=lanes: Claimed(
                stream=STREAM, lane="0", epoch=1, covered_to=0, lanes=lanes
            )
            await until_async(lambda found=found: found in getattr(gateway.stream.report().fault, "message", ""))
            assert gateway.stream.report().speech == "failed"
        gateway.answer = gateway.log.claim
        many = len(gateway.claims)
        await until_async(lambda: len(gateway.claims) > many + 1 or not gateway.stream.must_end)
        assert not gateway.stream.must_end

    story(gateway, tell)


def test_what_a_newer_epoch_has_is_let_go(tmp_path):
    log = EventLog(":memory:")
    log.claim(Claim(stream=STREAM, lane="0", epoch=5, from_chunk=0))
    gateway = Gateway(tmp_path, epoch=4, log=log)

    async def tell() -> None:
        await until_async(lambda: gateway.stream.superseded)
        assert "epoch 5" in gateway.stream.report().fault.message

    story(gateway, tell)
    assert not gateway.stream.done


def test_a_final_that_is_not_the_next_one_makes_the_stream_ask_anew(gateway):
    async def tell() -> None:
        gateway.hear(*[100] * 20)
        await until_async(lambda: gateway.claims and not gateway.stream.must_end)
        queue = queue_of(gateway)
        gateway.stream.say(queue, FINAL, Tile(5, 9))
        gateway.store()
        await until_async(lambda: len(gateway.claims) == 2 and not gateway.stream.must_end)
        assert queue_of(gateway) is not queue
        gateway.stream.say(queue_of(gateway), FINAL, Tile(0, 9))
        gateway.store()
        assert gateway.stream.report().final_ms == 900

    story(gateway, tell)


def test_where_much_has_piled_up_the_open_lane_is_divided_in_its_quietest_chunk(gateway):
    async def tell() -> None:
        gateway.hear(*[100] * 20, 3, *[100] * 25)
        await until_async(lambda: gateway.claims and not gateway.stream.must_end)
        old = queue_of(gateway)
        new = await gateway.stream.divide(old, patient=False)
        assert (old.lane.to_chunk, new.lane.from_chunk, new.lane.to_chunk) == (20, 20, None)
        assert gateway.log.claim(gateway.claims[-1]).lanes[-1].from_chunk == 20
        assert queue_of(gateway) is new

    story(gateway, tell)


@pytest.mark.parametrize(("chunks", "patient"), [(BEHIND_CHUNKS - 1, False), (5 * BEHIND_CHUNKS, True)])
def test_little_that_has_piled_up_stays_in_one_lane(gateway, chunks, patient):
    async def tell() -> None:
        gateway.hear(*[100] * chunks)
        await until_async(lambda: gateway.claims and not gateway.stream.must_end)
        assert await gateway.stream.divide(queue_of(gateway), patient=patient) is queue_of(gateway)

    story(gateway, tell)


def test_a_cut_leaves_what_was_sent_after_the_quietest_chunk_to_the_new_lane(gateway):
    async def tell() -> None:
        gateway.hear(*[100] * 35, 2, *[100] * 60)
        await until_async(lambda: gateway.claims and not gateway.stream.must_end)
        old = queue_of(gateway)
        old.lane.next_index = 40
        assert await gateway.stream.cut(old)
        assert old.lane.to_chunk == queue_of(gateway).lane.from_chunk == 35
        assert not await gateway.stream.cut(old), "only the open lane can be cut"

    story(gateway, tell)


def test_what_is_covered_beyond_the_quietest_chunk_is_not_cut(gateway):
    async def tell() -> None:
        gateway.hear(*[100] * 35, 2, *[100] * 60)
        await until_async(lambda: gateway.claims and not gateway.stream.must_end)
        queue = queue_of(gateway)
        gateway.stream.say(queue, FINAL, Tile(0, 38))
        queue.lane.promised_to, queue.lane.next_index = 38, 40
        assert gateway.stream.report().covered_to == 0
        gateway.store()
        assert gateway.stream.report().covered_to == 38
        assert not await gateway.stream.cut(queue)
        assert queue_of(gateway) is queue

    story(gateway, tell)


def test_a_stream_whose_end_mark_comes_and_of_which_nothing_is_open_is_done(gateway):
    async def tell() -> None:
        gateway.hear_end()
        await until_async(lambda: gateway.stream.done)
        assert gateway.stream.report().done
        assert gateway.stream.report().backlog_ms == 0

    story(gateway, tell)


def test_where_too_many_finals_wait_the_stream_is_claimed_anew_and_they_are_said_again(gateway, monkeypatch):
    monkeypatch.setattr("causal.stt.finals.CAPACITY", 3)

    async def tell() -> None:
        gateway.hear(*[100] * 20)
        await until_async(lambda: gateway.claims and not gateway.stream.must_end)
        queue = queue_of(gateway)
        for n in range(4):
            gateway.stream.say(queue, FINAL, Tile(n, n + 1))
        assert gateway.stream.waiting_finals == 3
        await until_async(lambda: len(gateway.claims) == 2 and not gateway.stream.must_end)
        assert (gateway.stream.waiting_finals, queue_of(gateway).lane.promised_to) == (0, 0)

    story(gateway, tell)
