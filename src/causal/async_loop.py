"""The loop of a worker that holds WebSockets: `causal.loop.Loop` on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import zmq

from .loop import BATCH, Callback, Readable, Timer, can_read

RECHECK_S = 0.5


class AsyncLoop:
    """`Loop` and `spawn`. A ZeroMQ descriptor only tells of changes, so sockets are asked again now and then."""

    def __init__(self) -> None:
        self._callbacks: dict[Readable, Callback] = {}
        self._handles: dict[Timer, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopped = asyncio.Event()
        self._failure: BaseException | None = None
        self.every(RECHECK_S, self._check_sockets)

    def on_readable(self, source: Readable, callback: Callback) -> None:
        """Calls `callback` whenever `source`, a socket or a descriptor, can be read."""
        self._callbacks[source] = callback
        asyncio.get_running_loop().add_reader(_descriptor(source), self._read, source)

    def forget(self, source: Readable) -> None:
        """Ends what `on_readable` began. Do it before closing a socket."""
        if self._callbacks.pop(source, None) is not None:
            asyncio.get_running_loop().remove_reader(_descriptor(source))

    def look_again(self, source: Readable) -> None:
        """Call it after sending on a socket that is read too: sending takes the news of what has come."""
        asyncio.get_running_loop().call_soon(self._read, source)

    def every(self, period_s: float, callback: Callback) -> Timer:
        """Calls `callback` at once, then each `period_s`."""
        timer = Timer(period_s, callback, self._arm)
        self._arm(timer)
        return timer

    def spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        """Runs `work` beside the rest; if it fails, so does `run`."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._on_done)
        return task

    def stop(self) -> None:
        """Makes `run` return."""
        self._stopped.set()

    async def run(self) -> None:
        """Runs until `stop`, then cancels what was spawned. Raises what a callback or spawned work raised."""
        await self._stopped.wait()
        for source in list(self._callbacks):
            self.forget(source)
        for handle in self._handles.values():
            handle.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def _arm(self, timer: Timer) -> None:
        if (former := self._handles.get(timer)) is not None:
            former.cancel()
        # asyncio's clock is the monotonic one: what is due together is called together
        self._handles[timer] = asyncio.get_running_loop().call_at(timer.due_s, self._fire, timer)

    def _fire(self, timer: Timer) -> None:
        if self._stopped.is_set():
            return
        timer.advance()
        self._arm(timer)
        try:
            timer.callback()
        except Exception as error:
            self._fail(error)

    def _check_sockets(self) -> None:
        for source in list(self._callbacks):
            if not isinstance(source, int):
                self._drain(source)

    def _read(self, source: Readable) -> None:
        """What a reader raises, asyncio would only log."""
        try:
            if not isinstance(source, int):
                self._drain(source)
            elif callback := self._callbacks.get(source):
                callback()
        except Exception as error:
            self._fail(error)

    def _drain(self, socket: zmq.Socket[bytes]) -> None:
        for _ in range(BATCH):
            callback = self._callbacks.get(socket)
            if callback is None or not can_read(socket):
                return
            callback()
        asyncio.get_running_loop().call_soon(self._read, socket)  # the descriptor tells of changes only

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._stopped.set()


def run(work: Coroutine[Any, Any, None]) -> None:
    """What `asyncio.run` does, on an event loop that can watch ZeroMQ's sockets: that of Windows cannot."""
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(work)


def _descriptor(source: Readable) -> int:
    return source if isinstance(source, int) else int(source.getsockopt(zmq.FD))
