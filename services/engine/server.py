"""The WebSocket server: one connection per stream, on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import http
import logging
import time
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from causal.errors import EngineError
from causal.messages import QueueDepth

from .conversation import MAX_BACKLOG_S, MAX_OUTBOX, Conversation
from .decoder import Decoder
from .options import Options, parse_query, query_token
from .protocol import HEALTH_PATH, PATH, Begin, Error, encode
from .refusal import CLOSE_REASON, ENGINE_FAILED, GOING_AWAY, UNAUTHORIZED, Refused
from .stream import Stream
from .vad import Vad

log = logging.getLogger("causal.engine.server")

HOST = "127.0.0.1"
MODEL = "moonshine-base-en"
MAX_MESSAGE_BYTES = 1 << 20
RECEIVED_AHEAD = 4
"""Messages that are received before they are asked for; beyond that the client's own buffers fill."""
SESSION_S = 365 * 24 * 3600
"""The service ends a session after hours. Here none has to end, but the protocol wants a number."""


@contextlib.asynccontextmanager
async def serving(reception: Reception, *, port: int = 0, grace_s: float = 3.0) -> AsyncIterator[str]:
    """The server's address, for as long as the context lasts; at its end, sessions have ``grace_s`` to finish."""
    async with reception.decoder.running():
        server = await serve(
            reception.converse,
            HOST,
            port,
            process_request=route,
            compression=None,  # it costs more than it saves on audio
            max_size=MAX_MESSAGE_BYTES,
            max_queue=RECEIVED_AHEAD,
            close_timeout=1.0,
        )
        try:
            yield f"ws://{HOST}:{next(iter(server.sockets)).getsockname()[1]}"
        finally:
            server.close(close_connections=False)
            await reception.close(grace_s)
            await server.wait_closed()


def route(connection: ServerConnection, request: Request) -> Response | None:
    """Answers plain requests; None lets a WebSocket begin."""
    match urlsplit(request.path).path:
        case "/v3/ws":
            return None
        case "/v3/ws/health":
            return connection.respond(http.HTTPStatus.OK, "ok\n")
        case _:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"Here are {PATH} and {HEALTH_PATH} only.\n")


class Reception:
    """Lets clients in and tells those that may not come in why. Knows who is there. Without ``key`` all are let in."""

    def __init__(self, decoder: Decoder, key: str | None) -> None:
        self.decoder = decoder
        self._key = key
        self._visits: dict[ServerConnection, asyncio.Task[None]] = {}
        self._conversations: set[Conversation] = set()

    async def converse(self, connection: ServerConnection) -> None:
        """A connection, from its upgrade to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._visits[connection] = task
        try:
            await self._converse(connection)
        except ConnectionClosed:
            log.debug("a client left without a word")
        except Exception:
            log.exception("a session failed")
            raise
        finally:
            del self._visits[connection]

    async def close(self, grace_s: float) -> None:
        """Waits for the sessions to end, at most ``grace_s``; then ends those that are left."""
        if self._visits:
            await asyncio.wait(self._visits.values(), timeout=grace_s)
        await asyncio.gather(*(connection.close(GOING_AWAY, "The engine stops") for connection in self._visits))

    def queues(self) -> dict[str, QueueDepth]:
        """What waits of all clients together: milliseconds of sound for its final, and messages for the clients. A
        client that reaches the bound waits."""
        clients = self._conversations
        backlog_ms = round(1000 * sum(client.backlog_s for client in clients))
        capacity_ms = round(1000 * MAX_BACKLOG_S) * len(clients)
        return {
            "sound_ms": QueueDepth(depth=backlog_ms, capacity=capacity_ms),
            "messages": QueueDepth(depth=sum(client.unsent for client in clients), capacity=MAX_OUTBOX * len(clients)),
        }

    async def _converse(self, connection: ServerConnection) -> None:
        try:
            options = self._admitted(connection)
            await self.decoder.ready()
        except Refused as refused:
            await turn_away(connection, refused.code, refused.text)
            return
        except EngineError as error:
            log.warning("%s", error)
            await turn_away(connection, ENGINE_FAILED, str(error))
            return
        configuration = {"model": MODEL, "mode": "balanced", "api_version": "2025-05-12"}
        begin = Begin(str(uuid.uuid4()), int(time.time()) + SESSION_S, configuration)
        await connection.send(encode(begin))
        conversation = Conversation(connection, self.decoder, Stream(options, Vad(), time.monotonic()))
        self._conversations.add(conversation)
        try:
            await conversation.run()
        finally:
            self._conversations.remove(conversation)

    def _admitted(self, connection: ServerConnection) -> Options:
        request = connection.request
        assert request is not None, "the upgrade is over"
        query = urlsplit(request.path).query
        if self._key is not None:
            given = request.headers.get("Authorization") or query_token(query)
            if not given:
                raise Refused(UNAUTHORIZED, "Missing Authorization header")
            if not hmac.compare_digest(given.encode(), self._key.encode()):
                raise Refused(UNAUTHORIZED, "Unauthorized Connection: Invalid API key")
        return parse_query(query)


async def turn_away(connection: ServerConnection, code: int, text: str) -> None:
    """As the service does it: the useful text in an Error message, then a close with the same code."""
    await connection.send(encode(Error(code, text)))
    await connection.close(code, CLOSE_REASON)
