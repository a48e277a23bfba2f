"""A subscription on real sockets, against the real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from causal import topics, wire
from causal.broker import app as broker_app
from causal.feed import START
from causal.messages import CaptureStatus, Event, Gap, ServiceStatus, TranscriptPartial
from causal.messages.log import Head, LoggedEvent, Replay, Replayed
from causal.subscription import Subscription
from causal.testing.one_loop import OneLoop


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OneLoop]:
    monkeypatch.setattr(broker_app, "HEAD_PERIOD_S", 0.05)
    with OneLoop(tmp_path) as stack:
        yield stack


def gap(n: int, session: str = "s", source: str = "mic") -> Gap:
    return Gap(session=session, source=source, start_ms=n, length_ms=10, reason="moved")


def told(events: list[Event]) -> list[int]:
    return [event.start_ms for event in events if isinstance(event, Gap)]


def subscribe(stack: OneLoop, begin: int | None, **choice: str) -> tuple[Subscription, list[Event]]:
    events: list[Event] = []
    subscription = Subscription(stack.loop, stack.context, stack.paths, events.append, **choice)
    subscription.begin(begin)
    return subscription, events


def test_history_and_what_follows_come_in_one_line(stack: OneLoop) -> None:
    broker_app.Broker(stack.service("broker"))
    stack.publish(*map(gap, range(250)))
    subscription, events = subscribe(stack, START)
    stack.run_until(lambda: subscription.feed.caught_up)
    stack.publish(*map(gap, range(250, 300)))
    stack.run_until(lambda: len(events) >= 300)
    assert told(events) == list(range(300))
    assert [event.seq for event in events] == list(range(1, 301))


def test_from_now_on_nothing_old_comes(stack: OneLoop) -> None:
    broker_app.Broker(stack.service("broker"))
    stack.publish(gap(0))
    subscription, events = subscribe(stack, None)
    stack.run_until(lambda: subscription.feed.position is not None)
    stack.publish(gap(1))
    stack.run_until(lambda: events)
    assert told(events) == [1]


def test_one_session_or_source_is_told_and_the_others_are_only_counted(stack: OneLoop) -> None:
    broker_app.Broker(stack.service("broker"))
    stack.publish(gap(0, "a"), gap(1, "b"), gap(2, "a", "system"))
    subscription, events = subscribe(stack, START, session="a", source="mic")
    stack.run_until(lambda: subscription.feed.caught_up)
    stack.publish(gap(3, "b"), gap(4, "a", "system"), gap(5, "a"))
    stack.run_until(lambda: subscription.feed.position == 6)
    assert told(events) == [0, 5]


def test_partials_pass_and_what_no_one_asked_for_does_not(stack: OneLoop) -> None:
    broker_app.Broker(stack.service("broker"))
    subscription, events = subscribe(stack, None)
    stack.run_until(lambda: subscription.feed.position is not None)
    stack.emit(ServiceStatus(service="x", instance="1", pid=1, cpu_percent=0.0, rss_bytes=0))
    stack.emit(
        TranscriptPartial(
            session="s", source="mic", turn="1", revision=0, text="so", start_ms=0, end_ms=1, started_at=""
        )
    )
    stack.emit(CaptureStatus(session="s", source="mic", device="d", state="capturing", speech="live"))
    stack.run_until(lambda: len(events) >= 2)
    assert [type(event) for event in events] == [TranscriptPartial, CaptureStatus]


def test_a_broker_that_comes_later_is_found_and_asked_once(stack: OneLoop) -> None:
    _, events = subscribe(stack, START)
    late_s = iter([False] * 300)
    stack.run_until(lambda: next(late_s, True))  # longer than the time after which a replay is asked for again
    broker_app.Broker(stack.service("broker"))
    stack.publish(gap(0))
    stack.run_until(lambda: events)
    assert told(events) == [0]


def test_it_can_be_ended_from_within_and_begun_anew_where_it_stopped(stack: OneLoop) -> None:
    broker_app.Broker(stack.service("broker"))
    stack.publish(*map(gap, range(10)))
    events: list[Event] = []

    def take(event: Event) -> None:
        events.append(event)
        if event.seq == 4:
            subscription.end()

    subscription = Subscription(stack.loop, stack.context, stack.paths, take)
    subscription.begin(START)
    stack.run_until(lambda: len(events) == 4)
    subscription.begin(5)
    stack.run_until(lambda: len(events) == 10)
    assert told(events) == list(range(10))


class DeafBroker:
    """Binds the broker's sockets and says what the test says; remembers what it is asked."""

    def __init__(self, stack: OneLoop) -> None:
        self.asked: list[Replay] = []
        self._sender = b""
        self._log = stack.context.socket(zmq.ROUTER)
        stack.bind(self._log, "log")
        self.events = stack.context.socket(zmq.XPUB)
        stack.bind(self.events, "events")
        stack.loop.on_readable(self._log, self._hear)

    def _hear(self) -> None:
        self._sender, *parts = self._log.recv_multipart()
        self.asked.append(wire.unpack(parts, Replay))

    def answer(self, *parts: bytes) -> None:
        self._log.send_multipart([self._sender, *parts])


def test_an_answer_that_cannot_be_read_is_asked_for_again(stack: OneLoop) -> None:
    broker = DeafBroker(stack)
    subscription, events = subscribe(stack, START)
    stack.run_until(lambda: broker.asked)
    broker.answer(topics.REPLAYED, b"1", b"not a map")
    stack.run_until(lambda: len(broker.asked) >= 2)
    assert subscription.malformed == 1
    logged = LoggedEvent(kind="gap", event=wire.to_map(gap(7)) | {"seq": 1})
    broker.answer(*wire.pack(topics.REPLAYED, Replayed(events=(logged,), next_seq=2, head_seq=1, oldest_seq=1)))
    stack.run_until(lambda: events)
    assert told(events) == [7]


def test_what_is_not_as_agreed_is_counted_and_stops_nothing(stack: OneLoop) -> None:
    broker = DeafBroker(stack)
    subscription, events = subscribe(stack, None)
    stack.run_until(lambda: broker.events.poll(0))
    broker.events.send_multipart([topics.HEAD, b"7", b""])
    broker.events.send_multipart([topics.event("gap", "s", "mic")])
    broker.events.send_multipart([topics.event("gap", "s", "mic"), b"1", b"\xc1"])
    broker.events.send_multipart(wire.pack(topics.HEAD, Head(seq=3, oldest_seq=1, closing=True)))
    stack.run_until(lambda: subscription.finished)
    assert (subscription.malformed, subscription.feed.position, events) == (3, 3, [])
