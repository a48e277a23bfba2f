"""A whole stack on Windows: honcho, real processes on TCP with CURVE, and a speech service whose words are known."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import soundfile

from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.oracle_speech import RATE_HZ, speak
from causal.testing.stack import Stack

pytestmark = pytest.mark.timeout(180)

PROCFILE = Path(__file__).parents[2] / "Procfile.windows"
KEY = "a-secret-key"
SERVICES = ("broker", "control", "resample", "stt", "capture")


@pytest.fixture(scope="module")
def service() -> Iterator[AssemblyAIServer]:
    with in_thread(AssemblyAIServer(key=KEY)) as running:
        yield running


@pytest.fixture
def stack(service: AssemblyAIServer) -> Iterator[Stack]:
    environment = {"CAUSAL_STT_URL": service.url, "ASSEMBLYAI_API_KEY": KEY}
    made = Stack(PROCFILE, [*SERVICES, "jsonl"], environment=environment)
    try:
        made.start()
        made.wait_ready(SERVICES, 60.0)
        yield made
    finally:
        made.clear()


def test_a_file_is_heard_exactly_whichever_worker_is_killed_and_shutdown_ends_all(stack: Stack, tmp_path: Path) -> None:
    assert stack.ctl("list").returncode == 0
    path, said = tmp_path / "speech.wav", list(range(10, 50))
    soundfile.write(path, speak(said), RATE_HZ)
    started = stack.ctl("start", f"file:{path}")
    assert started.returncode == 0, started.stderr
    session = started.stdout.strip()

    for service in ("stt", "resample", "broker", "control"):
        former = stack.pid(service)
        psutil.Process(former).kill()
        stack.until(lambda: _pid(stack, service) not in (None, former), 45.0, f"another {service}")  # noqa: B023
    stack.until(lambda: "ended" in _told(stack, "session-status", session, "state"), 60.0, "the session's end")

    heard = " ".join(_told(stack, "transcript-final", session, "text")).lower().replace(".", "").split()
    assert heard == [f"n{number}" for number in said]
    assert stack.ctl("export", session, "--format", "srt").stdout.startswith("1")
    assert "running" in stack.ctl("status").stdout

    ended = stack.ctl("shutdown")
    assert ended.returncode == 0, ended.stderr
    assert stack.stop() == 0, stack.log()
    assert stack.ctl("status").returncode == 3
    assert not list(stack.paths.runtime.glob("*.tcp"))
    assert "killed" not in stack.log(1000)


def test_commands_drain_when_their_shells_are_ended_as_honcho_does_it(stack: Stack) -> None:
    shells = [process for process in psutil.process_iter() if _is_shell(process)]
    assert len(shells) >= len(SERVICES)
    for shell in shells:
        shell.kill()
    stack.until(lambda: not list(stack.paths.runtime.glob("*.tcp")), 20.0, "an orderly end of all who bind")
    assert stack.stop() is not None


def test_a_second_stack_in_the_same_directories_is_refused(stack: Stack) -> None:
    refused = subprocess.run(["causal-broker"], env=stack.environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert f"causal-broker runs already in {stack.paths.runtime} (pid {stack.pid('broker')})" in refused.stderr


def _pid(stack: Stack, service: str) -> int | None:
    """The pid of a worker; None while it, or the controller, is away."""
    with contextlib.suppress(TimeoutError):
        return stack.alive().get(f"{service}.1")
    return None


def _told(stack: Stack, kind: str, session: str, field: str) -> list[str]:
    """A field of a session's durable events, in the order of time."""
    events = [event for event in stack.events(kind) if event["session"] == session]
    return [event[field] for event in sorted(events, key=lambda event: event.get("start_ms", 0))]


def _is_shell(process: psutil.Process) -> bool:
    """Whether it is a shell of ours that honcho has started."""
    try:
        above = [one.pid for one in process.parents()]
        return "cmd" in " ".join(process.cmdline()[:1]).lower() and os.getpid() in above
    except (OSError, psutil.Error):
        return False
