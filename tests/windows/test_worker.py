"""Parents and workers on Windows."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from causal.testing.waiting import until
from causal.worker import Sign
from causal.worker_windows import Worker

BEATING = """
import sys, threading, time
from pathlib import Path
from causal.loop import Loop
from causal.process import Lifeline

lifeline, loop = Lifeline(), Loop()

def end():
    Path(sys.argv[1]).write_text("orphan" if lifeline.is_orphan else "asked")
    loop.stop()

loop.on_readable(lifeline.parent_fd, end)
loop.every(0.1, lifeline.beat)
loop.run()
"""
PARENT = """
import sys
from causal.worker_windows import Worker
worker = Worker([sys.executable, "-c", *sys.argv[1:]])
print(worker.listen(20.0).name, worker._process.pid, flush=True)
worker.wait()
"""
SUPERVISED = """
import sys
from causal import process
process.FROZEN_AFTER_S, process.STOP_WITHIN_S = 2, 1.0
sys.exit(process.Parent("test", [sys.executable, "-c", *sys.argv[1:]]).run())
"""


@pytest.fixture
def last_words(tmp_path: Path) -> Path:
    return tmp_path / "end"


def test_a_worker_beats_and_ends_when_it_is_asked_to(last_words):
    with Worker([sys.executable, "-c", BEATING, str(last_words)]) as worker:
        assert [worker.listen(20.0) for _ in range(3)] == [Sign.BEAT] * 3
        worker.ask_to_end()
        while worker.listen(5.0) is Sign.BEAT:
            pass
        assert worker.wait() == 0
        assert not worker.is_running
    assert last_words.read_text() == "asked"


def test_a_worker_that_is_let_go_ends_too(last_words):
    with Worker([sys.executable, "-c", BEATING, str(last_words)]) as worker:
        assert worker.listen(20.0) is Sign.BEAT
    assert worker.wait() == 0
    assert last_words.read_text() == "orphan"


def test_a_killed_worker_is_seen_at_once(last_words):
    with Worker([sys.executable, "-c", BEATING, str(last_words)]) as worker:
        assert worker.listen(20.0) is Sign.BEAT
        begun_s = time.monotonic()
        worker.kill()
        while worker.listen(5.0) is Sign.BEAT:
            pass
        assert time.monotonic() - begun_s < 2.0
        assert worker.wait() != 0


def test_a_worker_goes_with_its_parent_however_that_went(last_words):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, BEATING, str(last_words)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    sign, pid = parent.stdout.readline().split()
    assert sign == "BEAT"
    worker = psutil.Process(int(pid))
    parent.kill()
    parent.wait()
    worker.wait(5.0)


def test_what_the_parent_runs_is_restarted_and_frozen_ones_are_killed(tmp_path):
    frozen = "from causal.process import Lifeline; import time; Lifeline().beat(); time.sleep(60)"
    log = tmp_path / "log"
    with log.open("wb") as output:
        parent = subprocess.Popen([sys.executable, "-c", SUPERVISED, frozen], stdout=output, stderr=output)
    until(lambda: log.read_text().count("restarted") >= 2, 30.0, log.read_text)
    parent.kill()
    parent.wait()
    assert "test: no sign of life for 2 s; killed" in log.read_text()


def test_without_a_parent_nobody_is_told():
    assert "CAUSAL_PARENT_PIPES" not in os.environ
    done = subprocess.run([sys.executable, "-c", "from causal.process import Lifeline; Lifeline().beat()"], check=False)
    assert done.returncode == 0
