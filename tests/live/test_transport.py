"""A stack whose processes meet on TCP with CURVE, as they do on Windows: one for all tests; the last one ends it."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import jiwer
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from causal.testing.stack import Stack
from causal.transport import find, keys_file

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"


@pytest.fixture(scope="module")
def on_tcp(procfile, speech_model):
    processes = ["broker", "control", "engine", "resample", "stt", "capture", "jsonl"]
    with Stack(procfile, processes, environment={"CAUSAL_TRANSPORT": "tcp"}) as stack:
        yield stack


def test_the_documented_client_connects(on_tcp: Stack, samples: Path, tmp_path: Path) -> None:
    document = DOCUMENT.read_text("utf-8")
    (connect,) = re.findall(r"In Python:\n\n((?: {4}.*\n)+)", document)
    (client,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    client, replaced = re.subn(r'(\w+)\.connect\(f"ipc://{run}/(\w+)"\)', r'connect(\1, "\2")', client)
    assert replaced == 2
    script = tmp_path / "client.py"
    script.write_text(f"import json\n{textwrap.dedent(connect)}\n{client}")
    done = subprocess.run(
        [sys.executable, str(script), str(samples / "jfk.wav")],
        env=on_tcp.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "transcript-final And so my fellow Americans." in done.stdout.splitlines()


def test_a_key_that_was_exchanged_is_said(on_tcp: Stack) -> None:
    keys = keys_file(on_tcp.paths, "client")
    right = keys.read_text()
    keys.write_text((on_tcp.paths.runtime / "curve-server.json").read_text())
    refused = on_tcp.ctl("status")
    assert (refused.returncode, "another key" in refused.stderr) == (3, True)
    keys.write_text(right)
    assert on_tcp.ctl("status").returncode == 0


def test_on_tcp_all_is_heard_once_whichever_worker_is_killed(on_tcp: Stack, samples: Path) -> None:
    playing = on_tcp.ask("start", sources=[f"file:{samples / 'jfk.wav'}"])
    assert playing["ok"], playing
    for service in ("broker", "stt", "resample", "control"):
        former = on_tcp.pid(service)
        os.kill(former, signal.SIGKILL)
        on_tcp.until(lambda: on_tcp.alive().get(f"{service}.1", former) != former, 15.0, f"another {service}")  # noqa: B023
    on_tcp.until(lambda: "ended" in _told(on_tcp, "session-status", playing["session"], "state"), 60.0, "its end")

    normalize = EnglishTextNormalizer()
    said, heard = (
        (samples / "jfk.txt").read_text(),
        " ".join(_told(on_tcp, "transcript-final", playing["session"], "text")),
    )
    assert jiwer.wer(normalize(said), normalize(heard)) <= 0.15
    assert not list(on_tcp.paths.runtime.glob("log")), "no Unix socket was made"

    assert on_tcp.ctl("export", playing["session"], "--format", "txt").returncode == 0
    assert on_tcp.ctl("shutdown").returncode == 0
    assert find(on_tcp.paths, "control") is None
    assert on_tcp.ctl("status").returncode == 3


def _told(stack: Stack, kind: str, session: str, field: str) -> list[str]:
    """A field of a session's durable events."""
    return [event[field] for event in stack.events(kind) if event["session"] == session]
