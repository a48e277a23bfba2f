"""The controller's socket: any bytes get a reply, no flood gets in the way."""

import random
import secrets
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import psutil
import pytest
import zmq

from causal import wire
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

FLOOD = 20_000
WINDOW = 500
"""Unanswered questions of one client. ZeroMQ drops answers beyond a thousand that wait for it."""
PATIENCE_MS = 5000


@pytest.fixture(scope="module")
def stack(procfile: Path) -> Iterator[Stack]:
    """A controller alone."""
    with Stack(procfile, []) as stack:
        stack.launch("causal-control")
        stack.until((stack.paths.runtime / "control").exists)
        stack.wait_ready(["control"])
        yield stack


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def dealer(stack: Stack, context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    dealer = context.socket(zmq.DEALER)
    dealer.connect(stack.paths.address("control"))
    return dealer


def reply(socket: zmq.Socket[bytes]) -> dict[str, Any]:
    assert socket.poll(PATIENCE_MS), "no reply"
    return wire.unpack_map(socket.recv_multipart()[-1])


def request(op: str, **fields: Any) -> bytes:
    return wire.pack_map({"v": 1, "id": secrets.token_hex(8), "op": op} | fields)


def pid(stack: Stack) -> int:
    return stack.pid("control")


# --- any bytes ---

ODDITIES = {
    "nothing": b"",
    "text": b"hello?",
    "JSON": b'{"v": 1, "id": 1, "op": "status"}',
    "a list": msgpack.packb([1, "status"]),
    "an empty map": wire.pack_map({}),
    "another version": wire.pack_map({"v": 2, "id": "a", "op": "status"}),
    "no version": wire.pack_map({"id": "a", "op": "status"}),
    "no id": wire.pack_map({"v": 1, "op": "status"}),
    "an id that is a list": wire.pack_map({"v": 1, "id": [], "op": "status"}),
    "an id that is true": wire.pack_map({"v": 1, "id": True, "op": "status"}),
    "an id that is too long": wire.pack_map({"v": 1, "id": "x" * 10_000, "op": "status"}),
    "an id that is a time": msgpack.packb({"v": 1, "id": msgpack.Timestamp(1), "op": "status"}),
    "an id without a floor": b"\x82\xa1v\x01\xa2id" + b"\x91" * 1000 + b"\xc0",
    "a version without a floor": b"\x82\xa2id\x01\xa1v" + b"\x91" * 1000 + b"\xc0",
    "no op": wire.pack_map({"v": 1, "id": "a"}),
    "an unknown op": wire.pack_map({"v": 1, "id": "a", "op": "sing"}),
    "a long unknown op": wire.pack_map({"v": 1, "id": "a", "op": "x" * 1_000_000}),
    "sources that are a text": wire.pack_map({"v": 1, "id": "a", "op": "start", "sources": "mic"}),
    "too many sources": wire.pack_map({"v": 1, "id": "a", "op": "start", "sources": ["file:/x"] * 5000}),
    "a source of a megabyte": wire.pack_map({"v": 1, "id": "a", "op": "start", "sources": ["x" * 1_000_000]}),
    "a session of a megabyte": wire.pack_map({"v": 1, "id": "a", "op": "stop", "session": "x" * 1_000_000}),
    "a token for ever": wire.pack_map({"v": 1, "id": "a", "op": "token", "expires_in_s": 2**64 - 1}),
    "bytes for a text": wire.pack_map({"v": 1, "id": "a", "op": "stop", "session": b"\xff"}),
    "4 GiB announced": b"\xdf\xff\xff\xff\xff",
    "a map in a map in a map": b"\x81\xa1a" * 5000,
}


@pytest.mark.parametrize("frame", ODDITIES.values(), ids=ODDITIES.keys())
def test_an_odd_request_gets_a_refusal_in_words(stack, dealer, frame):
    dealer.send_multipart([b"", frame])
    answer = reply(dealer)
    assert (answer["v"], answer["ok"]) == (1, False)
    assert set(answer["error"]) == {"code", "message", "hint"}
    assert answer["error"]["message"]
    assert len(wire.pack_map(answer)) < 2000, "nothing is echoed at length"
    assert "Traceback" not in stack.log()


def test_the_refusal_has_the_requests_id_where_it_has_one(dealer):
    for frame, expected in [
        (wire.pack_map({"v": 1, "id": "a", "op": "sing"}), "a"),
        (wire.pack_map({"v": 9, "id": 7, "op": "status"}), 7),
        (wire.pack_map({"v": 1, "id": [], "op": "status"}), None),
        (b"hello?", None),
    ]:
        dealer.send_multipart([b"", frame])
        assert reply(dealer)["id"] == expected


def damaged(frame: bytes, chance: random.Random) -> bytes:
    damaged = bytearray(frame)
    for _ in range(chance.randint(0, 3)):
        damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    return bytes(damaged)


def test_every_byte_string_gets_a_reply(dealer):
    chance = random.Random(3)
    good = [request("status"), request("stop", session="s"), request("token", expires_in_s=60), request("sessions")]
    answered = 0
    for _ in range(3000):
        frame = chance.choice(good) if chance.random() < 0.7 else chance.randbytes(chance.randint(1, 60))
        dealer.send_multipart([b"", damaged(frame, chance)])
        while dealer.poll(0):
            assert "ok" in reply(dealer)
            answered += 1
    while answered < 3000:
        assert "ok" in reply(dealer)
        answered += 1


def test_bytes_that_are_not_even_zeromq_disturb_nobody(stack, dealer):
    address = stack.paths.address("control").removeprefix("ipc://")
    for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 10_000, b""):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(address)
            stranger.sendall(garbage)
    dealer.send_multipart([b"", request("status")])
    assert reply(dealer)["ok"]


# --- any client ---


def test_req_and_dealer_clients_are_answered_in_their_manner(stack, context, dealer):
    req = context.socket(zmq.REQ)
    req.connect(stack.paths.address("control"))
    for _ in range(3):
        req.send(request("status"))
        assert reply(req)["ok"]
    for envelope in ([], [b""], [b"my", b"own", b""]):
        dealer.send_multipart([*envelope, request("status")])
        assert dealer.poll(PATIENCE_MS)
        *returned, frame = dealer.recv_multipart()
        assert returned == envelope
        assert wire.unpack_map(frame)["ok"]


def test_the_same_id_gets_the_same_reply_on_any_socket_and_after_the_controllers_death(stack, context):
    def ask() -> dict[str, Any]:
        with context.socket(zmq.REQ) as req:
            req.linger = 0
            req.connect(stack.paths.address("control"))
            req.send(wire.pack_map({"v": 1, "id": "once", "op": "start", "sources": [f"file:{__file__}"]}))
            return reply(req)

    first = ask()
    assert first["ok"]
    assert ask() == ask() == first
    killed = pid(stack)
    psutil.Process(killed).kill()
    stack.until(lambda: stack.alive().get("control.1", killed) != killed)
    assert ask() == first
    assert [view["status"]["session"] for view in stack.ask("status")["sessions"]] == [first["session"]]
    assert stack.ask("stop", session=first["session"])["state"] == "ended"


def test_what_is_asked_again_while_it_waits_is_answered_as_often(stack, dealer):
    frame = wire.pack_map({"v": 1, "id": "patient", "op": "list"})
    for _ in range(5):
        dealer.send_multipart([b"", frame])
    for _ in range(5):
        assert reply(dealer)["error"]["code"] == "device-unavailable", "there is no capture here"
    assert not dealer.poll(300)


def test_the_sockets_are_for_this_user_alone(stack):
    assert stat.S_IMODE(stack.paths.runtime.stat().st_mode) == 0o700


# --- floods ---


def ask_quickly(stack: Stack, context: zmq.Context[zmq.Socket[bytes]]) -> float:
    """How long another client waits for its reply."""
    with context.socket(zmq.REQ) as req:
        req.linger = 0
        req.connect(stack.paths.address("control"))
        begun_s = time.monotonic()
        req.send(request("status"))
        assert reply(req)["ok"]
        return time.monotonic() - begun_s


def bad_requests() -> list[bytes]:
    return [*ODDITIES.values(), request("stop", session="nobody"), request("start", sources=["nothing"]), b"\xc1"]


def test_a_flood_of_bad_requests_is_answered_and_others_hardly_wait(stack, context, dealer):
    frames = [frame for frame in bad_requests() if len(frame) < 100_000 and b"start" not in frame]
    memory = psutil.Process(pid(stack)).memory_info().rss
    waited_s = []
    answered = 0
    for sent in range(FLOOD):
        dealer.send_multipart([b"", frames[sent % len(frames)]])
        while dealer.poll(0) or sent - answered >= WINDOW:
            assert not reply(dealer)["ok"]
            answered += 1
        if sent % 2000 == 0:
            waited_s.append(ask_quickly(stack, context))
    while answered < FLOOD:
        assert not reply(dealer)["ok"]
        answered += 1
    assert max(waited_s) < 2.0
    assert psutil.Process(pid(stack)).memory_info().rss - memory < 30 << 20


def test_a_flood_from_one_who_never_reads_costs_others_nothing(stack, context, dealer):
    memory = psutil.Process(pid(stack)).memory_info().rss
    frame = request("status")
    waited_s = []
    for sent in range(FLOOD):
        try:
            dealer.send_multipart([b"", frame[:-1] + bytes([sent % 256])], zmq.NOBLOCK)
        except zmq.Again:
            waited_s.append(ask_quickly(stack, context))
    waited_s.append(ask_quickly(stack, context))
    assert max(waited_s) < 2.0
    assert psutil.Process(pid(stack)).memory_info().rss - memory < 30 << 20


def queues(stack: Stack) -> dict[str, Any]:
    """What the controller says of its own, once a second."""
    (view,) = [view["status"] for view in stack.ask("status")["services"] if view["status"]["service"] == "control"]
    return dict(view["queues"])


def test_a_flood_of_requests_that_wait_is_bounded(stack, context, dealer):
    before = queues(stack)
    assert set(before) == {"requests", "tokens", "transcripts", "events", "ephemeral"}
    for _ in range(3000):
        dealer.send_multipart([b"", request("list")])
    codes = [reply(dealer)["error"]["code"] for _ in range(3000)]
    assert codes.count("busy") >= 2000
    assert ask_quickly(stack, context) < 2.0
    stack.until(lambda: queues(stack)["requests"]["dropped"] - before["requests"]["dropped"] == codes.count("busy"))


def test_a_flood_of_workers_that_are_none_is_bounded(stack, context, dealer):
    for number in range(2000):
        poll = {"service": "fake", "instance": str(number), "incarnation": "x", "pid": 1}
        dealer.send_multipart([b"", request("assignments", **poll)])
    answers = [reply(dealer) for _ in range(2000)]
    assert [answer["ok"] for answer in answers].count(True) <= 500
    assert ask_quickly(stack, context) < 2.0


def test_after_all_this_the_controller_is_still_the_same(stack):
    assert stack.log().count("restarted") <= 1, "one was killed above"
    assert "Traceback" not in stack.log()
