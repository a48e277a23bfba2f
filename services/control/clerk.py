"""Answers that take long: made in a thread of its own, so that the controller's loop goes on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

from causal.errors import CausalError
from causal.messages import QueueDepth

from .effects import Ticket, refuse

MAX_WAITING = 10

Made = tuple[Ticket | None, dict[str, Any]]
"""Whom it is for, and the fields of the answer."""


Make = Callable[[], dict[str, Any]]
"""Gives the fields that go with `ok`, or raises `CausalError`."""


class Clerk:
    """Makes one answer after the other. At most 10 wait to be made; more are refused."""

    def __init__(self, what: str) -> None:
        self._what = what
        """What it makes, in the plural."""
        self._wanted: queue.Queue[tuple[Ticket | None, Make]] = queue.Queue(MAX_WAITING)
        self._made: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._refused = 0

    def ask(self, ticket: Ticket | None, make: Make) -> None:
        """Never blocks; the answer comes by `made`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._what, daemon=True)
            self._thread.start()
        try:
            self._wanted.put_nowait((ticket, make))
        except queue.Full:
            self._refused += 1
            text = f"{MAX_WAITING} {self._what} are being made already"
            self._refuse(ticket, CausalError("busy", text, "Try again in a few seconds."))

    def made(self) -> Iterator[Made]:
        """What has come since."""
        while True:
            try:
                yield self._made.get_nowait()
            except queue.Empty:
                return

    def queue(self) -> QueueDepth:
        """What waits to be made, for `status`."""
        return QueueDepth(depth=self._wanted.qsize(), capacity=MAX_WAITING, dropped=self._refused)

    def _work(self) -> None:
        while True:
            ticket, make = self._wanted.get()
            try:
                self._made.put((ticket, {"ok": True} | make()))
            except CausalError as error:
                self._refuse(ticket, error)
            except Exception as error:  # without its text, which may have the key in it
                self._refuse(ticket, CausalError("internal", f"{self._what} cannot be made: {type(error).__name__}"))

    def _refuse(self, ticket: Ticket | None, error: CausalError) -> None:
        self._made.put((ticket, refuse(ticket, error.code, error.message, error.hint).fields))
