"""A service's line to the broker, through the deaths of the broker. Real sockets, one thread."""

import time
from collections.abc import Iterator

import pytest
import zmq

from causal import topics, wire
from causal.broker.app import Broker
from causal.broker_link import HELLO_S, SEND_MARK, BrokerLink
from causal.loop import receive_all
from causal.messages import Gap, QueueDepth, SessionStatus
from causal.messages.log import Claim, Claimed, Coverage, Hello, Publish, Stored
from causal.testing.one_loop import OneLoop


@pytest.fixture
def stack(tmp_path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        yield stack


class OddBroker:
    """Hears everything and answers what it is told to, until it is killed."""

    def __init__(self, stack: OneLoop) -> None:
        self.heard: list[tuple[bytes, list[bytes]]] = []
        self._loop = stack.loop
        self._socket = stack.context.socket(zmq.ROUTER)
        self._socket.linger = 0
        stack.bind(self._socket, "log")
        stack.loop.on_readable(self._socket, self._hear)

    def _hear(self) -> None:
        for sender, *parts in receive_all(self._socket):
            self.heard.append((sender, parts))

    def topics(self) -> list[bytes]:
        return [parts[0] for _, parts in self.heard if parts[0] != topics.HELLO]

    def published(self) -> list[str]:
        return [wire.unpack(parts, Publish).id for _, parts in self.heard if parts[0] == topics.PUBLISH]

    def answer(self, parts: list[bytes]) -> None:
        sender, _ = self.heard[-1]
        self._socket.send_multipart([sender, *parts])

    def die(self) -> None:
        self._loop.forget(self._socket)
        self._socket.close()


def status(state: str) -> SessionStatus:
    return SessionStatus(session="s", label="", state=state, sources=())


def gap(start_ms: int) -> Gap:
    return Gap(session="s", source="mic", start_ms=start_ms, length_ms=1, reason="overflow")


def test_what_a_killed_broker_took_with_it_still_comes_first(stack):
    settled: list[tuple[str, int]] = []
    broker = OddBroker(stack)
    link = BrokerLink(
        stack.service("test"), on_settled=lambda publish, answer: settled.append((publish.id, answer.seq))
    )
    link.publish(status("running"), key="running")
    stack.run_until(broker.published)
    broker.die()
    link.publish(status("finishing"), key="finishing")
    link.publish(status("ended"), key="ended")
    Broker(stack.service("broker"))
    stack.run_until(lambda: link.idle)
    assert settled == [("running", 1), ("finishing", 2), ("ended", 3)]


def test_an_answer_sets_the_next_event_off_at_once(stack):
    broker = OddBroker(stack)
    link = BrokerLink(stack.service("test"))
    link.publish(gap(1), key="one")
    link.publish(gap(2), key="two")
    stack.run_until(broker.published)
    broker.answer(wire.pack(topics.STORED, Stored(id="one", seq=1)))
    stack.run_until(lambda: len(broker.published()) == 2, within_s=0.15)
    assert broker.published() == ["one", "two"]


def test_an_answer_that_makes_no_sense_is_dropped(stack):
    broker = OddBroker(stack)
    link = BrokerLink(stack.service("test"))
    link.publish(gap(1), key="one")
    stack.run_until(broker.published)
    for odd in ([b"stored"], [b"stored", b"1", b"\xc1"], [b"stored", b"9", b"\x80"], [b""], [b"news", b"1", b"\x80"]):
        broker.answer(odd)
    broker.answer(wire.pack(topics.STORED, Stored(id="another", seq=1)))
    broker.answer(wire.pack(topics.STORED, Stored(id="one", seq=1)))
    stack.run_until(lambda: link.idle)


def test_a_broker_that_is_away_makes_nobody_wait_and_fills_nothing(stack):
    link = BrokerLink(stack.service("test"))
    link.outbox.capacity = 100
    for number in range(1000):
        link.publish(gap(number))
        link.emit(gap(number))
    assert len(link.outbox) == 100
    assert link.outbox.dropped == 900
    Broker(stack.service("broker"))
    stack.run_until(lambda: link.idle)


def test_after_bye_there_is_no_hello(stack):
    broker = OddBroker(stack)
    link = BrokerLink(stack.service("test"))
    stack.run_until(lambda: broker.heard)
    link.say_bye()
    until_s = time.monotonic() + HELLO_S + 0.3
    stack.run_until(lambda: time.monotonic() > until_s)
    assert [parts[0] for _, parts in broker.heard] == [topics.HELLO, topics.BYE]
    assert wire.unpack(broker.heard[0][1], Hello) == wire.unpack(broker.heard[1][1], Hello)


def test_what_passes_through_and_does_not_go_out_is_counted(stack):
    link = BrokerLink(stack.service("test"))
    for number in range(SEND_MARK + 50):
        link.emit(gap(number))
    dropped = link.queues()["ephemeral"].dropped
    assert 50 <= dropped <= 60, "a hello or two are among those that wait"
    assert link.queues()["events"] == QueueDepth(depth=0, capacity=link.outbox.capacity, dropped=0)


def test_what_waits_to_be_stored_is_told(stack):
    link = BrokerLink(stack.service("test"))
    link.outbox.capacity = 3
    for number in range(5):
        link.publish(gap(number))
    assert link.queues()["events"] == QueueDepth(depth=3, capacity=3, dropped=2)


# --- marks and claims ---


def test_a_mark_is_sent_until_it_is_answered_and_is_no_event(stack):
    settled: list[tuple[Publish, Stored]] = []
    broker = OddBroker(stack)
    link = BrokerLink(stack.service("test"), on_settled=lambda *answer: settled.append(answer))
    link.mark(Coverage(stream="s/mic", lane="0", epoch=1, from_chunk=0, to_chunk=90))
    stack.run_until(broker.published)
    broker.die()
    Broker(stack.service("broker"))
    stack.run_until(lambda: link.idle)
    ((mark, answer),) = settled
    assert (mark.kind, mark.coverage.to_chunk, answer.seq) == ("heard-silence", 90, 0)


def test_a_claim_is_made_until_it_is_answered(stack):
    claimed: list[Claimed] = []
    broker = OddBroker(stack)
    link = BrokerLink(stack.service("test"), on_claimed=claimed.append)
    link.claim(Claim(stream="s/mic", lane="0", epoch=3))
    stack.run_until(broker.topics)
    broker.die()
    assert not link.idle
    Broker(stack.service("broker"))
    stack.run_until(lambda: link.idle)
    assert [(one.lane, one.epoch, one.covered_to) for one in claimed] == [("0", 3, 0)]


def test_the_answer_to_an_earlier_claim_does_not_settle_the_later_one(stack):
    claimed: list[Claimed] = []
    broker = OddBroker(stack)
    link = BrokerLink(stack.service("test"), on_claimed=claimed.append)
    link.claim(Claim(stream="s/mic", lane="0", epoch=3))
    link.claim(Claim(stream="s/mic", lane="0", epoch=4))
    stack.run_until(lambda: len(broker.topics()) == 2)
    for epoch in (3, 4):
        broker.answer(wire.pack(topics.CLAIMED, Claimed(stream="s/mic", lane="0", epoch=epoch, covered_to=7)))
    stack.run_until(lambda: link.idle)
    assert [answer.epoch for answer in claimed] == [4]


def test_a_lane_that_another_has_is_told(stack):
    claimed: list[Claimed] = []
    Broker(stack.service("broker"))
    for epoch in (9, 4):
        link = BrokerLink(stack.service("test"), on_claimed=claimed.append)
        link.claim(Claim(stream="s/mic", lane="0", epoch=epoch))
        stack.run_until(lambda link=link: link.idle)
    assert [answer.epoch for answer in claimed] == [9, 9]


def test_a_claim_that_nobody_wants_any_more_is_not_made_again(stack):
    link = BrokerLink(stack.service("test"))
    link.claim(Claim(stream="s/mic", lane="0", epoch=1))
    link.forget_claim("s/mic", "0")
    assert link.idle
