"""A client of the controller, and the controllers it may meet."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq

from causal.control import client as client_module
from causal.control.client import Client, NoStack
from causal.errors import CausalError
from causal.messages.control import Start, Status
from causal.paths import Paths
from causal.testing.fake_controller import FakeController

LONG_S = 10.0
"""So long a stack is waited for that is about to come back; one that is not there is not waited for."""


@pytest.fixture
def paths() -> Iterator[Paths]:
    with tempfile.TemporaryDirectory(prefix="causal-") as short:
        paths = Paths(Path(short) / "run", Path(short) / "data", Path(short) / "cache")
        paths.make()
        yield paths


@pytest.fixture
def client(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(client_module, "ASK_AGAIN_S", 0.05)
    monkeypatch.setattr(client_module, "BACK_WITHIN_S", 0.3)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield Client(paths, context)
    context.destroy(linger=0)


def test_a_reply_is_the_controllers_map(paths: Paths, client: Client) -> None:
    with FakeController(paths, lambda _: {"ok": True, "session": "s-1"}) as controller:
        reply = client.ask(Start(sources=("mic",)))
    assert reply["session"] == "s-1"
    request = controller.requests[0]
    assert (request["v"], request["op"], request["sources"]) == (1, "start", ["mic"])


def test_a_refusal_has_code_message_and_hint(paths: Paths, client: Client) -> None:
    error = {"code": "auth-failed", "message": "there is no key", "hint": "Set ASSEMBLYAI_API_KEY."}
    with FakeController(paths, lambda _: {"ok": False, "error": error}), pytest.raises(CausalError) as refusal:
        client.ask(Status())
    assert not isinstance(refusal.value, NoStack)
    assert (refusal.value.code, str(refusal.value)) == ("auth-failed", "there is no key. Set ASSEMBLYAI_API_KEY.")


def test_what_is_not_answered_is_asked_again_with_the_same_id(paths: Paths, client: Client) -> None:
    unheard = iter([None, None])
    with FakeController(paths, lambda _: next(unheard, {"ok": True})) as controller:
        client.ask(Status())
    assert len(controller.requests) >= 3
    assert len({request["id"] for request in controller.requests}) == 1


def test_two_questions_have_two_ids(paths: Paths, client: Client) -> None:
    with FakeController(paths, lambda _: {"ok": True}) as controller:
        client.ask(Status())
        client.ask(Status())
    assert len({request["id"] for request in controller.requests}) == 2


def test_answers_that_are_none_are_passed_over(paths: Paths, client: Client) -> None:
    answers = iter([b"\xc1", b"", {"ok": True, "id": "another"}])
    with FakeController(paths, lambda _: next(answers, {"ok": True, "n": 4})):
        assert client.ask(Status())["n"] == 4


def test_a_controller_that_says_nothing_is_given_up(paths: Paths, client: Client) -> None:
    with FakeController(paths, lambda _: None), pytest.raises(NoStack, match="has not answered"):
        client.ask(Status(), within_s=0.2)


def test_without_a_stack_the_answer_is_immediate_and_says_how_to_start_one(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "BACK_WITHIN_S", LONG_S)
    before_s = time.monotonic()
    with pytest.raises(NoStack, match="no stack is running") as error:
        client.ask(Status())
    assert time.monotonic() - before_s < LONG_S
    assert "honcho start" in error.value.hint


def test_what_an_ended_stack_left_is_not_taken_for_one(
    paths: Paths, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "BACK_WITHIN_S", LONG_S)
    with FakeController(paths, lambda _: {"ok": True}):
        pass
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        (paths.runtime / "broker-1.lock").write_text(str(dead.pid))
    before_s = time.monotonic()
    with pytest.raises(NoStack, match="no stack is running"):
        client.ask(Status())
    assert time.monotonic() - before_s < LONG_S


def test_a_controller_that_is_being_restarted_is_waited_for(
    paths: Paths, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "BACK_WITHIN_S", 10.0)
    (paths.runtime / "broker-1.lock").write_text(str(os.getpid()))
    with ThreadPoolExecutor() as pool:
        reply = pool.submit(client.ask, Status())
        with FakeController(paths, lambda _: {"ok": True, "n": 5}):
            assert reply.result(10.0)["n"] == 5


def test_a_controller_that_is_not_restarted_is_given_up(paths: Paths, client: Client) -> None:
    (paths.runtime / "broker-1.lock").write_text(str(os.getpid()))
    with pytest.raises(NoStack, match="no stack is running"):
        client.ask(Status())
