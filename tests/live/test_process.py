"""Parents and workers as processes: killed, stopped, frozen, refused."""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from causal.testing.stack import Stack

pytestmark = pytest.mark.live

STOPPED_WITHIN_S = 20.0
"""Or restarted: how soon, the logs tell, and `tests/test_process.py`. A machine may stand still meanwhile."""


@pytest.fixture
def stack(procfile: Path) -> Iterator[Stack]:
    """Directories, in which the tests start what they need."""
    with Stack(procfile, []) as stack:
        yield stack


def worker_of(parent: subprocess.Popen[bytes]) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error):
        alive = [p for p in psutil.Process(parent.pid).children() if p.status() != psutil.STATUS_ZOMBIE]
        return alive[0] if alive else None
    return None


def started(stack: Stack, service: str) -> tuple[subprocess.Popen[bytes], psutil.Process]:
    """A parent and its worker, which works."""
    parent = stack.launch(f"causal-{service}")
    socket = {"broker": "events", "control": "doorbell"}[service]
    stack.until((stack.paths.runtime / socket).exists, what=f"causal-{service} listens")
    worker = stack.until(lambda: worker_of(parent), what=f"a worker of causal-{service}")
    assert worker is not None
    return parent, worker


def restarted(stack: Stack, parent: subprocess.Popen[bytes], former: psutil.Process) -> psutil.Process:
    def another() -> psutil.Process | None:
        worker = worker_of(parent)
        return worker if worker is not None and worker.pid != former.pid else None

    found = stack.until(another, STOPPED_WITHIN_S, "another worker")
    assert found is not None
    return found


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# --- a worker dies ---


def test_a_killed_worker_is_back_soon_and_works(stack):
    started(stack, "broker")
    parent, worker = started(stack, "control")
    stack.wait_ready(["broker", "control"])
    worker.kill()
    another = restarted(stack, parent, worker)
    stack.until(lambda: stack.alive().get("control.1") == another.pid)
    assert "control: the worker ended (killed by SIGKILL); restarted" in stack.log()


def test_a_frozen_worker_is_killed_and_replaced(stack):
    parent, worker = started(stack, "broker")
    worker.suspend()
    frozen_s = time.monotonic()
    restarted(stack, parent, worker)
    assert time.monotonic() - frozen_s > 1.0, "it may have stood still before"
    assert "broker: no sign of life for 5 s; killed" in stack.log(), "in seconds that the parent saw pass"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_ends_parent_and_worker_in_order(stack, number):
    def took_s() -> float:
        parent, _ = started(stack, "control")
        begun_s = time.monotonic()
        parent.send_signal(number)
        assert parent.wait(STOPPED_WITHIN_S) == 0
        return time.monotonic() - begun_s

    assert any(took_s() < 2.0 for _ in range(3)), "there was nothing to wait for, but a machine that stands still"
    assert stack.leftovers() == []


def test_a_stop_of_the_whole_group_ends_in_order_too(stack):
    parent, _ = started(stack, "broker")
    os.killpg(parent.pid, signal.SIGTERM)
    assert parent.wait(STOPPED_WITHIN_S) == 0
    assert stack.leftovers() == []


def test_a_worker_ends_when_its_parent_is_killed(stack):
    parent, worker = started(stack, "broker")
    parent.kill()
    parent.wait()
    stack.until(lambda: is_gone(worker), what="the worker has ended")
    assert "the parent process is gone; stopping" in stack.log()


def test_shutdown_ends_all_with_success(stack):
    parents = [started(stack, service)[0] for service in ("broker", "control")]
    stack.wait_ready(["broker", "control"])
    assert stack.ask("shutdown")["ok"]
    assert [parent.wait(STOPPED_WITHIN_S) for parent in parents] == [0, 0]
    assert "restarted" not in stack.log()


def test_the_log_of_a_stopped_broker_is_one_file(stack):
    parent, _ = started(stack, "broker")
    parent.terminate()
    parent.wait(STOPPED_WITHIN_S)
    assert [path.name for path in stack.paths.data.glob("events.sqlite*")] == ["events.sqlite"]


# --- what cannot work is told once ---


def refusal(stack: Stack, *command: str, **environment: str) -> str:
    """What a command says that ends with 2."""
    result = subprocess.run(
        command, env=stack.environment | environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert result.returncode == 2, result
    assert "restarted" not in result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_wrong_setting_is_told_once(stack):
    assert refusal(stack, "causal-broker", CAUSAL_ENGIN="local") == (
        "causal-broker: unknown setting CAUSAL_ENGIN in the environment. Did you mean CAUSAL_ENGINE?\n"
    )


@pytest.mark.parametrize("arguments", [["--set", "nonsense"], ["--set", "block_ms=0"], ["--instance", "a"], ["--what"]])
def test_a_wrong_flag_is_told_once(stack, arguments):
    assert refusal(stack, "causal-control", *arguments)


def test_a_path_too_long_for_sockets_is_told_once(stack):
    assert "too long for sockets" in refusal(stack, "causal-control", CAUSAL_RUNTIME_DIR="/tmp/" + "d" * 100)


def test_a_second_stack_in_the_same_directory_is_refused_with_the_firsts_pid(stack):
    _, worker = started(stack, "broker")
    text = refusal(stack, "causal-broker")
    assert f"causal-broker runs already in {stack.paths.runtime} (pid {worker.pid})" in text


def test_a_second_stack_on_the_same_data_is_refused_too(stack):
    _, worker = started(stack, "broker")
    text = refusal(stack, "causal-broker", CAUSAL_RUNTIME_DIR=str(stack.folder / "other"))
    assert f"causal-broker runs already in {stack.paths.data} (pid {worker.pid})" in text


def test_another_instance_is_no_second_stack(stack):
    started(stack, "broker")
    stack.launch("causal-resample", "--instance", "1")
    stack.launch("causal-resample", "--instance", "2")
    stack.launch("causal-control")
    stack.until((stack.paths.runtime / "control").exists)
    stack.until(lambda: {"resample.1", "resample.2"} <= stack.alive().keys())


def test_a_log_that_is_no_log_is_told_with_a_way_out(stack):
    stack.paths.make()
    (stack.paths.data / "events.sqlite").write_text("no database" * 100)
    stack.launch("causal-broker")
    stack.until(lambda: "restarted" in stack.log(), what="the parent tries again")
    assert re.search(r"the event log in .* cannot be opened: file is not a database\. .*move the", stack.log())
    assert "Traceback" not in stack.log()


# --- a parent with any worker ---

PARENT = """
import sys
from causal import process
process.FROZEN_AFTER_S, process.STOP_WITHIN_S = 4, 1.0
sys.exit(process.Parent("test", [sys.executable, "-c", sys.argv[1]]).run())
"""
BEATING = """
import os, signal, sys, time
from causal.process import Lifeline
lifeline = Lifeline()
{beginning}
while True:
    lifeline.beat()
    time.sleep(0.1)
"""


def parent_of(stack: Stack, worker: str) -> subprocess.Popen[bytes]:
    return stack.launch(sys.executable, "-c", PARENT, worker)


def test_a_worker_that_does_not_heed_sigterm_is_killed(stack):
    ready = stack.folder / "ready"
    beginning = f"signal.signal(signal.SIGTERM, signal.SIG_IGN); open({str(ready)!r}, 'w')"
    parent = parent_of(stack, BEATING.format(beginning=beginning))
    stack.until(ready.exists)
    parent.terminate()
    assert parent.wait(STOPPED_WITHIN_S) == 1
    assert "test: it did not end within 1 s; killed" in stack.log()
    assert stack.leftovers() == []


def test_parent_and_worker_that_were_paused_together_go_on_together(stack):
    parent = parent_of(stack, BEATING.format(beginning=""))
    worker = stack.until(lambda: worker_of(parent))
    assert worker is not None
    stack.until(lambda: worker.cpu_times().user > 0)
    os.killpg(parent.pid, signal.SIGSTOP)
    time.sleep(5.5)  # longer than what counts as frozen, 4 s
    os.killpg(parent.pid, signal.SIGCONT)
    time.sleep(1.0)  # a parent that blamed its worker would kill it at its next look
    assert worker_of(parent) == worker
    assert stack.log() == ""


@pytest.mark.parametrize("end", ["os.kill(os.getpid(), signal.SIGRTMIN + 1)", "sys.exit(3)", "os.abort()"])
def test_any_end_of_a_worker_brings_the_next(stack, end):
    parent = parent_of(stack, f"import os, signal, sys; {end}")
    stack.until(lambda: stack.log().count("restarted") >= 3)
    assert parent.poll() is None


def test_a_stop_between_two_workers_is_a_stop(stack):
    parent = parent_of(stack, "raise SystemExit(1)")
    stack.until(lambda: stack.log().count("restarted") >= 3)
    parent.terminate()
    assert parent.wait(STOPPED_WITHIN_S) == 0


def test_a_stop_at_any_moment_is_a_stop(stack):
    chance = random.Random(11)
    for _ in range(12):
        parent = parent_of(stack, "raise SystemExit(1)")
        time.sleep(chance.uniform(0.05, 0.4))  # no event marks "any moment"
        parent.terminate()
        assert parent.wait(STOPPED_WITHIN_S) in (0, 1, -signal.SIGTERM), "in its first moments it has no say in it"
        assert stack.leftovers() == []


def test_a_child_that_outlives_the_worker_does_not_keep_the_next_away(stack):
    beginning = "os.fork() or time.sleep(30); os._exit(1)"
    parent = parent_of(stack, BEATING.format(beginning=beginning))
    stack.until(lambda: stack.log().count("restarted") >= 2)
    parent.terminate()
    parent.wait(STOPPED_WITHIN_S)
    orphans = stack.leftovers()
    for process in orphans:
        process.kill()
    psutil.wait_procs(orphans, 5.0)  # a killed process ends when the system gets to it
