"""Transcripts as text, for those who ask the controller: read from the broker as by any other program."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

import zmq

from causal.errors import CausalError
from causal.export import export
from causal.paths import Paths

from .effects import ReadSession, Ticket, refuse

MAX_WAITING = 10
MAX_BYTES = 1 << 20
"""Longest text of a reply: the longest string that receivers take."""

Made = tuple[Ticket | None, dict[str, Any]]
"""Whose text it is, and the fields of the answer."""


class Exporter:
    """Reads in a thread of its own, one session after the other. At most 10 wishes wait; more are refused."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._wanted: queue.Queue[ReadSession] = queue.Queue(MAX_WAITING)
        self._made: queue.SimpleQueue[Made] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def ask(self, wish: ReadSession) -> None:
        """Never blocks; the answer comes by `made`."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="exporter", daemon=True)
            self._thread.start()
        try:
            self._wanted.put_nowait(wish)
        except queue.Full:
            text = f"{MAX_WAITING} sessions are being exported already"
            self._made.put((wish.ticket, refuse(wish.ticket, "busy", text, "Try again in a few seconds.").fields))

    def made(self) -> Iterator[Made]:
        """What has come since."""
        while True:
            try:
                yield self._made.get_nowait()
            except queue.Empty:
                return

    def _work(self) -> None:
        while True:
            wish = self._wanted.get()
            self._made.put((wish.ticket, self._answer(wish)))

    def _answer(self, wish: ReadSession) -> dict[str, Any]:
        context: zmq.Context[zmq.Socket[bytes]]
        try:
            with zmq.Context() as context:  # the controller's own may end meanwhile
                text = export(context, self._paths, wish.session, wish.format, wish.known)
        except CausalError as error:
            return refuse(wish.ticket, error.code, error.message, error.hint).fields
        size = len(text.encode())
        if size > MAX_BYTES:
            hint = "Use causal-ctl export, or read the events by replay, as docs/protocol.md says."
            message = f"the transcript has {size} bytes, {MAX_BYTES} fit into a reply"
            return refuse(wish.ticket, "too-large", message, hint).fields
        return {"ok": True, "session": wish.session, "format": wish.format, "text": text}
