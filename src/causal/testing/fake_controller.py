"""A controller that answers as a test wants: for what the real one does only in trouble.

with FakeController(paths, lambda request: {"ok": True, "session": "s-1"}) as controller:
    ...
    assert controller.requests == [...]
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Self

import zmq

from causal import wire
from causal.paths import Paths
from causal.transport import Doors, chosen

LOOK_EVERY_MS = 10
LAST_REPLY_MS = 500

Answer = Callable[[dict[str, Any]], dict[str, Any] | bytes | None]
"""From a request's map to the reply's fields, or to any bytes, or to None: no reply."""


class FakeController:
    """Binds the controller's socket; answers from a thread until the end of the `with`."""

    def __init__(self, paths: Paths, answer: Answer) -> None:
        self.requests: list[dict[str, Any]] = []
        self._answer = answer
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._doors = Doors(self._context, paths, chosen("auto"))
        self._doors.bind(self._socket, "control")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._thread.join()

    def end(self) -> None:
        """Ends after the answer that is being made, as the real one does at `shutdown`."""
        self._ending.set()

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._doors.gate is not None:
                self._doors.gate.answer()
            if self._socket.poll(LOOK_EVERY_MS):
                *way, frame = self._socket.recv_multipart()
                request = wire.unpack_map(frame)
                self.requests.append(request)
                reply = self._answer(request)
                if isinstance(reply, dict):
                    reply = wire.pack_map({"v": 1, "id": request["id"]} | reply)
                if reply is not None:
                    self._socket.send_multipart([*way, reply])
        self._doors.close()
        self._context.destroy(linger=LAST_REPLY_MS)
