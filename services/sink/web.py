"""`causal-sink web`: the page, for a browser on this computer. `causal-ctl open` shows it.

events ──▶ history (SQLite) ──▶ hub ──WebSocket──▶ pages
             (the sink's thread)  │ (the server's thread, asyncio)
                                  └── controller: start, stop, devices, status
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import sqlite3
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import uvicorn

from causal import page_file
from causal.async_loop import run
from causal.errors import CausalError, ConfigError
from causal.messages import Event, QueueDepth
from causal.page_file import PageFile
from causal.paths import locked

from . import web_server
from .sink import SinkOptions
from .web_access import Access
from .web_answers import Answers
from .web_control import Control, watch_devices, watch_stack
from .web_history import History
from .web_hub import Hub
from .web_requests import MAX_REQUEST_BYTES

log = logging.getLogger("causal.sink")

HOST = "127.0.0.1"
UP_WITHIN_S = 10.0
DOWN_WITHIN_S = 2.0


class WebSink:
    """Stores events for the page's history, and hands them to the server. The history begins with the event log."""

    def __init__(self, options: SinkOptions) -> None:
        self._options = options
        chosen = options.session or options.source
        self._file = None if chosen else options.data / "web" / "history.sqlite"
        self._held = ExitStack()
        self._history: History | None = None
        self._server: Server | None = None

    def open(self) -> int:
        paths = self._options.paths
        self._held.enter_context(locked(paths.runtime / "web.lock", "causal-sink web"))
        listener = self._held.enter_context(_listening(self._options.settings.web_port, paths.page_file))
        page = _announced(paths.page_file, listener.getsockname()[1])
        self._history = _history(self._file)
        self._server = Server(listener, Access(page.secret, page.port), self._history, Control(paths))
        self._server.start()
        log.info("the page is at %s; causal-ctl open shows it", page.url)
        seq: int = self._history.seq
        return seq

    def write(self, event: Event) -> None:
        assert self._history is not None and self._server is not None
        if event.seq is not None:
            try:
                self._history.add(event)
            except sqlite3.Error as error:
                log.warning("%s cannot be written (%s); the page's history is kept in memory", self._file, error)
                self._file = None
                raise CausalError("disk-full", f"{error}", "Make room on the disk.") from error
        self._server.tell(event)

    def queues(self) -> Mapping[str, QueueDepth]:
        return self._server.queues() if self._server is not None else {}

    def close(self) -> None:
        if self._server is not None:
            self._server.stop()
        if self._history is not None:
            self._history.close()
        self._server = self._history = None
        self._held.close()


class QuietServer(uvicorn.Server):
    """Uvicorn looks ten times a second whether it shall end; this one is told so by `end`, and sleeps until then."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._over = asyncio.Event()

    def end(self) -> None:
        """To be called on the server's own thread."""
        self.should_exit = self.force_exit = True
        self._over.set()

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # which also keeps the date in its answers right
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._over.wait()


class Server:
    """The server's thread. Holds at most 10 000 events that it has not told yet; when they are full, whoever tells one
    more waits, and is refused after 3 s. `start`, `tell` and `stop` are for one other thread."""

    CAPACITY = 10_000
    UNSEEN = 100
    """So many may wait while no page is open."""
    LONGEST_WAIT_S = 3.0

    def __init__(self, listener: socket.socket, access: Access, history: History, control: Control) -> None:
        self._listener = listener
        self._control = control
        self._access = access
        self._history = history
        self._events: deque[Event] = deque()
        self._has_room = threading.Event()
        self._is_called = False
        self._is_up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub: Hub | None = None
        self._uvicorn: QuietServer | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        self._thread.start()
        if not self._is_up.wait(UP_WITHIN_S) or self._uvicorn is None:
            raise CausalError("internal", "the page's server did not come up", "See the log of causal-sink web.")

    def tell(self, event: Event) -> None:
        """Hands over an event. The thread is woken when somebody looks, or when many wait."""
        if not self._thread.is_alive() or self._loop is None or self._hub is None:
            raise CausalError("internal", "the page's server has ended", "See the log of causal-sink web.")
        if len(self._events) >= self.CAPACITY:
            self._has_room.clear()
            if len(self._events) >= self.CAPACITY:
                self._has_room.wait(self.LONGEST_WAIT_S)
            if len(self._events) >= self.CAPACITY:
                raise CausalError("internal", "the page's server takes no events", "See the log of causal-sink web.")
        self._events.append(event)
        if not self._is_called and (self._hub.occupied.is_set() or len(self._events) >= self.UNSEEN):
            self._is_called = True
            self._loop.call_soon_threadsafe(self._pass_on)

    def queues(self) -> dict[str, QueueDepth]:
        """What waits for the thread, and in it for the pages."""
        events = QueueDepth(depth=len(self._events), capacity=self.CAPACITY)
        return {"events": events} | ({"pages": self._hub.queue()} if self._hub is not None else {})

    def stop(self) -> None:
        """Pages see that the connection is lost, and come again."""
        if self._uvicorn is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended by itself
                self._loop.call_soon_threadsafe(self._uvicorn.end)
        self._thread.join(DOWN_WITHIN_S)

    def _pass_on(self) -> None:
        assert self._hub is not None
        self._is_called = False
        while self._events:
            self._hub.tell(self._events.popleft())
        self._has_room.set()

    def _run(self) -> None:
        try:
            run(self._serve())
        except Exception:
            log.exception("the page's server has ended")
        finally:
            self._is_up.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        hub = self._hub = Hub(self._history, catch_up=self._pass_on)
        answers = Answers(self._history, self._control)
        config = uvicorn.Config(
            web_server.make(self._access, hub, answers.answer),
            ws="websockets-sansio",
            ws_max_size=MAX_REQUEST_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        server = self._uvicorn = QuietServer(config)
        watches = [asyncio.ensure_future(watch(self._control, hub)) for watch in (watch_stack, watch_devices)]
        self._loop.call_soon(self._is_up.set)
        try:
            await server.serve(sockets=[self._listener])
        finally:
            for watch in watches:
                watch.cancel()
            await asyncio.gather(*watches, return_exceptions=True)
            self._control.close()


def _listening(port: int, file: Path) -> socket.socket:
    """A socket on the wanted port. For port 0 the one of the last time, if it is free, so that open pages come again.

    Raises `ConfigError` when the port is taken. Whoever has it may have seen our cookie: the secret is thrown away.
    """
    former = page_file.read(file)
    for candidate in (former.port, 0) if port == 0 and former else (port,):
        with contextlib.suppress(OSError):
            return socket.create_server((HOST, candidate), backlog=128)
    file.unlink(missing_ok=True)
    raise ConfigError(
        f"port {port} of {HOST} is taken by another program",
        "Give the page another one: web_port in causal.toml, or CAUSAL_WEB_PORT; 0 takes any that is free.",
    )


def _announced(file: Path, port: int) -> PageFile:
    """Says where the page is. The secret stays what it was, so that browsers need not be let in anew."""
    former = page_file.read(file)
    secret = former.secret if former else secrets.token_urlsafe(32)
    page = PageFile(url=f"http://{HOST}:{port}", secret=secret)
    page_file.write(file, page)
    return page


def _history(file: Path | None) -> History:
    if file is not None:
        try:
            return History(file)
        except (OSError, sqlite3.Error) as error:
            log.warning("%s cannot be used (%s); the page's history is kept in memory", file, error)
    return History(None)
