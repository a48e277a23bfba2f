"""Sockets by name, over TCP: real sockets on loopback, in one thread."""

import json
import os
import socket as sockets
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq

from causal import transport
from causal.errors import ConfigError
from causal.paths import Paths
from causal.transport import Doors, Line, Lines, chosen, endpoint_file, find, keys_file, look

PATIENCE_MS = 5000
LONG_ENOUGH_MS = 300
"""Nothing comes in that time that could: a connection takes 10."""


class Host:
    """A process that binds by name, for one socket."""

    def __init__(self, paths: Paths, name: str = "log", kind: transport.Kind = "tcp") -> None:
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.doors = Doors(self.context, paths, kind)
        self.doors.bind(self.socket, name)

    def hears(self, wait_ms: int = PATIENCE_MS, meanwhile: Callable[[], None] = lambda: None) -> bytes | None:
        """The next message; None when none comes."""
        poller = zmq.Poller()
        poller.register(self.socket, zmq.POLLIN)
        if self.doors.gate is not None:
            poller.register(self.doors.gate.socket, zmq.POLLIN)
        for _ in range(wait_ms // 20):
            ready = dict(poller.poll(20))
            meanwhile()
            if self.doors.gate is not None:
                self.doors.gate.answer()
            if self.socket in ready:
                return self.socket.recv()
        return None

    def die(self) -> None:
        """As `kill -9` ends it: what it has written stays."""
        self.context.destroy(linger=0)

    def serve(self, ending: threading.Event) -> None:
        while not ending.is_set():
            self.hears(20)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HANDSHAKE_WITHIN_S", 20.0)


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(tmp_path / "run", tmp_path / "data", tmp_path / "cache")
    paths.make()
    return paths


@pytest.fixture
def host(paths: Paths) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(name: str = "log", kind: transport.Kind = "tcp") -> Host:
        hosts.append(Host(paths, name, kind))
        return hosts[-1]

    yield make
    for made in hosts:
        made.die()


@pytest.fixture
def caller(context: zmq.Context[zmq.Socket[bytes]]) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    return socket


def test_who_connects_by_name_is_heard(paths, host, caller):
    there = host()
    Line(caller, paths, "log")
    caller.send(b"hello")
    assert there.hears() == b"hello"
    there.socket.send(b"and back")
    there.hears(LONG_ENOUGH_MS)
    assert caller.poll(PATIENCE_MS)
    assert caller.recv() == b"and back"


def test_who_comes_first_waits_until_somebody_is_there(paths, host, caller):
    lines = Lines(paths)
    lines.connect(caller, "log")
    there = host()
    lines.renew()
    caller.send(b"hello")
    assert there.hears() == b"hello"


def test_one_socket_may_connect_to_several_names(paths, host, caller):
    first, second = host("resample-1.next"), host("resample-2.next")
    for name in ("resample-1.next", "resample-2.next"):
        Line(caller, paths, name)
    caller.send(b"one")
    caller.send(b"two")
    assert {first.hears(), second.hears()} == {b"one", b"two"}


def test_after_a_kill_the_port_stays_the_same_so_that_others_connect_again_by_themselves(paths, host, caller):
    there = host()
    Line(caller, paths, "log")
    caller.send(b"before")
    assert there.hears() == b"before"
    port = find(paths, "log").address
    there.die()
    there = host()
    assert find(paths, "log").address == port
    caller.send(b"after")
    assert there.hears() == b"after"


def test_a_port_that_another_program_has_taken_is_left_to_it_and_lines_follow(paths, host, caller):
    there = host()
    lines = Lines(paths)
    lines.connect(caller, "log")
    former = find(paths, "log").address
    there.die()
    with sockets.create_server(("127.0.0.1", int(former.rpartition(":")[2])), reuse_port=False):
        there = host()
        assert find(paths, "log").address != former
        lines.renew()
        caller.send(b"found again")
        assert there.hears() == b"found again"


def test_who_has_another_key_is_not_heard_and_is_told_so(paths, host, caller, context):
    there = host()
    keys_file(paths, "client").unlink()
    host("other")  # makes new keys
    Line(caller, paths, "log")
    caller.send(b"let me in")
    assert there.hears(LONG_ENOUGH_MS) is None

    ending = threading.Event()
    thread = threading.Thread(target=there.serve, args=(ending,))
    thread.start()
    assert look(context, paths, "log") == "refused"
    ending.set()
    thread.join()


def test_who_shows_no_key_is_not_heard(paths, host, caller):
    there = host()
    caller.connect(find(paths, "log").address)
    caller.send(b"let me in")
    assert there.hears(LONG_ENOUGH_MS) is None


def test_who_has_a_key_but_not_the_clients_is_not_heard(paths, host, caller):
    there = host()
    caller.curve_publickey, caller.curve_secretkey = zmq.curve_keypair()
    caller.curve_serverkey = find(paths, "log").server_key.encode()
    caller.connect(find(paths, "log").address)
    caller.send(b"let me in")
    assert there.hears(LONG_ENOUGH_MS) is None


def test_whoever_is_there_is_seen(paths, host, context):
    there = host()
    ending = threading.Event()
    thread = threading.Thread(target=there.serve, args=(ending,))
    thread.start()
    assert look(context, paths, "log") == "there"
    ending.set()
    thread.join()


def test_somebody_who_is_busy_counts_as_there(paths, host, context, monkeypatch):
    monkeypatch.setattr(transport, "HANDSHAKE_WITHIN_S", 0.2)
    host()
    assert look(context, paths, "log") == "there"


def test_a_file_that_was_left_behind_is_nobody(paths, host, context):
    host().die()
    assert find(paths, "log") is not None
    assert look(context, paths, "log") == "away"


def test_another_program_on_the_port_is_nobody(paths, host, context):
    host().die()
    port = int(find(paths, "log").address.rpartition(":")[2])
    with sockets.create_server(("127.0.0.1", port)) as server:
        thread = threading.Thread(target=_answer_in_http, args=(server,))
        thread.start()
        assert look(context, paths, "log") == "away"
        thread.join()


def _answer_in_http(server: sockets.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_without_a_file_and_without_a_socket_nobody_is_there(paths, context):
    assert look(context, paths, "log") == "away"


def test_the_file_says_where_and_is_gone_with_the_service(paths, host):
    there = host()
    said = json.loads(endpoint_file(paths, "log").read_text())
    assert said["address"].startswith("tcp://127.0.0.1:")
    assert said["server_key"] == json.loads(keys_file(paths, "server").read_text())["public_key"]
    assert said["pid"] == os.getpid()
    there.doors.close()
    assert find(paths, "log") is None


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_nobody_else_may_read_keys_and_places(paths, host):
    host()
    for path in paths.runtime.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_file_of_keys_that_is_none_is_an_error_in_words(paths):
    keys_file(paths, "server").write_text("nonsense")
    with pytest.raises(ConfigError, match=r"curve-server.json is no key pair. Delete it"):
        Host(paths)


@pytest.mark.skipif(not zmq.has("ipc"), reason="no Unix sockets here")
def test_a_stack_on_unix_sockets_takes_the_place_of_one_on_tcp(paths, host, caller):
    host().die()
    lines = Lines(paths)
    lines.connect(caller, "log")
    there = host(kind="ipc")
    lines.renew()
    caller.send(b"hello")
    assert there.hears() == b"hello"


def test_a_file_that_is_half_written_by_somebody_else_is_none(paths, caller):
    endpoint_file(paths, "log").write_text('{"address": "tcp')
    assert find(paths, "log") is None


@pytest.mark.parametrize(
    ("abilities", "setting", "kind"),
    [
        ({"ipc", "curve"}, "auto", "ipc"),
        ({"curve"}, "auto", "tcp"),
        ({"ipc", "curve"}, "tcp", "tcp"),
        ({"ipc"}, "auto", "ipc"),
    ],
)
def test_the_setting_and_what_libzmq_can_do_choose(monkeypatch, abilities, setting, kind):
    monkeypatch.setattr(zmq, "has", abilities.__contains__)
    assert chosen(setting) == kind


@pytest.mark.parametrize(("abilities", "setting"), [({"curve"}, "ipc"), ({"ipc"}, "tcp"), (set(), "auto")])
def test_what_libzmq_cannot_do_is_said(monkeypatch, abilities, setting):
    monkeypatch.setattr(zmq, "has", abilities.__contains__)
    with pytest.raises(ConfigError, match="transport is"):
        chosen(setting)
