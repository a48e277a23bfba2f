"""One WebSocket to the speech service: carries out what `session` says, and tells it what happens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from causal import clock

from . import codec, options
from .failures import Failure
from .session import (
    Action,
    Close,
    Dropped,
    Event,
    Finish,
    GoLive,
    NotOpened,
    Opened,
    Ponged,
    Received,
    SendPing,
    SendText,
    Session,
    State,
    Woke,
    WriteBegan,
    WriteEnded,
)
from .target import Target, is_loopback

log = logging.getLogger("causal.stt.connection")

MAX_MESSAGE_BYTES = 4 << 20
CLOSE_S = 1.0
IN_A_ROW_S = 0.02
"""Messages that are closer together may be many."""

OnAction = Callable[[Action], None]


@dataclass(frozen=True)
class Frame:
    """One audio message, and what to do when it goes out."""

    data: bytes
    on_sent: Callable[[], None]


class Connection:
    """From the handshake to the close. Used once; `run` returns how it ended."""

    def __init__(self, target: Target, session: Session, on_action: OnAction) -> None:
        self._target = target
        self._session = session
        self._on_action = on_action
        self._texts: asyncio.Queue[str] = asyncio.Queue()
        self._live = asyncio.Event()
        self._over: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._sent_s = 0.0
        self._socket: ClientConnection | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, audio: AsyncIterator[Frame]) -> Failure | None:
        """Sends `audio` once the session is live, and `Terminate` when it ends. `None` after an end in good order."""
        self._set_timer()
        talk = self._spawn(self._talk(audio))
        try:
            failure = await asyncio.shield(self._over)
            if failure is None:
                await asyncio.wait([talk], timeout=2 * CLOSE_S)  # the closing handshake
            return failure
        finally:
            self._clear_timer()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _talk(self, audio: AsyncIterator[Frame]) -> None:
        try:
            async with self._dial() as socket:
                self._socket = socket
                try:
                    self._on(Opened(time.time()))
                    self._spawn(self._write(socket, audio))
                    await self._read(socket)
                finally:
                    if self._session.state is not State.CLOSED or self._failed:
                        socket.transport.abort()  # a peer that is gone would not answer the close either
        except InvalidStatus as error:
            status = error.response.status_code
            self._on(NotOpened(f"HTTP {status}", status))
        except (OSError, TimeoutError, WebSocketException, EOFError) as error:
            if self._session.state is State.CONNECTING:
                self._on(NotOpened(f"{self._target.options.address} cannot be reached: {_told(error)}"))

    @property
    def _failed(self) -> bool:
        return self._over.done() and not self._over.cancelled() and self._over.result() is not None

    def _dial(self) -> connect:
        address = self._target.options.address
        return connect(
            options.url(self._target.options),
            additional_headers=options.headers(self._target.key),
            user_agent_header="causal-audio",
            compression=None,
            open_timeout=None,  # the session has its own deadlines
            ping_interval=None,
            close_timeout=CLOSE_S,
            max_size=MAX_MESSAGE_BYTES,
            proxy=None if is_loopback(address) else True,
        )

    async def _read(self, socket: ClientConnection) -> None:
        try:
            while self._session.state is not State.CLOSED:
                self._on(Received(codec.parse(await socket.recv())))
        except ConnectionClosed:
            self._on(Dropped(socket.close_code or 1006, socket.close_reason or ""))

    async def _write(self, socket: ClientConnection, audio: AsyncIterator[Frame]) -> None:
        await self._live.wait()
        with contextlib.suppress(ConnectionClosed):  # the reader tells
            async for frame in audio:
                frame.on_sent()
                await self._send(socket, frame.data)
            self._on(Finish())
            while True:
                await self._send(socket, await self._texts.get())

    async def _send(self, socket: ClientConnection, data: str | bytes) -> None:
        self._on(WriteBegan())
        await socket.send(data)
        self._on(WriteEnded())
        former_s, self._sent_s = self._sent_s, clock.now_s()
        if self._sent_s - former_s < IN_A_ROW_S:
            await asyncio.sleep(0)  # sends that need not wait would keep the others from their turn

    async def _ping(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await (await socket.ping())
            self._on(Ponged())

    def _on(self, event: Event) -> None:
        for action in self._session.on(event, clock.now_s()):
            self._carry_out(action)
        self._set_timer()

    def _carry_out(self, action: Action) -> None:
        match action:
            case SendText(text):
                self._texts.put_nowait(text)
            case SendPing() if self._socket is not None:
                self._spawn(self._ping(self._socket))
            case GoLive():
                self._on_action(action)
                self._live.set()
            case Close(failure):
                if not self._over.done():
                    self._over.set_result(failure)
            case _:
                self._on_action(action)

    def _set_timer(self) -> None:
        """Wakes the session at its deadline or before: one that moves on, as most do, is not worth another timer."""
        deadline_s = self._session.deadline_s
        if deadline_s is None or self._over.done():
            self._clear_timer()
        elif self._timer is None or deadline_s < self._timer_s:
            self._clear_timer()
            self._timer_s = deadline_s
            delay_s = max(0.0, deadline_s - clock.now_s())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._wake)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        self._timer = None
        self._on(Woke())

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        """A task that broke is our bug: it ends the connection with its error instead of leaving it silent."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self._over.done():
            self._over.set_exception(error)


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__
