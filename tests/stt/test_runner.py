"""One lane's runner, with a real journal, up to the moment where it would connect."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from causal.errors import CausalError, EngineError
from causal.journal import JournalReader, JournalWriter
from causal.journal_record import Recorded
from causal.latency import Latency
from causal.messages import Chunk, TranscriptFinal
from causal.messages.audio import CHUNK_SAMPLES
from causal.messages.control import Assignment
from causal.stt import runner as runner_module
from causal.stt.attempt import Outcome
from causal.stt.backoff import Backoff
from causal.stt.failures import classify, lost
from causal.stt.finals import FinalQueue
from causal.stt.health import Health
from causal.stt.lane import Lane, Tile
from causal.stt.options import Key, Options
from causal.stt.runner import CUT_ENDS, ENGINE_KNOCK_S, PREROLL_CHUNKS, UNSAID_ENDS, Runner
from causal.stt.supply import Supply
from causal.stt.surroundings import Surroundings
from causal.stt.target import Target
from causal.stt.timing import Timing
from causal.testing.waiting import until_async

STREAM = "s/mic"
SOMEWHERE = Target(Options(address="ws://127.0.0.1:9", model="universal-streaming-english"), Key("k"), is_engine=False)
ENGINE = replace(SOMEWHERE, is_engine=True)
ENDED = Outcome(None, opened=True, reached_end=True, terminated=True, idle=False, starved=False, answered=True)
NO_KEY = CausalError("auth-failed", "there is no key", "set one")
NO_ENGINE = EngineError("the engine is not there", "wait")


class Stream:
    """The lane's home, and its surroundings. Permission never comes, so nothing is connected."""

    def __init__(self, folder: Path, *, idle_close_s: float = 0.0, to_chunk: int | None = None) -> None:
        self.assignment = Assignment(stream=STREAM, epoch=1, device="mic", engine="x", started_ns=0, started_unix_ns=0)
        self.supply = Supply(JournalReader(folder, STREAM))
        self.must_end = False
        self.has_live_speech = True
        self.target: Target | CausalError = SOMEWHERE
        self.asked: list[bool] = []
        """Permissions that were asked for: whether for live speech."""
        self.marks: list[Tile] = []
        self.queue = FinalQueue(STREAM, Lane("0", 0, to_chunk=to_chunk), 1)
        self._journal = JournalWriter(folder, STREAM)
        around = Surroundings(
            choose=self._choose,
            claim=lambda _: None,
            publish=lambda _event, _coverage: None,
            permit=self._permit,
            emit=lambda _: None,
            changed=lambda: None,
            sending=Latency(),
            timing=Timing(),
            idle_close_s=idle_close_s,
        )
        health = Health(STREAM, lambda: None)
        self.runner = Runner(self.queue, self, around, health, Backoff(Random(1)), live=to_chunk is None)

    def hear(self, active: bool, chunks: int, *, end: bool = False) -> None:
        for n in range(chunks):
            last = end and n == chunks - 1
            chunk = Chunk(
                stream=STREAM,
                index=self._journal.next_index,
                position=0,
                captured_ns=0,
                valid=0 if last else CHUNK_SAMPLES,
                active=active,
                end=last,
            )
            samples = np.zeros(CHUNK_SAMPLES, np.int16)
            self._journal.append(chunk, samples)
            self.supply.offer(Recorded(chunk, samples))

    def story(self, tell: Callable[[], Awaitable[None]]) -> None:
        async def run() -> None:
            async with asyncio.timeout(10):
                task = asyncio.ensure_future(self.runner.run())
                try:
                    await tell()
                finally:
                    self.must_end = True
                    self.supply.wake()
                    await task

        asyncio.run(run())

    # what the runner asks of its home

    async def divide(self, queue: FinalQueue, *, patient: bool) -> FinalQueue:
        raise AssertionError("no session has begun")

    def may_cut(self, queue: FinalQueue) -> bool:
        raise AssertionError("no session has begun")

    async def cut(self, queue: FinalQueue) -> bool:
        raise AssertionError("no session has begun")

    def take_open(self) -> FinalQueue:
        return self.queue

    def next_turn_prefix(self, lane: str) -> str:
        return lane

    def sent(self, recorded: Recorded) -> None:
        raise AssertionError("nothing is connected")

    def say(self, queue: FinalQueue, event: TranscriptFinal | None, tile: Tile) -> None:
        assert event is None
        self.marks.append(tile)

    # what it asks of the gateway

    def _choose(self, _: Assignment) -> Target:
        if isinstance(self.target, CausalError):
            raise self.target
        return self.target

    async def _permit(self, live: bool, unless: Callable[[], bool]) -> bool:
        self.asked.append(live)
        await until_async(unless)
        return False


@pytest.fixture
def stream(tmp_path: Path) -> Stream:
    return Stream(tmp_path)


def test_without_a_chunk_nobody_asks_for_permission(stream):
    async def tell() -> None:
        await asyncio.sleep(0)  # it goes as far as it gets: nothing but a chunk is waited for
        assert stream.asked == []
        stream.hear(True, 1)
        await until_async(lambda: stream.asked == [True])
        assert stream.runner.health.speech == "connecting"

    stream.story(tell)


def test_a_backlog_asks_for_a_backlog_s_permission(tmp_path):
    stream = Stream(tmp_path, to_chunk=20)

    async def tell() -> None:
        stream.hear(True, 20)
        await until_async(lambda: stream.asked == [False])

    stream.story(tell)


def test_a_lane_that_is_promised_to_its_end_is_said_without_a_connection(tmp_path):
    stream = Stream(tmp_path, to_chunk=20)
    stream.queue.lane.promised_to = 20

    async def tell() -> None:
        await until_async(lambda: stream.runner.said)
        assert stream.asked == []

    stream.story(tell)


def test_a_stream_in_which_nothing_was_heard_is_said_at_its_end_mark(stream):
    async def tell() -> None:
        stream.hear(False, 1, end=True)
        await until_async(lambda: stream.runner.said)
        assert (stream.asked, stream.runner.health.speech) == ([], "idle")

    stream.story(tell)


def test_a_long_silence_is_passed_over_and_speech_after_it_begins_a_second_before(tmp_path):
    stream = Stream(tmp_path, idle_close_s=3.0)

    async def tell() -> None:
        stream.hear(False, 50)
        await until_async(lambda: stream.runner.health.speech == "idle")
        assert stream.asked == []
        stream.hear(True, 1)
        await until_async(lambda: stream.asked)
        assert stream.marks == [Tile(0, 50 - PREROLL_CHUNKS)]

    stream.story(tell)


def test_a_short_silence_is_sent(tmp_path):
    stream = Stream(tmp_path, idle_close_s=3.0)

    async def tell() -> None:
        stream.hear(False, 20)
        stream.hear(True, 1)
        await until_async(lambda: stream.asked)
        assert stream.marks == []

    stream.story(tell)


def test_a_missing_key_is_told_at_once_and_a_new_one_is_found(stream):
    stream.target = NO_KEY

    async def tell() -> None:
        await until_async(lambda: stream.runner.health.fault)
        assert stream.runner.health.fault.code == "auth-failed"
        assert stream.runner.health.speech == "failed"
        stream.target = SOMEWHERE
        stream.hear(True, 1)
        await until_async(lambda: stream.asked)

    stream.story(tell)


def test_an_engine_that_is_not_there_yet_is_waited_for_before_it_is_an_error(stream, monkeypatch):
    monkeypatch.setattr(runner_module, "LOOK_AGAIN_S", 0.05)
    monkeypatch.setattr(runner_module, "PATIENCE_S", 0.3)
    stream.target = NO_ENGINE

    async def tell() -> None:
        await until_async(lambda: stream.runner.health.speech == "connecting")
        assert stream.runner.health.fault is None
        await until_async(lambda: stream.runner.health.fault)
        assert (stream.runner.health.fault.retrying, stream.runner.health.speech) == (True, "connecting")

    stream.story(tell)


def test_an_engine_that_is_being_restarted_is_knocked_at_often(stream, monkeypatch):
    waits: list[float] = []

    async def rest(_: Runner, wait_s: float) -> None:
        waits.append(wait_s)
        await asyncio.sleep(0)

    monkeypatch.setattr(Runner, "_rest", rest)
    stream.target = ENGINE
    stream.hear(True, 1)

    async def tell() -> None:
        await until_async(lambda: len(waits) >= 8)

    stream.story(tell)
    assert max(waits) <= ENGINE_KNOCK_S


@pytest.mark.parametrize(
    ("failure", "ends"), [(replace(lost("1000"), only_unsaid=True), UNSAID_ENDS), (lost("1006"), CUT_ENDS)]
)
def test_what_a_service_told_that_never_says_termination_is_taken_for_all_but_a_few_cuts_are_chance(
    stream, monkeypatch, failure, ends
):
    async def rest(_: Runner, _wait_s: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Runner, "_rest", rest)
    ended = replace(ENDED, failure=failure)

    async def told() -> list[bool]:
        return [await stream.runner._consider(ended, SOMEWHERE) for _ in range(ends)]

    assert asyncio.run(told()) == [False] * (ends - 1) + [True]


def test_a_service_that_says_nothing_after_its_begin_is_never_taken_to_have_heard_all(stream, monkeypatch):
    async def rest(_: Runner, _wait_s: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Runner, "_rest", rest)
    ended = replace(ENDED, failure=lost("no pong"), answered=False)

    async def told() -> list[bool]:
        return [await stream.runner._consider(ended, SOMEWHERE) for _ in range(3 * CUT_ENDS)]

    assert not any(asyncio.run(told()))


def test_an_odd_refusal_of_the_key_is_not_final_because_of_other_failures_before_it(stream, monkeypatch):
    async def rest(_: Runner, _wait_s: float) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Runner, "_rest", rest)
    broken, odd = classify("Server error", 3005), classify("Incorrect padding", 1008)

    async def told() -> list[str]:
        states = []
        for failure in (broken, broken, broken, odd, odd, odd):
            begun = replace(ENDED, failure=failure, reached_end=False, terminated=False)
            stream.must_end = len(states) == 5  # whoever has given up waits until then
            considered = asyncio.ensure_future(stream.runner._consider(begun, SOMEWHERE))
            await considered
            states.append(stream.runner.health.speech)
        return states

    assert asyncio.run(told())[:5] == ["reconnecting"] * 5


def test_after_an_end_by_inactivity_nothing_is_connected_before_the_device_delivers_again(stream):
    inactive = replace(ENDED, failure=classify("Session terminated due to inactivity", 3006), reached_end=False)

    async def tell() -> None:
        stream.hear(True, 5)
        await until_async(lambda: stream.asked)
        await stream.runner._consider(inactive, SOMEWHERE)
        waiting = asyncio.ensure_future(stream.runner._first_chunk(SOMEWHERE))
        await asyncio.sleep(0)
        assert not waiting.done()
        stream.hear(True, 1)
        first = await waiting
        assert first.chunk.index == 0

    stream.story(tell)


def test_a_stopped_stream_ends_although_there_is_nowhere_to_connect_to(stream):
    stream.target = NO_KEY

    async def tell() -> None:
        stream.hear(True, 5)
        stream.hear(False, 1, end=True)
        stream.assignment = Assignment(
            stream=STREAM, epoch=1, device="mic", engine="x", started_ns=0, started_unix_ns=0, stop=True
        )
        await until_async(lambda: stream.runner.said)

    stream.story(tell)
