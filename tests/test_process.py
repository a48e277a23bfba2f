"""What follows a worker's end, and the pipes between it and its parent."""

import os
import signal
import subprocess
import sys

import pytest

from causal.process import EXIT_CONFIG, LONGEST_REST_S, STEADY_AFTER_S, End, Lifeline, RespawnPolicy, Restart

on_unix = pytest.mark.skipif(os.name != "posix", reason="there it is otherwise")

KILLED = -9
TERMINATED = -signal.SIGTERM
CRASHED = 1


def test_the_story_of_a_worker_that_dies_again_and_again_then_recovers():
    policy = RespawnPolicy()
    rests = [policy.on_exit(CRASHED, lived_s=0.5) for _ in range(7)]
    assert rests == [Restart(rest_s) for rest_s in (0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0)]
    assert policy.on_exit(KILLED, lived_s=STEADY_AFTER_S) == Restart(0.1), "it was well in between"
    assert policy.on_exit(KILLED, lived_s=1.0) == Restart(0.2)


def test_a_worker_that_never_comes_up_is_tried_for_ever():
    policy = RespawnPolicy()
    assert [policy.on_exit(CRASHED, lived_s=0.1) for _ in range(5000)][-1] == Restart(LONGEST_REST_S)


@pytest.mark.parametrize("code", [0, EXIT_CONFIG])
def test_an_end_on_purpose_and_a_configuration_error_end_the_parent_too(code):
    assert RespawnPolicy().on_exit(code, lived_s=0.1) == End(code)


@pytest.mark.parametrize(
    ("code", "own_code"), [(0, 0), (TERMINATED, 0), (-signal.SIGINT, 0), (KILLED, 1), (CRASHED, 1), (EXIT_CONFIG, 1)]
)
def test_after_sigterm_nothing_is_restarted_and_only_an_orderly_end_is_a_success(code, own_code):
    policy = RespawnPolicy()
    policy.stopping = True
    assert policy.on_exit(code, lived_s=100.0) == End(own_code)


@on_unix
def test_a_signal_that_comes_while_the_parent_ends_changes_nothing():
    ends_late = """
import os, sys
from causal import process

class Late:
    def __del__(self, kill=os.kill, pid=os.getpid()):
        kill(pid, 15)

late = Late()  # goes when Python takes its modules down, after the signal handlers
process.Parent.run = lambda self: (process.signal.signal(15, self._on_stop), 0)[1]
process.main("nobody", "")
"""
    assert subprocess.run([sys.executable, "-c", ends_late], check=False).returncode == 0


# --- the pipes, on Unix (tests/windows/test_worker.py has the others) ---


@pytest.fixture
def pipes():
    fds = [*os.pipe(), *os.pipe()]
    yield fds
    for fd in fds:
        os.close(fd)


@on_unix
def test_a_beat_is_a_byte_in_the_parents_pipe(pipes):
    alive_read, _, beat_read, beat_write = pipes
    Lifeline(f"{alive_read},{beat_write}").beat()
    assert os.read(beat_read, 10) == b"."


@on_unix
def test_a_parent_that_does_not_read_never_stops_the_worker(pipes):
    alive_read, _, beat_read, beat_write = pipes
    lifeline = Lifeline(f"{alive_read},{beat_write}")
    for _ in range(100_000):
        lifeline.beat()
    assert os.read(beat_read, 10) == b"." * 10


@on_unix
def test_a_child_of_the_worker_does_not_inherit_the_pipes(pipes):
    alive_read, _, _, beat_write = pipes
    os.set_inheritable(alive_read, True)
    os.set_inheritable(beat_write, True)
    Lifeline(f"{alive_read},{beat_write}")
    assert not os.get_inheritable(alive_read)
    assert not os.get_inheritable(beat_write)


def test_without_a_parent_there_is_nothing_to_hear_and_nobody_to_tell():
    lifeline = Lifeline("")
    lifeline.beat()
    assert lifeline.parent_fd is None


@on_unix
def test_the_pipes_are_for_the_worker_alone_and_leave_the_environment(pipes, monkeypatch):
    alive_read, _, _, beat_write = pipes
    monkeypatch.setenv("CAUSAL_PARENT_PIPES", f"{alive_read},{beat_write}")
    assert Lifeline().parent_fd == alive_read
    assert "CAUSAL_PARENT_PIPES" not in os.environ
