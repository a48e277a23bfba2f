"""The client in docs/protocol.md, run as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
MOST_LINES = 32


def script() -> str:
    (found,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    return str(found)


def client(stack: Stack, folder: Path, sound: Path) -> subprocess.CompletedProcess[str]:
    """What the client does with a sound file."""
    path = folder / "client.py"
    path.write_text(script())
    return subprocess.run(
        [sys.executable, str(path), str(sound)],
        env=stack.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_client_lists_starts_follows_and_stops(stack: Stack, samples: Path, tmp_path: Path) -> None:
    done = client(stack, tmp_path, samples / "jfk.wav")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    finals = [line for line in lines if line.startswith("transcript-final ")]
    assert "transcript-final And so my fellow Americans." in finals
    assert any(line.startswith("transcript-partial ") for line in lines)
    assert lines[-2:] == ["session-status finishing", "session-status ended"]
    row = stack.ask("sessions")["sessions"][0]
    assert (row["state"], row["reason"]) == ("ended", "stopped")


def test_the_client_says_why_it_was_refused(stack: Stack, tmp_path: Path) -> None:
    done = client(stack, tmp_path, tmp_path / "nothing.wav")
    assert done.returncode == 1
    assert done.stderr.startswith("device-not-found: there is no file")


def test_the_client_is_short_and_needs_nothing_of_ours() -> None:
    assert len([line for line in script().splitlines() if line.strip()]) <= MOST_LINES
    assert "causal." not in script()
