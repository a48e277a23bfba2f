"""One open page: its socket. Requests come in and are answered, events go out.

    page ──▶ hello {key} ──▶ show, start, stop, sessions, search, export
    page ◀── answers, events, stack, devices

What is not as agreed closes the socket with a reason. The page then comes again, and nobody else notices.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from causal.errors import CausalError

from .web_access import Access
from .web_control import error_map
from .web_hub import Hub, Page
from .web_requests import AnyRequest, Hello, Show, parse

HELLO_WITHIN_S = 5.0
MAX_OPEN_REQUESTS = 8
LONGEST_REASON_BYTES = 120

NOT_LET_IN = 4401
MALFORMED = 4400
TOO_LATE = 4408
TOO_MANY = 4429

Answer = Callable[[AnyRequest], Awaitable[dict[str, Any]]]


class _Closed(Exception):
    """The socket is to be closed: why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class PageSocket:
    """`answer` is asked what `hello` and `show` do not need."""

    def __init__(self, socket: WebSocket, hub: Hub, access: Access, answer: Answer) -> None:
        self._socket = socket
        self._hub = hub
        self._access = access
        self._answer = answer
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Returns when the page has gone or was sent away."""
        await self._socket.accept()
        try:
            await self._greet()
            await self._serve()
        except WebSocketDisconnect:
            return
        except _Closed as closed:
            reason = closed.reason.encode()[:LONGEST_REASON_BYTES].decode("utf-8", "ignore")
            with contextlib.suppress(RuntimeError):
                await self._socket.close(closed.code, reason)

    async def _greet(self) -> None:
        if not self._access.has_cookie(self._socket.cookies.get(self._access.cookie_name)):
            raise _Closed(NOT_LET_IN, "no cookie of this page: causal-ctl open")
        try:
            hello = await asyncio.wait_for(self._receive(), HELLO_WITHIN_S)
        except TimeoutError:
            raise _Closed(NOT_LET_IN, f"no hello within {HELLO_WITHIN_S:.0f} s") from None
        if not isinstance(hello, Hello):
            raise _Closed(NOT_LET_IN, f"the first message is hello, not {type(hello).__name__.lower()}")
        if not self._access.has_key(hello.key):
            raise _Closed(NOT_LET_IN, "another key than this page's: causal-ctl open")

    async def _serve(self) -> None:
        page = self._hub.enter()
        if page is None:
            raise _Closed(TOO_MANY, "too many pages are open")
        tasks = [asyncio.ensure_future(work) for work in (self._read(page), self._write(page))]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._hub.leave(page)
            for task in (*tasks, *self._open):
                task.cancel()
            await asyncio.gather(*tasks, *self._open, return_exceptions=True)

    async def _read(self, page: Page) -> None:
        while True:
            request = await self._receive()
            if isinstance(request, Show):
                self._hub.show(page, request.session, request.after, request.log)
                continue
            if len(self._open) >= MAX_OPEN_REQUESTS:
                raise _Closed(TOO_MANY, f"more than {MAX_OPEN_REQUESTS} requests at once")
            task = asyncio.ensure_future(self._reply(page, request))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _reply(self, page: Page, request: AnyRequest) -> None:
        answer: dict[str, Any]
        try:
            answer = {"ok": True} | await self._answer(request)
        except CausalError as error:
            answer = {"ok": False, "error": error_map(error)}
        page.offer(msgspec.json.encode({"type": "answer", "id": request.id} | answer))

    async def _write(self, page: Page) -> None:
        while (message := await page.next()) is not None:
            await self._socket.send_text(message.decode())
        raise _Closed(TOO_LATE, "the page did not keep up; it gets what it missed when it comes again")

    async def _receive(self) -> AnyRequest:
        message = await self._socket.receive()
        if message["type"] != "websocket.receive":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise _Closed(MALFORMED, "bytes instead of a JSON text")
        try:
            return parse(text)
        except ValueError as error:
            raise _Closed(MALFORMED, f"malformed: {error}") from error
