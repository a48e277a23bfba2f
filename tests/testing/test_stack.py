"""A stack's questions to its controller, where the answer does not come at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.testing import stack as stack_module
from causal.testing.fake_controller import FakeController
from causal.testing.stack import Stack

PROCFILE = Path(__file__).parents[2] / "Procfile"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """Directories in which nothing runs."""
    monkeypatch.setattr(stack_module, "ASK_AGAIN_S", 0.05)
    with Stack(PROCFILE, []) as stack:
        stack.paths.make()
        yield stack


def test_what_is_not_answered_is_asked_again_with_the_same_id(stack: Stack) -> None:
    unheard = iter([None, None])
    with FakeController(stack.paths, lambda _: next(unheard, {"ok": True})) as controller:
        assert stack.ask("status")["ok"]
    assert len(controller.requests) >= 3
    assert len({request["id"] for request in controller.requests}) == 1


def test_without_an_answer_it_is_given_up(stack: Stack) -> None:
    with pytest.raises(TimeoutError, match="no answer to 'status'"):
        stack.ask("status", within_s=0.1)


def test_a_pid_is_that_of_a_process_that_lives(stack: Stack) -> None:
    """A controller believes for some seconds in a worker that was killed."""
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pids = iter([None, dead.pid])

    def answer(_: object) -> dict[str, object]:
        pid = next(pids, os.getpid())
        view = {"alive": True, "status": {"service": "stt", "instance": "1", "pid": pid}}
        return {"ok": True, "services": [view] if pid else []}

    with FakeController(stack.paths, answer):
        assert stack.pid("stt") == os.getpid()
