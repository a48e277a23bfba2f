"""A speech service for tests: AssemblyAI's streaming protocol on loopback, with faults at the turn of a switch.

    async with AssemblyAIServer(key="secret") as server:      # or: with in_thread(AssemblyAIServer()) as server:
        ...  connect to server.url ...
        server.faults.stall_begin = True
        server.abort_all()

It hears `oracle_speech` (so that the transcript depends on the audio), or says a script's words when the audio has come
so far. The official client works against it. What clients did is in `server.records`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from .assemblyai_account import Account, Limits, json_response
from .assemblyai_query import Refusal, read_query
from .assemblyai_session import REASON, Reply, Rules, ServiceSession, Shut, error_message
from .assemblyai_turns import Ear, OracleEar, ScriptEar, ScriptWord

TICK_S = 0.02


@dataclass
class Faults:
    """What goes wrong, for connections from now on. May be changed while the server runs."""

    refuse_status: int | None = None
    """Answers the upgrade with this HTTP status."""
    drop_upgrade: bool = False
    """Hangs up in the middle of the handshake."""
    stall_upgrade: bool = False
    """Accepts the TCP connection and says nothing."""
    stall_begin: bool = False
    """Opens the socket and says nothing."""
    error: tuple[int, str] | None = None
    """An `Error` with this code and text instead of `Begin`, then the close."""
    frozen: bool = False
    """Reads nothing more and answers nothing, on connections that are open too; TCP stays open."""


@dataclass
class Record:
    """What one client did."""

    path: str
    headers: dict[str, str]
    opened_s: float
    frame_bytes: list[int] = field(default_factory=list)
    """The sizes of the binary messages, in order."""
    audio: bytearray = field(default_factory=bytearray)
    texts: list[str] = field(default_factory=list)
    """The types of the text messages, in order."""
    session_id: str = ""
    closed: bool = False
    close_code: int | None = None

    @property
    def query(self) -> dict[str, str]:
        return {name: texts[0] for name, texts in parse_qs(urlsplit(self.path).query).items()}

    @property
    def credential(self) -> str | None:
        """The token or key that the client gave."""
        named = {name.lower(): value for name, value in self.headers.items()}
        return self.query.get("token", named.get("authorization"))

    @property
    def terminated(self) -> bool:
        return "Terminate" in self.texts


class AssemblyAIServer:
    """The service. `rules`, `faults` and `limits` may be changed while it runs, from any thread.

    Keeps all audio of all records, unless `keep_audio` is false.
    """

    def __init__(
        self,
        *,
        key: str = "test-key",
        script: Sequence[ScriptWord] | None = None,
        rules: Rules | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        keep_audio: bool = True,
    ) -> None:
        self.rules = rules or Rules()
        self.faults = Faults()
        self.records: list[Record] = []
        self.port = port
        self._account = Account(key)
        self._script = script
        self._tls = tls
        self._keep_audio = keep_audio
        self._open: dict[ServerConnection, Record] = {}
        self._tasks: set[asyncio.Future[None]] = set()
        self._server: Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def limits(self) -> Limits:
        return self._account.limits

    @property
    def url(self) -> str:
        """Where it is, without the path."""
        return f"{'wss' if self._tls else 'ws'}://127.0.0.1:{self.port}"

    @property
    def open_count(self) -> int:
        """How many connections there are now."""
        return len(self._open)

    async def __aenter__(self) -> AssemblyAIServer:
        self._loop = asyncio.get_running_loop()
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.faults.frozen = False
        await self._leave()

    def fail_all(self, code: int, text: str) -> None:
        """An `Error` and the close, for all open sessions."""
        self._for_all(lambda connection: self._spawn(_refuse(connection, Refusal(code, text))))

    def close_all(self, code: int = 1000, reason: str = "") -> None:
        """A close that nobody asked for."""
        self._for_all(lambda connection: self._spawn(connection.close(code, reason)))

    def abort_all(self) -> None:
        """Cuts all TCP connections."""
        self._for_all(lambda connection: connection.transport.abort())

    def freeze(self) -> None:
        """Stops reading and answering, on all connections; TCP stays open."""
        self.faults.frozen = True
        self._for_all(lambda connection: connection.transport.pause_reading())

    def thaw(self) -> None:
        """Ends `freeze`."""
        self.faults.frozen = False
        self._for_all(lambda connection: connection.transport.resume_reading())

    async def go_away(self) -> None:
        """Cuts everything and listens no more: connections are refused."""
        self.abort_all()
        await self._leave()

    async def come_back(self) -> None:
        """Listens again, on the same port."""
        await self._listen()

    async def _listen(self) -> None:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self.port,
            process_request=self._answer_http,
            ssl=self._tls,
            max_size=1 << 20,
            ping_interval=None,
            close_timeout=1,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def _leave(self) -> None:
        if self._server is not None:
            for connection in list(self._open):
                connection.transport.abort()
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _for_all(self, act: Callable[[ServerConnection], None]) -> None:
        def run() -> None:
            for connection in list(self._open):
                act(connection)

        if self._loop is not None:
            self._loop.call_soon_threadsafe(run)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """What is no WebSocket, and what the faults want instead of one."""
        path = urlsplit(request.path).path
        if path == "/v3/token":
            return self._account.token(request)
        if path == "/v3/ws/health":
            return json_response(HTTPStatus.OK, {"status": "ok"})
        if path != "/v3/ws":
            return json_response(HTTPStatus.NOT_FOUND, {"detail": "Not Found"})
        if self.faults.refuse_status is not None:
            return json_response(HTTPStatus(self.faults.refuse_status), {"detail": "refused"})
        if self.faults.drop_upgrade:
            connection.transport.abort()
        while self.faults.stall_upgrade:
            await asyncio.sleep(TICK_S)
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        request = connection.request
        assert request is not None
        record = Record(request.path, dict(request.headers.raw_items()), time.monotonic())
        self.records.append(record)
        self._open[connection] = record
        if self.faults.frozen:
            connection.transport.pause_reading()
        try:
            await self._run(connection, record)
        except ConnectionClosed:
            pass
        except Refusal as refusal:
            await _refuse(connection, refusal)
        finally:
            del self._open[connection]
            record.closed, record.close_code = True, connection.close_code

    async def _run(self, connection: ServerConnection, record: Record) -> None:
        if self.faults.error is not None:
            raise Refusal(*self.faults.error)
        max_s = min(self._account.authorize(record.credential), self.rules.max_session_s)
        query = read_query(record.path)
        self._account.admit(len(self._open) - 1)
        while self.faults.stall_begin:
            await asyncio.sleep(TICK_S)
        ear: Ear = OracleEar() if self._script is None else ScriptEar(self._script)
        session = ServiceSession(query, ear, self.rules, now_s=time.monotonic(), unix_s=time.time(), max_s=max_s)
        record.session_id = session.id
        await connection.send(json.dumps(session.begin()))
        await self._talk(connection, record, session)

    async def _talk(self, connection: ServerConnection, record: Record, session: ServiceSession) -> None:
        while True:
            while self.faults.frozen:
                await asyncio.sleep(TICK_S)
            replies: list[Reply]
            try:
                async with asyncio.timeout(TICK_S):
                    data = await connection.recv()
            except TimeoutError:
                replies = session.tick(time.monotonic())
            else:
                replies = self._take(record, session, data)
            for reply in replies:
                if isinstance(reply, Shut):
                    await connection.close(reply.code, reply.reason)
                    return
                await connection.send(reply if isinstance(reply, str) else json.dumps(reply))

    def _take(self, record: Record, session: ServiceSession, data: str | bytes) -> list[Reply]:
        if isinstance(data, bytes):
            if self._keep_audio:
                record.frame_bytes.append(len(data))
                record.audio += data
            return session.audio(data, time.monotonic())
        with contextlib.suppress(ValueError, AttributeError):
            record.texts.append(str(json.loads(data).get("type")))
        return session.text(data, time.monotonic())


@contextlib.contextmanager
def in_thread(server: AssemblyAIServer) -> Iterator[AssemblyAIServer]:
    """Runs the server beside a test that does not use asyncio."""
    ready, loop = threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()

    async def run() -> None:
        async with server:
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="assemblyai-server", daemon=True)
    thread.start()
    try:
        if not ready.wait(10):
            raise RuntimeError("the test server did not start within 10 s")
        yield server
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


async def _refuse(connection: ServerConnection, refusal: Refusal) -> None:
    with contextlib.suppress(ConnectionClosed):
        await connection.send(json.dumps(error_message(refusal)))
    await connection.close(refusal.code if refusal.code >= 1000 else 1008, REASON)
