"""A keyring that asks its owner to unlock it, while nobody is there: the controller starts and answers all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal.testing.stack import Stack

pytestmark = pytest.mark.live

LOCKED = """
import time
from pathlib import Path
from keyring.backend import KeyringBackend

class Locked(KeyringBackend):
    priority = 1

    def get_password(self, service, username):
        while not Path({unlocked!r}).exists():
            time.sleep(0.05)
        return "0123456789abcdef"

    def set_password(self, service, username, password):
        pass
"""


def test_a_keyring_that_nobody_unlocks_keeps_the_controller_from_nothing(procfile: Path, tmp_path: Path) -> None:
    unlocked = tmp_path / "unlocked"
    (tmp_path / "locked_keyring.py").write_text(LOCKED.format(unlocked=str(unlocked)))
    environment = {"PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "locked_keyring.Locked"}
    with Stack(procfile, [], environment=environment) as stack:
        stack.launch("causal-control")
        stack.wait_ready(["control"])
        pid = stack.pid("control")
        started = stack.ctl("start", f"file:{__file__}")
        assert started.returncode == 0, started.stderr
        assert "local" in started.stderr
        stack.until(lambda: "look for a window that asks for its password" in stack.ctl("status").stdout)
        unlocked.touch()
        stack.until(lambda: stack.ask("status")["engine"] == "assemblyai")
        assert stack.pid("control") == pid
