"""A session of the speech service that expires while somebody speaks on and on."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from causal import clock, wire
from causal.broker.event_log import EventLog
from causal.journal import JournalReader, JournalWriter
from causal.journal_record import Recorded
from causal.latency import Latency
from causal.messages import Chunk, TranscriptFinal
from causal.messages.audio import CHUNK_SAMPLES
from causal.messages.control import Assignment
from causal.messages.log import HEARD_SILENCE, Claim, Coverage, Publish, Replay
from causal.stt.options import Key, Options
from causal.stt.stream import SpeechStream
from causal.stt.supply import Supply
from causal.stt.surroundings import Surroundings
from causal.stt.target import Target
from causal.stt.timing import Timing
from causal.testing.assemblyai_server import AssemblyAIServer
from causal.testing.oracle_speech import speak, to_s16

pytestmark = pytest.mark.live

STREAM = "s/mic"
KEY = "a-secret-key"
EXPIRES_S = 30.0
WORDS = range(1, 41)
"""Sixteen seconds without a pause that would end a turn, or a session."""


class Gateway:
    """One stream of a gateway with a real event log, journal and speech service; all answers come at once."""

    def __init__(self, folder: Path, server: AssemblyAIServer, timing: Timing) -> None:
        self.log = EventLog(":memory:")
        self.journal = JournalWriter(folder, STREAM)
        self.facts = Assignment(
            stream=STREAM, epoch=1, device="mic", engine="assemblyai", started_ns=clock.now_ns(), started_unix_ns=0
        )
        target = Target(Options(address=server.url, model="universal-streaming-english"), Key(KEY), is_engine=False)
        around = Surroundings(
            choose=lambda _: target,
            claim=lambda claim: self._soon(self._claim, claim),
            publish=lambda event, coverage: self._soon(self._publish, event, coverage),
            permit=_permit,
            emit=lambda _: None,
            changed=lambda: None,
            sending=Latency(),
            timing=timing,
        )
        self.stream = SpeechStream(self.facts, Supply(JournalReader(folder, STREAM)), around)
        self._stored = 0

    async def say(self, samples: np.ndarray) -> None:
        begun_s = clock.now_s()
        for n, piece in enumerate(samples[: len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES].reshape(-1, CHUNK_SAMPLES)):
            # As fast as one speaks: the sessions of the service expire by its clock.
            await asyncio.sleep(max(0.0, begun_s + n / 10 - clock.now_s()))
            self._pass_on(piece)
        self._pass_on(None)

    def words(self) -> list[str]:
        events = [logged.event for logged in self.log.replay(Replay(from_seq=0, limit=1000)).events]
        return [word["text"].strip(".").lower() for e in sorted(events, key=_start) for word in e["words"]]

    def _pass_on(self, piece: np.ndarray | None) -> None:
        index = self.journal.next_index
        chunk = Chunk(
            stream=STREAM,
            index=index,
            position=index * CHUNK_SAMPLES,
            captured_ns=clock.now_ns(),
            valid=0 if piece is None else CHUNK_SAMPLES,
            end=piece is None,
        )
        samples = np.zeros(CHUNK_SAMPLES, np.int16) if piece is None else piece
        self.journal.append(chunk, samples)
        self.stream.supply.offer(Recorded(chunk, samples))

    def _soon(self, what, *facts) -> None:
        asyncio.get_running_loop().call_soon(what, *facts)

    def _claim(self, claim: Claim) -> None:
        self.stream.claimed(self.log.claim(claim))

    def _publish(self, event: TranscriptFinal | None, coverage: Coverage) -> None:
        self._stored += 1
        kind, fields = (HEARD_SILENCE, {}) if event is None else ("transcript-final", wire.to_map(event))
        publish = Publish(id=str(self._stored), kind=kind, event=fields, coverage=coverage)
        self.stream.settled(coverage, self.log.store([publish])[0].answer)


async def _permit(_live, _unless) -> bool:
    return True


def _start(event: dict) -> int:
    return event["start_ms"]


def test_a_session_that_expires_amid_speech_without_a_pause_is_cut_between_two_words_and_none_is_lost(tmp_path):
    async def story() -> None:
        # The next session is wanted 2 s after the first began, and no pause is waited for longer than 3 s.
        timing = Timing(rollover_s=EXPIRES_S - 3.0, pause_s=3.0)
        async with AssemblyAIServer(key=KEY) as server:
            server.rules.max_session_s = EXPIRES_S
            gateway = Gateway(tmp_path, server, timing)
            async with asyncio.timeout(60), asyncio.TaskGroup() as group:
                group.create_task(gateway.stream.run())
                await gateway.say(to_s16(speak(WORDS)))
            assert gateway.stream.done
            assert gateway.words() == [f"n{number}" for number in WORDS]
            assert len(server.records) >= 3
            assert all(record.terminated for record in server.records)

    asyncio.run(story())
