"""A stream's shell: receives, asks the stream, carries out what it says."""

from __future__ import annotations

import asyncio
import time

from websockets.asyncio.server import ServerConnection

from .decoder import Decoder, Read
from .protocol import encode
from .refusal import CLOSE_REASON, NORMAL
from .stream import Action, Ask, Close, Send, Stream

MAX_BACKLOG_S = 60.0
"""Nothing more is received as long as more of the client's audio than this waits for its final …"""
MAX_OUTBOX = 200
"""… or more messages for the client than this; its own buffers fill then, and it waits."""
TICK_S = 1.0


class Conversation:
    """One client, from Begin to the end of the connection.

    The outbox holds what was decided but not yet sent; the stream fills it, one task empties it. It stays near
    ``MAX_OUTBOX``, for nothing is received while it is longer.
    """

    def __init__(self, connection: ServerConnection, decoder: Decoder, stream: Stream) -> None:
        self._connection = connection
        self._decoder = decoder
        self._stream = stream
        self._outbox: asyncio.Queue[Send | Close] = asyncio.Queue()
        self._moved = asyncio.Event()

    @property
    def backlog_s(self) -> float:
        """Length of the client's sound that waits for its final."""
        return self._stream.backlog_s

    @property
    def unsent(self) -> int:
        """Messages that wait for the client."""
        return self._outbox.qsize()

    async def run(self) -> None:
        """Returns when the connection is closed, by either side."""
        self._decoder.attach(self._stream, self._on_read)
        helpers = [asyncio.create_task(self._send()), asyncio.create_task(self._tick())]
        try:
            async for message in self._connection:
                self._carry_out(
                    self._stream.on_text(message, time.monotonic())
                    if isinstance(message, str)
                    else self._stream.on_audio(message, time.monotonic())
                )
                await self._room()
        finally:
            self._decoder.detach(self._stream)
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)

    def _on_read(self, found: Read | Exception) -> None:
        self._carry_out(self._stream.on_read(found, time.monotonic()))
        self._moved.set()

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Ask):
                self._decoder.ask(action.reading)
            else:
                self._outbox.put_nowait(action)

    async def _room(self) -> None:
        """Returns when there is room for more audio."""
        await asyncio.sleep(0)  # many messages may wait already: let others have their turn
        while self._stream.backlog_s > MAX_BACKLOG_S or self._outbox.qsize() > MAX_OUTBOX:
            self._moved.clear()
            await self._moved.wait()

    async def _send(self) -> None:
        while True:
            action = await self._outbox.get()
            self._moved.set()
            if isinstance(action, Close):
                reason = "Session Ended" if action.code == NORMAL else CLOSE_REASON
                await self._connection.close(action.code, reason)
                return
            await self._connection.send(encode(action.message))

    async def _tick(self) -> None:
        while True:
            wake_at_s = self._stream.wake_at_s()
            wait_s = TICK_S if wake_at_s is None else wake_at_s - time.monotonic()
            await asyncio.sleep(min(TICK_S, max(0.05, wait_s)))
            self._carry_out(self._stream.on_time(time.monotonic()))
