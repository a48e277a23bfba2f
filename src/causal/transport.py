"""How processes find each other's sockets by name.

`ipc`: a Unix socket, `ipc://RUNTIME_DIR/<name>`. `tcp`, which is what Windows has: TCP on loopback, encrypted with
CURVE. Whoever binds then writes to `RUNTIME_DIR/<name>.tcp` where it is, and who connects reads that. Two key pairs in
the same directory, which nobody but its user may read, tell friends from others:

    curve-server.json   who binds has the secret half; who connects wants to see it
    curve-client.json   who connects shows it; who binds lets nobody else in

Only who binds is told which of the two ways it is: the others look whether the file is there.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket as sockets
import sys
import time
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import zmq
from zmq.utils import z85

from causal import whole_file
from causal.errors import ConfigError
from causal.paths import Paths

log = logging.getLogger("causal.transport")

Socket = zmq.Socket[Any]
Context = zmq.Context[zmq.Socket[bytes]]
Kind = Literal["ipc", "tcp"]
Found = Literal["there", "away", "refused"]
T = TypeVar("T", bound=msgspec.Struct)

HANDSHAKE_WITHIN_S = 1.0
PICK_UP_S = 1.0
"""How often connections look whether their service has moved."""
SAME_TIME_NS = 2_000_000_000
"""File systems give changes that are closer together the same time."""
DOMAIN = b"causal"
GATE = "inproc://zeromq.zap.01"
"""Where libzmq asks whether a client may come in (ZAP, rfc.zeromq.org/spec/27)."""
GREETED = zmq.EVENT_HANDSHAKE_SUCCEEDED
REFUSED = zmq.EVENT_HANDSHAKE_FAILED_AUTH
NOT_OURS = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_DISCONNECTED
TAKEN = (zmq.EADDRINUSE, errno.EADDRINUSE, errno.EACCES)
"""On Windows ZeroMQ has a number of its own for an address in use."""
NOBODY = zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What `<name>.tcp` says."""

    address: str
    """`tcp://127.0.0.1:49152`."""
    server_key: str
    """Public key of who is there, in Z85."""
    pid: int
    """Process that is there."""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A CURVE key pair, in Z85."""

    public_key: str
    secret_key: str


def chosen(setting: Literal["auto", "ipc", "tcp"]) -> Kind:
    """What the setting `transport` means here. Raises `ConfigError` for what this libzmq cannot do."""
    has_ipc = zmq.has("ipc")
    kind: Kind = ("ipc" if has_ipc else "tcp") if setting == "auto" else setting
    if kind == "ipc" and not has_ipc:
        raise ConfigError('transport is "ipc", and ZeroMQ has no Unix sockets here', 'Set it to "auto".')
    if kind == "tcp" and not zmq.has("curve"):
        raise ConfigError('transport is "tcp", and this libzmq is made without CURVE', "Install pyzmq from PyPI.")
    return kind


class Doors:
    """What a process binds by name, until `close`."""

    def __init__(self, context: Context, paths: Paths, kind: Kind) -> None:
        self._context = context
        self._paths = paths
        self._kind = kind
        self._bound: list[str] = []
        self.gate: Gate | None = None
        """Wants its `answer` called when its `socket` is readable; there from the first `bind` on, with TCP."""

    def bind(self, socket: Socket, name: str) -> None:
        """Binds by name. Raises `ConfigError` when the place, or a file that says it, cannot be made."""
        try:
            if self._kind == "ipc":
                endpoint_file(self._paths, name).unlink(missing_ok=True)
                socket.bind(self._paths.address(name))
            else:
                self._bind_tcp(socket, name)
        except (OSError, zmq.ZMQError) as error:
            hint = "Set CAUSAL_RUNTIME_DIR to a place that you may write to."
            raise ConfigError(f"the socket {name} cannot be made in {self._paths.runtime}: {error}", hint) from error
        self._bound.append(name)

    def close(self) -> None:
        """Takes away the files that say where they are; the sockets are closed by who opened them."""
        if self._kind == "tcp":
            for name in self._bound:
                with contextlib.suppress(OSError):
                    endpoint_file(self._paths, name).unlink(missing_ok=True)

    def _bind_tcp(self, socket: Socket, name: str) -> None:
        if self.gate is None:
            self.gate = Gate(self._context, _keys(self._paths, "client").public_key)
        keys = _keys(self._paths, "server")
        socket.curve_server = True
        socket.curve_publickey = keys.public_key.encode()
        socket.curve_secretkey = keys.secret_key.encode()
        socket.zap_domain = DOMAIN
        former = find(self._paths, name)
        _bind_to_port(socket, former.address if former else None)
        address = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        endpoint = Endpoint(address=address, server_key=keys.public_key, pid=os.getpid())
        whole_file.replace(endpoint_file(self._paths, name), msgspec.json.encode(endpoint).decode())


class Gate:
    """Says to libzmq who may come in: whoever has the stack's client key. Belongs into the loop of who binds."""

    def __init__(self, context: Context, client_key: str) -> None:
        self._allowed = z85.decode(client_key)
        self._has_warned = False
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(GATE)

    def answer(self) -> None:
        """Answers what was asked meanwhile; never blocks."""
        while self.socket.poll(0):
            version, request_id, *rest = self.socket.recv_multipart()
            mechanism, *credentials = rest[3:]
            welcome = mechanism == b"CURVE" and credentials == [self._allowed]
            verdict = [b"200", b"OK"] if welcome else [b"400", b"another key than that of this stack"]
            self.socket.send_multipart([version, request_id, *verdict, b"", b""])
            if not welcome and not self._has_warned:
                self._has_warned = True
                log.warning("somebody without the key in curve-client.json was sent away; so will be all others")


class Line:
    """One socket's way to a name. Follows it when who is there starts again, on another port."""

    def __init__(self, socket: Socket, paths: Paths, name: str) -> None:
        self.socket = socket
        self._paths = paths
        self._name = name
        self._at: tuple[Endpoint | None, Keys | None] | None = None
        self.renew()

    @property
    def address(self) -> str | None:
        """Where the socket is connected to, whether somebody is there or not; None while nobody says where that is."""
        if self._at is None:
            return None
        endpoint, _ = self._at
        if endpoint is not None:
            return endpoint.address
        return self._paths.address(self._name) if zmq.has("ipc") else None

    def renew(self) -> None:
        """Looks where the name is now, and connects to there."""
        endpoint = find(self._paths, self._name)
        keys = _read(keys_file(self._paths, "client"), Keys) if endpoint else None
        if (endpoint, keys) == self._at:
            return
        if (former := self.address) is not None:
            with contextlib.suppress(zmq.ZMQError):  # libzmq has given it up by itself
                self.socket.disconnect(former)
        self._at = (endpoint, keys)
        if endpoint is None or keys is None:
            self.socket.curve_server = False  # the next connection is without CURVE
        else:
            self.socket.curve_serverkey = endpoint.server_key.encode()
            self.socket.curve_publickey = keys.public_key.encode()
            self.socket.curve_secretkey = keys.secret_key.encode()
        if (address := self.address) is not None:
            self.socket.connect(address)


class Lines:
    """The lines of a process. Call `renew` every `PICK_UP_S`; those whose sockets are closed are forgotten."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._lines: list[Line] = []
        self._looked_at_ns = 0

    def connect(self, socket: Socket, name: str) -> None:
        """Connects by name, as soon as somebody is there."""
        self._lines.append(Line(socket, self._paths, name))

    def renew(self) -> None:
        if not self._may_have_moved():
            return
        self._lines = [line for line in self._lines if not line.socket.closed]
        for line in self._lines:
            line.renew()

    def _may_have_moved(self) -> bool:
        """Whether anything in the directory came, went or was replaced since the last look. A change that is so new
        that another may bear the same time is looked at again."""
        if os.name != "posix":
            return True
        try:
            changed_ns = self._paths.runtime.stat().st_mtime_ns
        except OSError:
            return True
        is_known = changed_ns == self._looked_at_ns
        self._looked_at_ns = changed_ns if time.time_ns() - changed_ns > SAME_TIME_NS else 0
        return not is_known


def look(context: Context, paths: Paths, name: str) -> Found:
    """Whether somebody is there, and takes our key. Somebody who has not said within a second counts as there."""
    if find(paths, name) is None:
        return "there" if _listens(paths.address(name)) else "away"
    wanted = GREETED | REFUSED | NOT_OURS | NOBODY
    from zmq.utils.monitor import recv_monitor_message  # brings asyncio along, which nobody else here needs

    with context.socket(zmq.DEALER) as socket, socket.get_monitor_socket(wanted) as monitor:
        socket.linger = 0
        Line(socket, paths, name)
        until_s = time.monotonic() + HANDSHAKE_WITHIN_S
        event = 0
        while event == 0 and (wait_s := until_s - time.monotonic()) > 0:
            if monitor.poll(max(1, round(wait_s * 1000))):
                event = recv_monitor_message(monitor)["event"]
        socket.disable_monitor()
    if event & REFUSED:
        return "refused"
    return "away" if event & (NOT_OURS | NOBODY) else "there"


def find(paths: Paths, name: str) -> Endpoint | None:
    """Where a name is; None when it is not on TCP, or nowhere."""
    return _read(endpoint_file(paths, name), Endpoint)


def endpoint_file(paths: Paths, name: str) -> Path:
    return paths.runtime / f"{name}.tcp"


def keys_file(paths: Paths, whose: Literal["client", "server"]) -> Path:
    return paths.runtime / f"curve-{whose}.json"


def _keys(paths: Paths, whose: Literal["client", "server"]) -> Keys:
    """The keys; made if there are none yet, by whoever comes first."""
    path = keys_file(paths, whose)
    if (found := _read(path, Keys)) is None:
        public_key, secret_key = (key.decode() for key in zmq.curve_keypair())
        made = Keys(public_key=public_key, secret_key=secret_key)
        whole_file.create(path, msgspec.json.encode(made).decode())
        found = _read(path, Keys)
    if found is None:
        raise ConfigError(f"{path} is no key pair", "Delete it: the stack makes another one.")
    return found


def _read(path: Path, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def _bind_to_port(socket: Socket, former: str | None) -> None:
    """To the port of the last time if it is free, so that others connect again by themselves; else to any."""
    if former is not None:
        try:
            socket.bind(former)
            return
        except zmq.ZMQError as error:
            if error.errno not in TAKEN:
                raise
            log.warning("%s is taken by another program; another port is taken", former)
    socket.bind("tcp://127.0.0.1:*")


def _listens(address: str) -> bool:
    """Whether a process has a Unix socket; its file stays behind."""
    if sys.platform == "win32":
        return False
    with sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM) as probe:
        return probe.connect_ex(address.removeprefix("ipc://")) == 0
