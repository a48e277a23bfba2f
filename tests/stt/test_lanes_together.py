"""Lanes, queues and the real event log together, in a storm: connections are cut, gateways are killed and frozen,
streams are divided, silence is marked. Whatever happens, each word is told once, and no half of one."""

import random
from pathlib import Path

import numpy as np
import pytest

from causal import wire
from causal.broker.event_log import EventLog
from causal.messages import Chunk, TranscriptFinal
from causal.messages.log import HEARD_SILENCE, Claim, LaneRange, Publish, Replay, Stored
from causal.stt.finals import FinalQueue, Send
from causal.stt.lane import Lane, level
from causal.stt.seam import SEARCH_CHUNKS, seam

STREAM = "s/mic"
NOISE = np.random.default_rng(1)
SPEECH = NOISE.integers(-8000, 8001, 1600).astype(np.int16)
ROOM = [NOISE.integers(-20, 21, 1600).astype(np.int16) for _ in range(7)]


class Talk:
    """Words of 2 to 8 chunks, and pauses of 5 to 150 between them."""

    def __init__(self, chance: random.Random) -> None:
        self.words: list[tuple[int, int]] = []
        self.samples = [ROOM[0]] * 5
        for _ in range(25):
            start = len(self.samples)
            self.samples += [SPEECH] * chance.randint(2, 8)
            self.words.append((start, len(self.samples)))
            self.samples += [chance.choice(ROOM) for _ in range(chance.choice([5, 8, 12, 20, 150]))]
        self.samples += [ROOM[0]] * 20

    def __len__(self) -> int:
        return len(self.samples)


class Service:
    """One connection: hears each word that it was sent, whole or cut, half a second after its end."""

    def __init__(self, talk: Talk, begin: int) -> None:
        self.talk = talk
        self.begin = self.told_to = begin

    def heard(self, sent_to: int, *, over: bool = False) -> list[tuple[str, int, int]]:
        """What is new: text, start and end in its own milliseconds."""
        told = []
        limit = sent_to if over else sent_to - 5
        for number, (start, end) in enumerate(self.talk.words):
            cut_start, cut_end = max(start, self.begin), min(end, sent_to)
            if self.told_to <= cut_end <= limit and cut_start < cut_end and cut_end > self.told_to:
                text = str(number) if (cut_start, cut_end) == (start, end) else "half"
                told.append((text, (cut_start - self.begin) * 100, (cut_end - self.begin) * 100))
                self.told_to = cut_end
        return told


class Gateway:
    """One gateway in one epoch, with a connection for each lane."""

    def __init__(self, talk: Talk, log: EventLog, epoch: int, chance: random.Random) -> None:
        self.talk, self.log, self.epoch, self.chance = talk, log, epoch, chance
        self.queues: dict[str, FinalQueue] = {}
        self.services: dict[str, Service] = {}
        self.at_broker: list[tuple[FinalQueue, Publish]] = []
        self.take(0)

    def take(self, from_chunk: int) -> None:
        claim = Claim(stream=STREAM, lane=str(from_chunk), epoch=self.epoch, from_chunk=from_chunk)
        claimed = self.log.claim(claim)
        self.queues, self.services, self.at_broker = {}, {}, []
        for lane in claimed.lanes if claimed.epoch == self.epoch else ():
            self.begin(lane)

    def begin(self, lane: LaneRange) -> None:
        made = Lane(lane.lane, lane.covered_to, from_chunk=lane.from_chunk, to_chunk=lane.to_chunk)
        self.queues[lane.lane] = FinalQueue(STREAM, made, self.epoch)
        self.connect(lane.lane)

    def connect(self, name: str) -> None:
        lane = self.queues[name].lane
        lane.begin_connection()
        self.services[name] = Service(self.talk, lane.next_index)

    def send(self, name: str, count: int, captured: int) -> None:
        lane, service = self.queues[name].lane, self.services[name]
        while count and not lane.all_sent and lane.next_index < captured:
            index = lane.next_index
            chunk = Chunk(stream=STREAM, index=index, position=index * 1600, captured_ns=0)
            lane.sent(chunk, self.talk.samples[index])
            count -= 1
        over = lane.all_sent or lane.next_index == len(self.talk)
        self.hear(name, service.heard(lane.next_index, over=over))
        if over and lane.to_chunk is not None and (tile := lane.mark_to(lane.to_chunk)):
            self.publish(self.queues[name], self.queues[name].add(None, tile))

    def hear(self, name: str, words: list[tuple[str, int, int]]) -> None:
        queue = self.queues[name]
        for text, start_ms, end_ms in words:
            if not queue.lane.holds(start_ms, end_ms):
                continue
            event = TranscriptFinal(
                session="s", source="mic", turn=text, revision=0, text=text, start_ms=0, end_ms=0, started_at=""
            )
            self.publish(queue, queue.add(event, queue.lane.tile((start_ms, end_ms))))

    def mark(self, name: str) -> None:
        """The service says how far it is; it is in a word when the sound that was sent ends in one, or just behind."""
        queue, sent_to = self.queues[name], self.queues[name].lane.next_index
        if any(start < sent_to <= end + 5 for start, end in self.talk.words):
            return
        if tile := queue.lane.mark((sent_to - self.services[name].begin) * 100):
            self.publish(queue, queue.add(None, tile))

    def divide(self, captured: int) -> None:
        name = next(reversed(self.queues))
        lane = self.queues[name].lane
        if lane.to_chunk is not None or captured - lane.promised_to < SEARCH_CHUNKS:
            return
        last = range(captured - SEARCH_CHUNKS, captured)
        quietest = seam([level(self.talk.samples[index]) for index in last], last[0])
        place = self.chance.choice([quietest, *last])  # as if there were no silence
        claim = Claim(stream=STREAM, lane=str(place), epoch=self.epoch, from_chunk=place)
        new = {lane.lane: lane for lane in self.log.claim(claim).lanes}.get(str(place))
        if place > lane.promised_to and new is not None:
            lane.to_chunk = place
            self.connect(name)
            self.begin(new)

    def publish(self, queue: FinalQueue, send: Send | None) -> None:
        if send is not None:
            kind, fields = (HEARD_SILENCE, {}) if send.event is None else ("transcript-final", wire.to_map(send.event))
            key = f"{self.epoch}-{self.chance.random()}"
            self.at_broker.append((queue, Publish(id=key, kind=kind, event=fields, coverage=send.coverage)))

    def store(self) -> None:
        while self.at_broker:
            queue, publish = self.at_broker.pop(0)
            repeats = self.chance.choice([1, 1, 2])
            answer = [self.log.store([publish])[0].answer for _ in range(repeats)][-1]
            if queue is not self.queues.get(publish.coverage.lane) or not queue.awaits(publish.coverage):
                continue
            if not isinstance(answer, Stored):
                self.take(0)
                return
            self.publish(queue, queue.settle(answer)[1])


def whole_talk(log: EventLog) -> list[str]:
    return [logged.event["text"] for logged in log.replay(Replay(from_seq=0, limit=1000)).events]


@pytest.mark.parametrize("seed", range(150))
def test_whatever_happens_each_word_is_told_once(tmp_path: Path, seed: int):
    chance = random.Random(seed)
    talk, log = Talk(chance), EventLog(":memory:")
    gateways, captured = [Gateway(talk, log, 1, chance)], 0
    while captured < len(talk):
        captured = min(len(talk), captured + chance.choice([1, 5, 20, 60]))
        gateway = chance.choice(gateways[-1:] * 4 + gateways[-2:])
        name = chance.choice([*gateway.queues, ""])
        match chance.choice(["send"] * 6 + ["store"] * 4 + ["mark"] * 2 + ["cut", "divide", "kill"]):
            case "send" if name:
                gateway.send(name, chance.randint(1, 80), captured)
            case "mark" if name:
                gateway.mark(name)
            case "cut" if name:
                gateway.connect(name)
            case "divide" if gateway.queues and len(gateway.queues) < 4:
                gateway.divide(captured)
            case "kill":
                gateways.append(Gateway(talk, log, gateways[-1].epoch + 1, chance))
            case "store":
                gateway.store()
    last = Gateway(talk, log, gateways[-1].epoch + 1, chance)
    for _ in range(2):
        for name in list(last.queues):
            last.send(name, len(talk), captured)
        last.store()
    assert sorted(whole_talk(log), key=int) == [str(number) for number in range(len(talk.words))]
