"""The event log and the sound on a disk that fills up: a tmpfs of its own, the real parts, one thread."""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import zmq

from causal import topics, wire
from causal.broker.app import Broker
from causal.broker.ballast import PLENTY, SIZE_BYTES
from causal.broker_link import BrokerLink
from causal.control.app import Control
from causal.control.effects import SaveGrants
from causal.journal import JournalReader, JournalWriter
from causal.journal_record import RECORDS_PER_FILE, file_of, folder_of
from causal.loop import receive_all
from causal.messages import EVENT_TYPES, Chunk, TranscriptFinal
from causal.messages.control import Assignment, Fault, Work
from causal.messages.log import Claim, Claimed, Refused, Stored
from causal.resample.app import FULL_PERIOD_S, Resample
from causal.resample.recording import Recording
from causal.resample.reserve import Reserve, room_of
from causal.resample.shelf import AT_ONCE, Shelf
from causal.resample.trim import KEPT_CHUNKS, LOST_FILE
from causal.testing.one_loop import OneLoop
from causal.testing.small_disk import SmallDisk

pytestmark = pytest.mark.live

DISK_MB = (PLENTY + 1) * SIZE_BYTES >> 20
FEW_BYTES = 100_000
"""What a writer of sound had in its buffers."""


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


class Sound:
    """A stream's journal and its recording, noise in both; `now_s` is theirs."""

    def __init__(self, folder: Path) -> None:
        self.shelf = Shelf(folder / "journal", "s/mic", lambda _: None, Reserve(lambda: room_of(folder)))
        self.recording = Recording(folder / "journal", "s/mic", folder / "mic.flac", Reserve(lambda: room_of(folder)))
        self.now_s = 0.0
        self._next = 0
        self._noise = np.random.default_rng(1).integers(-32768, 32768, 1600, dtype=np.int16)

    def hear(self, seconds: int) -> None:
        for _ in range(seconds):
            for _ in range(10):
                chunk = Chunk(stream="s/mic", index=self._next, position=1600 * self._next, captured_ns=0)
                self.shelf.keep(chunk, self._noise)
                self._next += 1
            self.now_s += 1.0
            self.shelf.tick(self.now_s)
            self.recording.step()


def test_what_the_ballast_was_is_for_the_log_and_not_for_sound(stack, disk):
    with contextlib.closing(Broker(stack.service("broker"))):
        gateway = Listener(stack)
        ballast = stack.paths.data / "events.ballast"
        stack.run_until(ballast.exists)
        sound = Sound(disk.folder)
        sound.hear(seconds=10)
        assert sound.shelf.fault is None
        assert sound.recording.fault is None

        disk.fill()
        gateway.say("on the ballast", size=100_000)
        gateway.until_stored(1)
        assert not ballast.exists()
        left = psutil.disk_usage(str(disk.folder)).free
        assert left > SIZE_BYTES // 2
        sound.hear(seconds=240)
        assert psutil.disk_usage(str(disk.folder)).free > left - FEW_BYTES
        assert sound.shelf.depth >= 2390, "but for the second until the disk is looked at"
        assert sound.shelf.fault.code == "disk-full"
        gateway.say("and there is room for it", size=SIZE_BYTES // 32)
        gateway.until_stored(2)

        disk.make_room()
        sound.hear(seconds=1 + 2400 // AT_ONCE)
        assert sound.shelf.fault is None
        assert sound.recording.fault is None
        with JournalReader(disk.folder / "journal", "s/mic") as reader:
            assert all(one.chunk.valid for one in reader.read_range(0, 2500))


def is_disk_full(fault: Fault | None) -> bool:
    return fault is not None and fault.code == "disk-full"


def test_a_controller_that_cannot_save_says_so_until_it_can(stack, disk):
    with contextlib.closing(Control(stack.service("control"))) as control:
        disk.fill()
        granted_s = {f"wish {number} {'x' * 100}": float(number) for number in range(2_000)}
        control._carry_out([SaveGrants(granted_s)])
        assert is_disk_full(control._fault())

        disk.make_room()
        stack.run_until(lambda: not is_disk_full(control._fault()))
        assert control._store.grants() == granted_s


def keep_session(root: Path, name: str, chunks: int, written_s: float, *, ends: bool = True) -> None:
    stream = f"{name}/mic"
    with JournalWriter(folder_of(root, stream), stream) as writer:
        for index in range(chunks):
            end = ends and index == chunks - 1
            chunk = Chunk(stream=stream, index=index, position=1600 * index, captured_ns=0, end=end)
            writer.append(chunk, np.zeros(1600, np.int16))
    os.utime(file_of(folder_of(root, stream), 0), (written_s, written_s))


def hear_until_it_finds_room(stack: OneLoop, disk: SmallDisk, covered_to: int = 0) -> None:
    """Free are 15 of 80 MB, and 20 are kept for the log."""
    resample = Resample(stack.service("resample"))
    live = Assignment(
        stream="now/mic",
        epoch=1,
        device="mic",
        engine="local",
        started_ns=0,
        started_unix_ns=0,
        covered_to=covered_to,
    )
    resample._on_work(Work(streams=(live,), sessions=("now",)))
    stack.run_until(lambda: resample._retention.due_s > time.monotonic())
    with (disk.folder / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, psutil.disk_usage(str(disk.folder)).free - (15 << 20))
    shelf = resample._duties["now/mic"].shelf
    indexes = itertools.count(shelf.last.index + 1 if shelf.last else 0)

    def waits_for_room() -> bool:
        shelf.keep(Chunk(stream="now/mic", index=next(indexes), position=0, captured_ns=0), np.zeros(1600, np.int16))
        return shelf.depth > 0

    stack.run_until(waits_for_room)
    stack.run_until(lambda: not shelf.depth, within_s=2 * FULL_PERIOD_S)


def test_sound_of_old_sessions_makes_room_for_what_is_said_now(stack, disk):
    now_s = time.time()
    journal = stack.paths.journal
    keep_session(journal, "older", 2_500, now_s - 3 * 3600)
    keep_session(journal, "old", 2_500, now_s - 2 * 3600)
    hear_until_it_finds_room(stack, disk)
    assert sorted(path.name for path in journal.iterdir()) == ["now", "old"]


def test_a_session_that_goes_on_for_ever_makes_its_own_room(stack, disk):
    chunks = RECORDS_PER_FILE + KEPT_CHUNKS
    keep_session(stack.paths.journal, "now", chunks, time.time(), ends=False)
    hear_until_it_finds_room(stack, disk, covered_to=chunks)
    left = {path.name for path in folder_of(stack.paths.journal, "now/mic").iterdir()}
    assert left == {"000001.chunks", LOST_FILE}


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
