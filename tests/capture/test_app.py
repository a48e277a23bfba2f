"""The capture process's line to the controller. Real sockets, one thread; the controller is the test's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from causal import wire
from causal.capture.app import PERIOD_S, Capture
from causal.loop import receive_all
from causal.messages.control import Assignment, Work
from causal.testing.one_loop import OneLoop


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        yield stack


class Controller:
    """Gives one stream to whoever asks, and remembers when that was."""

    def __init__(self, stack: OneLoop, device: str) -> None:
        self.watched = False
        self.asked_s: list[float] = []
        self._streams = (
            Assignment(stream="s/file", epoch=1, device=device, engine="local", started_unix_ns=1, started_ns=1),
        )
        self._socket = stack.context.socket(zmq.ROUTER)
        stack.bind(self._socket, "control")
        stack.loop.on_readable(self._socket, self._answer)

    @property
    def last_two_s(self) -> float:
        """How long the last two turns took."""
        return self.asked_s[-1] - self.asked_s[-3] if len(self.asked_s) > 2 else float("inf")

    def _answer(self) -> None:
        for *envelope, frame in receive_all(self._socket):
            self.asked_s.append(time.monotonic())
            work = wire.to_map(Work(streams=self._streams, watched=self.watched))
            answer = wire.pack_map(work | {"v": 1, "id": wire.unpack_map(frame)["id"], "ok": True})
            self._socket.send_multipart([*envelope, answer])


def test_levels_are_told_often_only_while_somebody_looks(stack: OneLoop, tmp_path: Path) -> None:
    controller = Controller(stack, f"file:{tmp_path / 'any.wav'}")
    Capture(stack.service("capture"))
    stack.run_until(lambda: PERIOD_S < controller.last_two_s < float("inf"), within_s=20.0)
    controller.watched = True
    stack.run_until(lambda: controller.last_two_s < PERIOD_S, within_s=20.0)
    controller.watched = False
    stack.run_until(lambda: controller.last_two_s > PERIOD_S, within_s=20.0)
