"""One connection against the test service, with all that can go wrong before, in and after a session."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import numpy as np
import pytest

from causal import clock
from causal.stt.connection import Connection, Frame
from causal.stt.failures import Failure
from causal.stt.options import Key, Options
from causal.stt.session import Action, GoLive, Publish, Session
from causal.stt.target import Target
from causal.stt.timing import Timing
from causal.stt.turns import Final
from causal.testing.assemblyai_server import AssemblyAIServer, Faults
from causal.testing.oracle_speech import silence, speak, to_s16
from causal.testing.waiting import until_async

pytestmark = pytest.mark.live

SPEECH = to_s16(np.concatenate([speak([1, 2, 3]), silence(1000)]))
TIMING = Timing(drain_s=4.0, ping_s=0.3, pong_s=4.0, hold_s=4.0)
"""Longer than a machine stands still, where something is to come."""
NEVER_S = 0.5
"""For what does not come."""


class Run:
    """One connection, what it did, and how it ended."""

    def __init__(self, server: AssemblyAIServer, *, timing: Timing = TIMING, key: str = "test-key") -> None:
        target = Target(Options(address=server.url, model="universal-streaming-english"), Key(key), is_engine=False)
        session = Session(now_s=clock.now_s(), formatting_requested=True, timing=timing)
        self.actions: list[Action] = []
        self.sent = 0
        self._connection = Connection(target, session, self.actions.append)

    async def to_the_end(self, audio: AsyncIterator[Frame] | None = None) -> Failure | None:
        async with asyncio.timeout(30):
            return await self._connection.run(audio or self.speech())

    async def speech(self) -> AsyncIterator[Frame]:
        for start in range(0, len(SPEECH), 1600):
            yield Frame(SPEECH[start : start + 1600].tobytes().ljust(3200, b"\0"), self._count)

    async def endless(self) -> AsyncIterator[Frame]:
        while True:
            yield Frame(bytes(3200), self._count)
            await asyncio.sleep(0.05)  # at twice the pace of speech: as fast as it can it would fill all buffers

    def finals(self) -> list[str]:
        facts = [action.fact for action in self.actions if isinstance(action, Publish)]
        return [fact.text for fact in facts if isinstance(fact, Final)]

    def _count(self) -> None:
        self.sent += 1


def with_server(story: Callable[[AssemblyAIServer], object]) -> None:
    async def run() -> None:
        async with AssemblyAIServer() as server:
            await story(server)

    asyncio.run(run())


def test_a_session_goes_its_whole_way():
    async def story(server: AssemblyAIServer) -> None:
        run = Run(server)
        assert await run.to_the_end() is None
        assert isinstance(run.actions[0], GoLive)
        assert run.finals() == ["N1 n2 n3."]
        (record,) = server.records
        assert len(record.audio) == run.sent * 3200
        assert record.texts == ["Terminate"]
        assert record.headers["Authorization"] == "test-key"
        assert "Sec-WebSocket-Extensions" not in record.headers, "compression of sound is worth nothing"
        await until_async(lambda: record.closed)
        assert record.close_code == 1000

    with_server(story)


@pytest.mark.parametrize(
    ("faults", "code", "told"),
    [
        (Faults(drop_upgrade=True), "connection-failed", "cannot be reached"),
        (Faults(refuse_status=401), "auth-failed", "401"),
        (Faults(refuse_status=503), "connection-failed", "503"),
        (Faults(error=(1008, "Insufficient funds")), "quota-exceeded", "Insufficient funds"),
        (Faults(error=(1011, "Internal error")), "connection-failed", "Internal error"),
    ],
)
def test_what_goes_wrong_before_begin_is_told_and_sends_no_audio(faults, code, told):
    async def story(server: AssemblyAIServer) -> None:
        server.faults = faults
        run = Run(server)
        failure = await run.to_the_end()
        assert failure.code == code
        assert told in failure.message
        assert run.sent == 0

    with_server(story)


@pytest.mark.parametrize(
    ("stalled", "timing", "told"),
    [
        ("stall_upgrade", replace(TIMING, connect_s=NEVER_S), "did not answer"),
        ("stall_begin", replace(TIMING, begin_s=NEVER_S), "no session"),
    ],
)
def test_a_session_that_does_not_begin_is_given_up_in_time_and_sends_no_audio(stalled, timing, told):
    async def story(server: AssemblyAIServer) -> None:
        setattr(server.faults, stalled, True)
        run = Run(server, timing=timing)
        failure = await run.to_the_end()
        assert failure.code == "connection-failed"
        assert told in failure.message
        assert run.sent == 0
        setattr(server.faults, stalled, False)

    with_server(story)


def test_nobody_at_the_door_is_a_failure_at_once():
    async def story(server: AssemblyAIServer) -> None:
        await server.go_away()
        failure = await Run(server).to_the_end()
        assert (failure.code, failure.retryable) == ("connection-failed", True)
        await server.come_back()

    with_server(story)


def test_a_wrong_key_is_refused_with_the_services_words_and_without_the_key():
    async def story(server: AssemblyAIServer) -> None:
        failure = await Run(server, key="my-wrong-secret").to_the_end()
        assert failure.code == "auth-failed"
        assert "Invalid API key" in failure.message
        assert "my-wrong-secret" not in repr(failure)

    with_server(story)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (lambda server: server.abort_all(), "connection-failed"),
        (lambda server: server.close_all(1000), "connection-failed"),
        (lambda server: server.freeze(), "connection-failed"),
        (lambda server: server.fail_all(3007, "Input Duration Error: Input Duration Violation"), "rejected-by-service"),
        (lambda server: server.fail_all(3006, "Session terminated due to inactivity: 60 s"), "connection-failed"),
    ],
    ids=["cut", "closed with 1000", "frozen", "refused audio", "inactive"],
)
def test_what_goes_wrong_in_a_session_ends_it(fault, code):
    async def story(server: AssemblyAIServer) -> None:
        run = Run(server)
        ending = asyncio.create_task(run.to_the_end(run.endless()))
        await until_async(lambda: run.sent)
        fault(server)
        assert (await ending).code == code

    with_server(story)


def test_an_end_without_termination_is_a_failure():
    async def story(server: AssemblyAIServer) -> None:
        server.rules.termination = False
        run = Run(server)
        assert (await run.to_the_end()).retryable
        assert run.finals() == ["N1 n2 n3."]

    with_server(story)


def test_a_cancelled_connection_leaves_nothing_open():
    async def story(server: AssemblyAIServer) -> None:
        run = Run(server)
        ending = asyncio.create_task(run.to_the_end(run.endless()))
        await until_async(lambda: run.sent)
        ending.cancel()
        await asyncio.gather(ending, return_exceptions=True)
        await until_async(lambda: server.open_count == 0)

    with_server(story)


def test_a_broken_source_of_audio_is_an_error_and_not_silence():
    async def broken() -> AsyncIterator[Frame]:
        raise ZeroDivisionError
        yield

    async def story(server: AssemblyAIServer) -> None:
        with pytest.raises(ZeroDivisionError):
            await Run(server).to_the_end(broken())

    with_server(story)
