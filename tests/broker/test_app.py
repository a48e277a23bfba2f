"""The broker's sockets: who is answered what, who is told. Real sockets, one thread."""

import contextlib
import time
from collections.abc import Iterator

import pytest
import zmq

from causal import topics, wire
from causal.broker.app import HEAD_PERIOD_S, Broker
from causal.loop import receive_all
from causal.messages import Gap, Message, TranscriptPartial, TranscriptVoid
from causal.messages.log import Claim, Claimed, Coverage, Head, Hello, Publish, Refused, Replay, Replayed, Stored
from causal.testing.one_loop import OneLoop

GAP = {"session": "s", "source": "mic", "start_ms": 0, "length_ms": 1, "reason": "overflow"}
PROBE = topics.event("transcript-void", "probe")
ANSWERS = {topics.STORED: Stored, topics.REFUSED: Refused, topics.CLAIMED: Claimed, topics.REPLAYED: Replayed}


class Client:
    """A bare DEALER, and a subscriber to everything."""

    def __init__(self, stack: OneLoop) -> None:
        self.answers: list[Message] = []
        self.told: list[tuple[bytes, dict]] = []
        self._stack = stack
        self._socket = stack.context.socket(zmq.DEALER)
        stack.connect(self._socket, "log")
        self._events = stack.context.socket(zmq.SUB)
        self._events.subscribe(b"")
        stack.connect(self._events, "events")
        stack.loop.on_readable(self._socket, self._read)
        stack.loop.on_readable(self._events, self._listen)
        stack.run_until(self._is_heard)

    def send(self, topic: bytes, message: Message) -> None:
        self._socket.send_multipart(wire.pack(topic, message))

    def send_raw(self, *parts: bytes) -> None:
        self._socket.send_multipart(parts)

    def wait_for_answers(self, count: int) -> list[Message]:
        self._stack.run_until(lambda: len(self.answers) >= count)
        return self.answers

    def heads(self) -> list[dict]:
        return [fields for topic, fields in self.told if topic == topics.HEAD]

    def events(self) -> list[tuple[bytes, dict]]:
        return [(topic, fields) for topic, fields in self.told if topic not in (topics.HEAD, PROBE)]

    def _is_heard(self) -> bool:
        """Whether the subscription is in force."""
        self.send(PROBE, TranscriptVoid(session="probe", turn="1"))
        return bool(self.told)

    def _read(self) -> None:
        for parts in receive_all(self._socket):
            self.answers.append(wire.unpack(parts, ANSWERS[parts[0]]))

    def _listen(self) -> None:
        for topic, _, body in receive_all(self._events):
            self.told.append((topic, wire.unpack_map(body)))


@pytest.fixture
def stack(tmp_path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        yield stack


@pytest.fixture
def broker(stack) -> Iterator[Broker]:
    with contextlib.closing(Broker(stack.service("broker"))) as broker:
        yield broker


@pytest.fixture
def client(stack, broker) -> Client:
    return Client(stack)


def gap(key: str, **changes: object) -> Publish:
    return Publish(id=key, kind="gap", event=GAP | changes)


def final(key: str, epoch: int) -> Publish:
    event = {"session": "s", "source": "mic", "turn": "1", "revision": 0, "text": "", "start_ms": 0, "end_ms": 0}
    coverage = Coverage(stream="s/mic", lane="0", epoch=epoch, from_chunk=0, to_chunk=10)
    return Publish(id=key, kind="transcript-final", event=event | {"started_at": ""}, coverage=coverage)


def test_a_durable_event_is_answered_and_told_with_its_number(stack, client):
    client.send(topics.PUBLISH, gap("a"))
    stack.run_until(lambda: client.answers and client.events())
    assert client.answers == [Stored(id="a", seq=1)]
    assert client.events() == [(b"gap/s/mic/", GAP | {"seq": 1})]


def test_an_event_that_is_sent_twice_is_told_once(stack, client):
    for _ in range(2):
        client.send(topics.PUBLISH, gap("a"))
    assert client.wait_for_answers(2) == [Stored(id="a", seq=1)] * 2
    assert len(client.events()) == 1


def test_an_ephemeral_event_passes_straight_through(stack, client):
    partial = TranscriptPartial(
        session="s", source="mic", turn="1", revision=0, text="hel", start_ms=0, end_ms=0, started_at=""
    )
    client.send(topics.event("transcript-partial", "s", "mic"), partial)
    stack.run_until(client.events)
    ((topic, fields),) = client.events()
    assert topic == b"transcript-partial/s/mic/"
    assert wire.convert(fields, TranscriptPartial) == partial


def test_what_comes_before_a_claim_counts_before_it(client):
    client.send(topics.PUBLISH, final("a", epoch=1))
    client.send(topics.CLAIM, Claim(stream="s/mic", lane="0", epoch=2))
    client.send(topics.PUBLISH, final("b", epoch=1))
    stored, claimed, refused = client.wait_for_answers(3)
    assert stored == Stored(id="a", seq=1)
    assert (claimed.lane, claimed.epoch, claimed.covered_to) == ("0", 2, 10)
    assert isinstance(refused, Refused)
    assert refused.code == "stale-epoch"


def test_what_comes_before_a_replay_is_in_it(client):
    client.send(topics.PUBLISH, gap("a"))
    client.send(topics.REPLAY, Replay(from_seq=0))
    _, replayed = client.wait_for_answers(2)
    assert isinstance(replayed, Replayed)
    assert [logged.event["seq"] for logged in replayed.events] == [1]


def test_a_refusal_is_told_to_nobody_else(client):
    client.send(topics.PUBLISH, gap("a", start_ms="soon"))
    (refused,) = client.wait_for_answers(1)
    assert isinstance(refused, Refused)
    assert client.events() == []


ODDITIES = [
    [b""],
    [b"publish"],
    [b"publish", b"1"],
    [b"publish", b"1", b"\xc1"],
    [b"publish", b"2", b"\x80"],
    [b"claim", b"1", wire.pack_map({"stream": "s", "lane": "0", "epoch": 2**64 - 1})],
    [b"replay", b"1", wire.pack_map({"from_seq": "first"})],
    [b"gap/s/mic/", b"1", b"\x80"],
    [b"weather/s/mic/", b"1", b"\x80"],
    [b"\xff" * 300, b"1", b"\x80"],
    [b"hello", b"1", b"\x81" * 5000],
]


def test_odd_messages_are_dropped_counted_and_stop_nobody(stack, broker, client, caplog):
    for parts in ODDITIES:
        client.send_raw(*parts)
    client.send(topics.REPLAY, Replay(from_seq=-(2**63)))
    client.send(topics.PUBLISH, gap("a"))
    client.wait_for_answers(2)
    assert client.answers[1] == Stored(id="a", seq=1)
    assert broker._report()["queues"]["log"].dropped == len(ODDITIES)


def test_on_a_full_disk_nobody_is_answered_and_all_is_stored_when_there_is_room(stack, broker, client, caplog):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        client.send(topics.PUBLISH, gap("a", reason="x" * 200_000))
        stack.run_until(lambda: broker._report()["fault"])
        assert client.answers == []
        assert "the event log cannot be written" in broker._report()["fault"].message
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    client.send(topics.PUBLISH, gap("a", reason="x" * 200_000))
    assert client.wait_for_answers(1) == [Stored(id="a", seq=1)]
    assert broker._report()["fault"] is None


# --- the head, and the end ---


def test_the_head_is_told_every_second(stack, client):
    client.send(topics.PUBLISH, gap("a"))
    client.wait_for_answers(1)
    told = len(client.heads())
    stack.run_until(lambda: len(client.heads()) >= told + 2)
    assert client.heads()[-1] == wire.to_map(Head(seq=1, oldest_seq=1))


def test_the_broker_ends_when_the_last_publisher_has_said_bye(stack):
    service = stack.service("broker")
    with contextlib.closing(Broker(service)):
        client = Client(stack)
        client.send(topics.HELLO, Hello(publisher="a"))
        client.send(topics.PUBLISH, gap("first"))
        client.wait_for_answers(1)
        service.stop()
        until_s = time.monotonic() + HEAD_PERIOD_S / 4
        stack.run_until(lambda: time.monotonic() > until_s)
        assert not service.loop.ended, "a publisher is left"
        client.send(topics.PUBLISH, gap("last"))
        client.send(topics.BYE, Hello(publisher="a"))
        stack.run_until(lambda: service.loop.ended and client.heads()[-1]["closing"])
        assert client.answers[-1] == Stored(id="last", seq=2)
        assert client.heads()[-1]["seq"] == 2


def test_without_a_publisher_the_broker_ends_at_once(stack):
    service = stack.service("broker")
    with contextlib.closing(Broker(service)):
        service.stop()
        stack.run_until(lambda: service.loop.ended, within_s=0.5)


def test_events_go_to_all_who_listen(stack, client):
    others = [Client(stack) for _ in range(3)]
    client.send(topics.PUBLISH, Publish(id="a", kind="gap", event=wire.to_map(Gap(**GAP))))
    stack.run_until(lambda: all(other.events() for other in others))
    assert {tuple(event) for other in others for _, event in other.events()} == {
        ("session", "source", "seq", "start_ms", "length_ms", "reason")
    }
