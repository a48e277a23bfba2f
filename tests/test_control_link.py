"""A service's line to the controller, through the controller's absences. Real sockets, one thread."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from causal import wire
from causal.control.app import Control
from causal.control_link import PERIOD_S, ControlLink
from causal.loop import receive_all
from causal.messages.control import Device, Work
from causal.testing.one_loop import OneLoop

MIC = Device(id="pulse:mic", name="Mic", kind="input", backend="pulse", default=True, channels=1, rate_hz=48000)


@pytest.fixture
def stack(tmp_path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        yield stack


class Worker:
    """A capture worker that says what it can hear, and keeps what it is told."""

    def __init__(self, stack: OneLoop) -> None:
        self.told: list[Work] = []
        self.asked = 0
        self.service = stack.service("capture")
        self.link = ControlLink(self.service, self._report, self.told.append)

    def _report(self) -> dict[str, Any]:
        self.asked += 1
        return {"devices": (MIC,)}


class OddController:
    """Hears everything, and answers what it is told to."""

    def __init__(self, stack: OneLoop) -> None:
        self.heard: list[dict[str, Any]] = []
        self._envelope: list[bytes] = []
        self._socket = stack.context.socket(zmq.ROUTER)
        stack.bind(self._socket, "control")
        stack.loop.on_readable(self._socket, self._hear)

    def _hear(self) -> None:
        for *envelope, frame in receive_all(self._socket):
            self._envelope = envelope
            self.heard.append(wire.unpack_map(frame))

    def answer(self, frame: bytes) -> None:
        self._socket.send_multipart([*self._envelope, frame])


def test_a_worker_that_ends_says_what_has_become_of_its_streams(stack):
    controller = OddController(stack)
    worker = Worker(stack)
    stack.run_until(lambda: controller.heard)
    heard = len(controller.heard)
    worker.service.end()
    stack.run_until(lambda: len(controller.heard) > heard)
    assert controller.heard[-1]["devices"][0]["id"] == MIC.id


def ask(stack: OneLoop, op: str, **fields: Any) -> dict[str, Any]:
    """The controller's answer to a client of its own."""
    answers: list[dict[str, Any]] = []
    with stack.context.socket(zmq.DEALER) as client:
        stack.connect(client, "control")
        client.send(wire.pack_map({"v": 1, "id": op, "op": op} | fields))
        stack.loop.on_readable(client, lambda: answers.extend(wire.unpack_map(p[-1]) for p in receive_all(client)))
        stack.run_until(lambda: answers)
        stack.loop.forget(client)
    return answers[0]


def test_a_new_worker_is_heard_at_once(stack):
    with contextlib.closing(Control(stack.service("control"))):
        worker = Worker(stack)
        stack.run_until(lambda: worker.told, within_s=PERIOD_S / 2)


def test_the_doorbell_brings_new_work_at_once(stack):
    with contextlib.closing(Control(stack.service("control"))):
        worker = Worker(stack)
        stack.run_until(lambda: len(worker.told) > 1)
        session = ask(stack, "start", sources=["mic"])["session"]
        stack.run_until(lambda: worker.told[-1].streams, within_s=PERIOD_S / 2)
        assert worker.told[-1].streams[0].stream == f"{session}/mic"


def test_a_change_is_told_without_waiting_for_the_next_turn(stack):
    with contextlib.closing(Control(stack.service("control"))):
        worker = Worker(stack)
        stack.run_until(lambda: worker.told)
        for _ in range(5):
            told = len(worker.told)
            worker.link.nudge()
            stack.run_until(lambda told=told: len(worker.told) > told, within_s=PERIOD_S / 2)


def test_shutdown_ends_the_worker(stack):
    with contextlib.closing(Control(stack.service("control"))):
        worker = Worker(stack)
        stack.run_until(lambda: worker.told)
        assert ask(stack, "shutdown") == {"v": 1, "id": "shutdown", "ok": True}
        stack.run_until(lambda: worker.service.stopping)


def test_a_controller_that_comes_late_hears_at_once_and_not_what_piled_up(stack):
    worker = Worker(stack)
    stack.run_until(lambda: worker.asked > 3)
    controller = OddController(stack)
    stack.run_until(lambda: controller.heard)
    assert len(controller.heard) <= 2


def test_an_answer_to_the_poll_that_waited_is_work(stack):
    worker = Worker(stack)
    stack.run_until(lambda: worker.asked > 2)
    controller = OddController(stack)
    stack.run_until(lambda: controller.heard)
    controller.answer(wire.pack_map({"v": 1, "id": controller.heard[-1]["id"], "ok": True}))
    stack.run_until(lambda: worker.told, within_s=PERIOD_S / 2)


def test_odd_answers_are_dropped(stack):
    controller = OddController(stack)
    worker = Worker(stack)
    stack.run_until(lambda: controller.heard)
    poll_id = controller.heard[0]["id"]
    for odd in (b"", b"\xc1", wire.pack_map({"id": "another", "ok": True}), wire.pack_map({})):
        controller.answer(odd)
    controller.answer(wire.pack_map({"v": 1, "id": poll_id, "ok": True, "streams": "none"}))
    stack.run_until(lambda: len(controller.heard) > 1)
    assert worker.told == []
    controller.answer(wire.pack_map({"v": 1, "id": controller.heard[-1]["id"], "ok": True}))
    stack.run_until(lambda: worker.told)
    assert worker.told == [Work()]


def test_a_refused_poll_is_made_again(stack):
    controller = OddController(stack)
    worker = Worker(stack)
    stack.run_until(lambda: controller.heard)
    refusal = {"code": "busy", "message": "", "hint": ""}
    controller.answer(wire.pack_map({"v": 1, "id": controller.heard[0]["id"], "ok": False, "error": refusal}))
    stack.run_until(lambda: len(controller.heard) > 1)
    assert worker.told == []
