"""The loop of a worker: a plain poller over sockets and timers.

A blocking poller costs half of what asyncio does (measured), so the services that only move messages use `Loop`. Those
that hold WebSockets use `causal.async_loop`. Both offer `on_readable`, `every` and `stop`, so the links work on either.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Protocol

import zmq

log = logging.getLogger("causal.loop")

Callback = Callable[[], None]
Readable = zmq.Socket[bytes] | int

# As plain numbers: joining zmq's own flags costs more than a call of the library.
AT_ONCE = int(zmq.NOBLOCK)
AND_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)
CAN_READ = int(zmq.POLLIN)

BATCH = 100
"""Messages taken from one socket before the others have their turn."""

EARLY_S = 0.1
"""A loop that is awake anyhow calls what is due so soon, and need not wake again for it."""

NEARLY = 1e-6
"""Of a period: a turn that fell on the grid stays on it, whatever division makes of it."""


class Timer:
    """A call that repeats, each `period_s`, which may be changed at any time.

    Turns fall on whole multiples of the period, by a clock that all processes of the machine share: so a process wakes
    once for all that is due, and who is asked by many is asked by all of them at once.
    """

    def __init__(self, period_s: float, callback: Callback, on_change: Callable[[Timer], None] | None = None) -> None:
        self.callback = callback
        self.due_s = time.monotonic()
        self._period_s = period_s
        self._on_change = on_change

    @property
    def period_s(self) -> float:
        return self._period_s

    @period_s.setter
    def period_s(self, period_s: float) -> None:
        if period_s != self._period_s:
            self._period_s = period_s
            self._set_due(min(self.due_s, time.monotonic() + period_s))

    def hurry(self) -> None:
        """Calls as soon as the loop is free, beside the regular turns."""
        self._set_due(time.monotonic())

    def may_come(self, now_s: float) -> bool:
        """Whether it is due, or so nearly that a loop which is awake takes it along."""
        return self.due_s - min(EARLY_S, self._period_s / 2) <= now_s

    def advance(self) -> None:
        """Sets the next turn: the one behind this, and behind now."""
        passed = math.floor(max(time.monotonic(), self.due_s) / self._period_s + NEARLY)
        self.due_s = (passed + 1) * self._period_s

    def _set_due(self, due_s: float) -> None:
        self.due_s = due_s
        if self._on_change is not None:
            self._on_change(self)


class AnyLoop(Protocol):
    def on_readable(self, source: Readable, callback: Callback) -> None: ...
    def forget(self, source: Readable) -> None: ...
    def look_again(self, source: Readable) -> None: ...
    def every(self, period_s: float, callback: Callback) -> Timer: ...
    def stop(self) -> None: ...


def receive_all(socket: zmq.Socket[bytes], limit: int = BATCH) -> list[list[bytes]]:
    """The messages that wait in `socket`, at most `limit`; never blocks."""
    messages: list[list[bytes]] = []
    while len(messages) < limit and can_read(socket):
        frame = socket.recv(AT_ONCE, copy=False)
        parts = [frame.bytes]
        while frame.more:
            frame = socket.recv(AT_ONCE, copy=False)
            parts.append(frame.bytes)
        messages.append(parts)
    return messages


def can_read(socket: zmq.Socket[bytes]) -> bool:
    """Whether a message waits."""
    return bool(int(socket.getsockopt(zmq.EVENTS)) & CAN_READ)


def send_now(socket: zmq.Socket[bytes], parts: list[bytes]) -> bool:
    """Sends without waiting. False when the peer is away or does not keep up: nothing was sent."""
    try:
        for part in parts[:-1]:
            socket.send(part, AND_MORE)
        socket.send(parts[-1], AT_ONCE)
    except zmq.Again:
        return False
    return True


class Loop:
    """Calls back when a socket has something to read, and at fixed periods. One thread, nothing waits."""

    def __init__(self) -> None:
        self._poller = zmq.Poller()
        self._callbacks: dict[Readable, Callback] = {}
        self._timers: list[Timer] = []
        self._running = True

    def on_readable(self, source: Readable, callback: Callback) -> None:
        """Calls `callback` whenever `source`, a socket or a descriptor, can be read."""
        self._poller.register(source, zmq.POLLIN)
        self._callbacks[source] = callback

    def forget(self, source: Readable) -> None:
        """Ends what `on_readable` began. Do it before closing a socket."""
        if self._callbacks.pop(source, None) is not None:
            self._poller.unregister(source)

    def look_again(self, source: Readable) -> None:
        """Call it after sending on a socket that is read too. The poller needs no such help."""

    def every(self, period_s: float, callback: Callback) -> Timer:
        """Calls `callback` at once, then each `period_s`."""
        timer = Timer(period_s, callback)
        self._timers.append(timer)
        return timer

    def stop(self) -> None:
        """Makes `run` return; the callback that asks for it is the last one."""
        self._running = False

    def run(self) -> None:
        """Runs until `stop`; at once back if that came before. May run again then."""
        try:
            while self._running:
                for source, _ in self._poller.poll(self._wait_ms()):
                    if self._running and (callback := self._callbacks.get(source)):
                        callback()
                self._fire()
        finally:
            self._running = True

    def _wait_ms(self) -> int:
        next_s = min((timer.due_s for timer in self._timers), default=time.monotonic() + 1.0)
        return max(0, math.ceil((next_s - time.monotonic()) * 1000))

    def _fire(self) -> None:
        now_s = time.monotonic()
        for timer in self._timers:
            if self._running and timer.may_come(now_s):
                timer.advance()
                timer.callback()
