"""Locks on Windows."""

import os
import subprocess
import sys
import time

import pytest

from causal import file_lock, paths
from causal.errors import ConfigError
from causal.paths import locked

HOLDER = """
import sys, time
from pathlib import Path
from causal.paths import locked
with locked(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_for_one_and_hides_nothing(tmp_path):
    path = tmp_path / "lock"
    with path.open("a+") as first, path.open("a+") as second:
        assert file_lock.take(first)
        assert not file_lock.take(second)
        first.write("text")
        first.flush()
        assert path.read_text() == "text"


def test_the_lock_of_a_process_is_refused_with_its_pid_and_free_when_it_was_killed(tmp_path, monkeypatch):
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    monkeypatch.setattr(paths, "RELEASED_WITHIN_S", 0.2)
    with pytest.raises(ConfigError, match=f"it runs already in .* \\(pid {holder.pid}\\)"), locked(path, "it"):
        pass
    holder.kill()
    holder.wait()
    monkeypatch.setattr(paths, "RELEASED_WITHIN_S", 5.0)
    begun_s = time.monotonic()
    with locked(path, "it"):
        assert path.read_text() == str(os.getpid())
    assert time.monotonic() - begun_s < 5.0
