"""The event log on a disk that fills up: a tmpfs of its own, a real broker, one thread."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from causal import topics, wire
from causal.broker.app import Broker
from causal.broker.ballast import PLENTY, SIZE_BYTES
from causal.broker_link import BrokerLink
from causal.loop import receive_all
from causal.messages import EVENT_TYPES, TranscriptFinal
from causal.messages.log import Claim, Claimed, Refused, Stored
from causal.testing.one_loop import OneLoop
from causal.testing.small_disk import SmallDisk

pytestmark = pytest.mark.live

DISK_MB = (PLENTY + 1) * SIZE_BYTES >> 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "disk", DISK_MB) as disk:
        if disk.missing:
            pytest.skip(disk.missing)
        yield disk


class Listener:
    """A gateway that publishes finals, and somebody who listens."""

    def __init__(self, stack: OneLoop) -> None:
        self.settled: list[Stored | Refused] = []
        self.claimed: list[Claimed] = []
        self.heard: list[tuple[str, int | None]] = []
        self._stack = stack
        self._link = BrokerLink(
            stack.service("stt"),
            on_settled=lambda _, answer: self.settled.append(answer),
            on_claimed=self.claimed.append,
        )
        self._events = stack.context.socket(zmq.SUB)
        self._events.subscribe(b"transcript-final/")
        self._events.connect(stack.paths.address("events"))
        stack.loop.on_readable(self._events, self._hear)

    def say(self, turn: str, size: int = 0) -> None:
        event = TranscriptFinal(
            session="s",
            source="mic",
            turn=turn,
            revision=0,
            text="x" * size,
            start_ms=0,
            end_ms=0,
            started_at="",
        )
        self._link.publish(event)

    def claim(self, stream: str) -> None:
        self._link.claim(Claim(stream=stream, lane="0", epoch=1))

    def until_claimed(self, count: int) -> None:
        self._stack.run_until(lambda: len(self.claimed) >= count, within_s=10.0)

    def until_stored(self, count: int) -> None:
        self._stack.run_until(lambda: len(self.settled) >= count, within_s=10.0)

    def _hear(self) -> None:
        for parts in receive_all(self._events):
            event = wire.unpack(parts, EVENT_TYPES[topics.kind_of(parts[0])])
            assert isinstance(event, TranscriptFinal)
            self.heard.append((event.turn, event.seq))


@pytest.fixture
def stack(disk: SmallDisk) -> Iterator[OneLoop]:
    with OneLoop(disk.folder) as stack:
        yield stack


def fault(broker: Broker) -> str:
    found = broker._report()["fault"]
    return found.code if found else ""


def test_a_full_disk_costs_no_final_and_no_time(stack, disk):
    with contextlib.closing(Broker(stack.service("broker"))) as broker:
        gateway = Listener(stack)
        ballast = stack.paths.data / "events.ballast"
        stack.run_until(ballast.exists)
        gateway.say("before")
        gateway.until_stored(1)

        disk.fill()
        for number in range(20):
            gateway.say(f"on the ballast {number}", size=100_000)
        gateway.until_stored(21)
        assert not ballast.exists()
        assert fault(broker) == "disk-full"

        disk.fill()
        before = len(gateway.heard)
        gateway.say("beyond it", size=200_000)
        gateway.say("and more", size=200_000)
        stack.run_until(lambda: len(gateway.heard) >= before + 2)
        assert gateway.heard[before:] == [("beyond it", None), ("and more", None)], "they go out at once"
        assert len(gateway.settled) == 21
        assert fault(broker) == "disk-full"

        disk.make_room()
        gateway.until_stored(23)
        stack.run_until(lambda: len(gateway.heard) >= before + 4)
        assert gateway.heard[before + 2 :] == [("beyond it", 22), ("and more", 23)], "and get their number later"
        stack.run_until(lambda: not fault(broker), within_s=15.0)
        assert ballast.exists()


def test_a_stream_that_begins_on_a_full_disk_is_claimed_with_the_ballast(stack, disk):
    with contextlib.closing(Broker(stack.service("broker"))) as broker:
        gateway = Listener(stack)
        ballast = stack.paths.data / "events.ballast"
        stack.run_until(ballast.exists)
        gateway.claim("s/mic")
        gateway.until_claimed(1)

        disk.fill()
        gateway.claim("s/system")
        gateway.until_claimed(2)
        assert not ballast.exists()
        assert fault(broker) == "disk-full"


def test_a_claim_that_waited_for_room_takes_the_fault_back(stack, disk):
    with contextlib.closing(Broker(stack.service("broker"))) as broker:
        gateway = Listener(stack)
        ballast = stack.paths.data / "events.ballast"
        stack.run_until(ballast.exists)
        ballast.unlink()
        disk.fill()
        gateway.claim("s/mic")
        stack.run_until(lambda: fault(broker) == "disk-full")
        assert not gateway.claimed

        disk.make_room()
        gateway.until_claimed(1)
        assert not fault(broker)


def test_a_broker_that_starts_on_a_full_disk_spends_its_ballast(stack, disk):
    with contextlib.closing(Broker(stack.service("broker"))):
        stack.run_until((stack.paths.data / "events.ballast").exists)
    disk.fill()
    service = stack.service("broker")
    with contextlib.closing(Broker(service)) as broker:
        assert fault(broker) == "disk-full"


def test_without_a_ballast_finals_go_out_at_once(stack, disk):
    with contextlib.closing(Broker(stack.service("broker"))):
        gateway = Listener(stack)
        gateway.say("before")
        gateway.until_stored(1)
        (stack.paths.data / "events.ballast").unlink()
        disk.fill()
        begun_s = time.monotonic()
        gateway.say("unstored", size=200_000)
        stack.run_until(lambda: ("unstored", None) in gateway.heard)
        assert time.monotonic() - begun_s < 4.0
