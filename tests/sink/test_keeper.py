"""The keeper, with a real broker and sinks that fail as disks and people do."""

from __future__ import annotations

import errno
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from causal.broker import app as broker_app
from causal.errors import CausalError, ConfigError
from causal.feed import START
from causal.messages import Event, Gap, QueueDepth, ServiceStatus, TranscriptPartial
from causal.messages.control import Fault
from causal.service import Service
from causal.sink import keeper as keeper_module
from causal.sink.keeper import Keeper, fault_of
from causal.sink.output import OutputBusy
from causal.sink.place import Place
from causal.testing import one_loop


class OneLoop(one_loop.OneLoop):
    broker: Service[Any]


class ListSink:
    """Writes into a list; fails while `broken` says so."""

    def __init__(self, remembers: bool = False) -> None:
        self.written: list[Event] = []
        self.broken: Exception | None = None
        self.opened = 0
        self.closed = 0
        self._remembers = remembers

    def open(self) -> int | None:
        self.opened += 1
        if isinstance(self.broken, ConfigError):
            raise self.broken
        return self.written[-1].seq if self._remembers and self.written else None

    def write(self, event: Event) -> None:
        if self.broken is not None:
            raise self.broken
        self.written.append(event)

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneLoop]:
    monkeypatch.setattr(broker_app, "HEAD_PERIOD_S", 0.05)
    monkeypatch.setattr(keeper_module, "RETRY_S", 0.05)
    monkeypatch.setattr(keeper_module, "TICK_S", 0.02)
    monkeypatch.delenv("HONCHO_PROCESS_NAME", raising=False)
    with OneLoop(tmp_path) as stack:
        stack.broker = stack.service("broker")
        broker_app.Broker(stack.broker)
        yield stack


def gap(n: int) -> Gap:
    return Gap(session="s", source="mic", start_ms=n, length_ms=10, reason="moved")


def keep(stack: OneLoop, sink: ListSink, begin: int | None = START, place: Place | None = None) -> Keeper:
    keeper = Keeper(stack.service("sink"), "list", sink, begin, place)
    assert keeper.open() is None
    return keeper


def kept(stack: OneLoop, sink: ListSink) -> tuple[Service[Any], Keeper]:
    me: Service[Any] = stack.service("sink")
    keeper = Keeper(me, "list", sink, START)
    keeper.open()
    return me, keeper


def seqs(sink: ListSink) -> list[int | None]:
    return [event.seq for event in sink.written]


FULL = OSError(errno.ENOSPC, "No space left on device", "/t.jsonl")


@pytest.mark.parametrize("remembers", [True, False])
def test_a_sink_that_could_not_write_is_told_everything_once_it_can(
    stack: OneLoop, caplog: pytest.LogCaptureFixture, remembers: bool
) -> None:
    sink = ListSink(remembers)
    stack.publish(gap(1), gap(2))
    keep(stack, sink)
    stack.run_until(lambda: len(sink.written) == 2)
    sink.broken = FULL
    stack.publish(*map(gap, range(3, 10)))
    stack.run_until(lambda: sink.opened >= 4)
    sink.broken = None
    stack.run_until(lambda: len(sink.written) == 9)
    assert seqs(sink) == list(range(1, 10))
    assert sink.closed == sink.opened - 1
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, "said once, not at every try"


def test_even_the_first_event_is_not_lost(stack: OneLoop) -> None:
    sink = ListSink()
    sink.broken = FULL
    keep(stack, sink, begin=None)
    stack.run_until(lambda: sink.opened == 1)
    stack.publish(gap(1))
    stack.run_until(lambda: sink.opened >= 3)
    sink.broken = None
    stack.run_until(lambda: sink.written)
    assert seqs(sink) == [1]


def test_a_failed_partial_costs_no_final(stack: OneLoop) -> None:
    sink = ListSink()
    stack.publish(gap(1))
    keep(stack, sink)
    stack.run_until(lambda: sink.written)
    sink.broken = OutputBusy("nobody reads the output")
    partial = TranscriptPartial(
        session="s", source="mic", turn="1", revision=0, text="so", start_ms=0, end_ms=1, started_at=""
    )
    stack.emit(partial)
    stack.run_until(lambda: sink.closed == 1)
    stack.publish(gap(2))
    sink.broken = None
    stack.run_until(lambda: len(sink.written) == 2)
    assert seqs(sink) == [1, 2]


def test_a_remembered_position_wins(stack: OneLoop) -> None:
    sink = ListSink(remembers=True)
    sink.written.append(Gap(session="s", source="mic", seq=2, start_ms=0, length_ms=1, reason="moved"))
    stack.publish(*map(gap, range(1, 5)))
    keep(stack, sink, begin=START)
    stack.run_until(lambda: len(sink.written) == 3)
    assert seqs(sink) == [2, 3, 4]


def test_the_next_worker_goes_on_at_the_place_of_the_killed_one(stack: OneLoop, tmp_path: Path) -> None:
    first, second = ListSink(), ListSink()
    place = Place(tmp_path, "list", 1)
    killed = keep(stack, first, begin=None, place=place)
    stack.run_until(lambda: place.last() == 0)  # it knows what "now" is before anything comes
    stack.publish(gap(1))
    stack.run_until(lambda: first.written)
    killed._events.end()
    stack.publish(gap(2))
    keep(stack, second, begin=None, place=Place(tmp_path, "list", 1))
    stack.run_until(lambda: second.written)
    assert (seqs(first), seqs(second)) == ([1], [2])


def test_a_command_that_cannot_be_right_is_over_at_once(stack: OneLoop) -> None:
    sink = ListSink()
    sink.broken = ConfigError("another sink writes t.jsonl", "Give this one another file.")
    assert Keeper(stack.service("sink"), "list", sink, START).open() is sink.broken


def test_within_a_stack_it_waits_its_turn_instead(stack: OneLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONCHO_PROCESS_NAME", "jsonl.1")
    stack.publish(gap(1))
    sink = ListSink()
    sink.broken = ConfigError("another sink writes t.jsonl", "Give this one another file.")
    keep(stack, sink)
    stack.run_until(lambda: sink.opened >= 3)
    sink.broken = None
    stack.run_until(lambda: sink.written)
    assert seqs(sink) == [1]


def test_a_reader_that_is_gone_ends_the_sink_quietly(stack: OneLoop, caplog: pytest.LogCaptureFixture) -> None:
    sink = ListSink()
    sink.broken = BrokenPipeError(errno.EPIPE, "Broken pipe")
    me, _ = kept(stack, sink)
    stack.publish(gap(1))
    stack.run_until(lambda: me.loop.ended)
    assert caplog.records == []


def test_at_the_end_it_waits_for_the_last_words(stack: OneLoop) -> None:
    sink, broker = ListSink(), stack.broker
    stack.publish(gap(1))
    me, keeper = kept(stack, sink)
    me.stop()
    broker.stop()
    stack.publish(gap(2))  # said while everything is ending
    stack.run_until(lambda: len(sink.written) == 2)
    assert not me.loop.ended
    stack.say_bye()
    stack.run_until(lambda: me.loop.ended)
    assert broker.loop.ended
    keeper.close()
    assert (seqs(sink), sink.closed) == ([1, 2], 1)


def test_it_does_not_wait_for_a_broker_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "BROKER_GONE_S", 0.1)
    with OneLoop(tmp_path) as stack:
        me, _ = kept(stack, ListSink())
        me.stop()
        stack.run_until(lambda: me.loop.ended, within_s=2.0)


def test_it_does_not_wait_for_ever_for_a_broker_that_stays(stack: OneLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "STOP_WITHIN_S", 0.3)
    me, _ = kept(stack, ListSink())
    me.stop()
    stack.run_until(lambda: me.loop.ended, within_s=2.0)


def test_a_person_at_a_terminal_does_not_wait(stack: OneLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    me, _ = kept(stack, ListSink())
    me.stop()
    assert me.loop.ended


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (FULL, "disk-full", "the sink jsonl cannot write: /t.jsonl: No space left on device"),
        (OSError(errno.EROFS, "Read-only file system", "/t"), "permission-denied", "Read-only file system"),
        (PermissionError(errno.EACCES, "Permission denied", "/t"), "permission-denied", "/t: Permission denied"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/a/b"), "internal", "/a/b: No such file"),
        (OutputBusy("nobody reads the output"), "internal", "nobody reads the output"),
        (CausalError("engine-failed", "no", "yes"), "engine-failed", "no"),
    ],
)
def test_a_fault_says_what_is_wrong_and_what_to_do(error: OSError | CausalError, code: str, message: str) -> None:
    fault = fault_of("jsonl", error)
    assert fault.code == code
    assert message in fault.message
    assert fault.hint
    assert fault.retrying


class CollectingSink(ListSink):
    """Stores in `flush` what `write` has collected, and remembers what is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.collected: list[Event] = []
        self.full = False

    def open(self) -> int | None:
        super().open()
        self.collected.clear()
        return self.written[-1].seq if self.written else None

    def write(self, event: Event) -> None:
        self.collected.append(event)

    def flush(self) -> None:
        if self.full and self.collected:
            raise FULL
        self.written += self.collected
        self.collected.clear()


def test_a_sink_that_collects_is_told_when_to_store(stack: OneLoop) -> None:
    sink = CollectingSink()
    stack.publish(gap(1), gap(2))
    keep(stack, sink)
    stack.run_until(lambda: len(sink.written) == 2)
    assert seqs(sink) == [1, 2]


def test_what_it_could_not_store_is_told_again_and_its_fault_is_logged_once(
    stack: OneLoop, caplog: pytest.LogCaptureFixture
) -> None:
    sink = CollectingSink()
    sink.full = True
    stack.publish(gap(1))
    keep(stack, sink)
    with caplog.at_level(logging.INFO, "causal.sink"):
        stack.run_until(lambda: sink.opened >= 4)
        assert len(caplog.records) == 1
        sink.full = False
        stack.run_until(lambda: len(caplog.records) == 2)
    assert seqs(sink) == [1]
    assert "works again" in caplog.text


def test_what_was_collected_is_stored_at_the_end(stack: OneLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeper_module, "TICK_S", 100.0)
    sink = CollectingSink()
    _, keeper = kept(stack, sink)
    stack.publish(gap(1))
    stack.run_until(lambda: sink.collected)
    keeper.close()
    assert (seqs(sink), sink.closed) == ([1], 1)


class WaitingSink(ListSink):
    """Its receiver is away, and it waits."""

    ephemeral = ("service-status",)

    def fault(self) -> Fault | None:
        return Fault(code="connection-failed", message="the receiver is away")

    def queues(self) -> dict[str, QueueDepth]:
        return {"posts": QueueDepth(depth=1, capacity=2)}


def test_a_sink_that_goes_on_may_report_what_is_wrong_all_the_same(stack: OneLoop) -> None:
    _, keeper = kept(stack, WaitingSink())
    report = keeper._report()
    assert report["fault"].message == "the receiver is away"
    assert set(report["queues"]) == {"held", "posts"}


class HoldingSink(ListSink):
    """Holds something, and has nothing to say of its own health."""

    def queues(self) -> dict[str, QueueDepth]:
        return {"output": QueueDepth(depth=1, capacity=2)}


def test_what_waits_in_a_sink_is_shown_beside_what_waits_for_it(stack: OneLoop) -> None:
    _, keeper = kept(stack, HoldingSink())
    assert set(keeper._report()["queues"]) == {"held", "output"}


def test_a_sink_chooses_the_ephemeral_events_it_wants(stack: OneLoop) -> None:
    sink = WaitingSink()
    _, keeper = kept(stack, sink)
    status = ServiceStatus(service="stt", instance="1", pid=1, cpu_percent=0.0, rss_bytes=0)

    def told() -> bool:
        stack.emit(status)
        return bool(sink.written)

    stack.run_until(told)
    assert sink.written[0] == status
    keeper.close()
