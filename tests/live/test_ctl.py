"""`causal-ctl` against a whole stack: a real file, the real engine, a real terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

SERVICES = ["broker", "control", "engine", "resample", "stt", "capture"]
SESSION = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")


@pytest.fixture(scope="module")
def stack(procfile: Path, speech_model: None) -> Iterator[Stack]:
    """One for all tests here: each has its own session."""
    with Stack(procfile, SERVICES) as running:
        yield running


@pytest.fixture(scope="module")
def talk(samples: Path) -> str:
    return str(samples / "jfk.wav")


def following(stack: Stack, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["causal-ctl", "start", *arguments],
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def state_of(stack: Stack, session: str) -> str:
    rows = {row["session"]: row for row in stack.ask("sessions")["sessions"]}
    return str(rows[session]["state"])


def test_wait_returns_when_the_file_is_over(stack: Stack, talk: str) -> None:
    done = stack.ctl("start", f"{talk}?speed=max", "--wait")
    assert (done.returncode, done.stderr) == (0, "heard by local\n")
    (session,) = done.stdout.split()
    assert SESSION.fullmatch(session)
    assert state_of(stack, session) == "ended"


def test_a_session_in_which_all_goes_well_drops_nothing(stack: Stack, talk: str) -> None:
    assert stack.ctl("start", f"{talk}?speed=4", "--wait").returncode == 0
    views = [view["status"] for view in stack.ask("status")["services"]]
    assert [
        (view["service"], name) for view in views for name, queue in view["queues"].items() if queue["dropped"]
    ] == []


def test_follow_shows_the_words_and_the_end(stack: Stack, talk: str) -> None:
    done = stack.ctl("start", f"file:{talk}?speed=max", "--follow", "--label", "inaugural")
    lines = done.stdout.splitlines()
    session = lines[0]
    assert done.returncode == 0
    assert lines[1].endswith(f'session {session} "inaugural" listens to file, heard by local')
    assert "ask not" in done.stdout.lower()
    assert lines[-1].endswith(f'session {session} "inaugural" has ended: source-ended')
    assert all(re.match(r"(\d\d:\d\d:\d\d| {8}) (file|--  )  ", line) for line in lines[1:])


def test_follow_as_json_is_the_reply_and_then_the_events(stack: Stack, talk: str) -> None:
    done = stack.ctl("start", f"{talk}?speed=max", "--follow", "--json")
    reply, *events = map(json.loads, done.stdout.splitlines())
    assert (done.returncode, reply["ok"]) == (0, True)
    assert {event["session"] for event in events} == {reply["session"]}
    assert {"session-status", "transcript-final"} <= {event["type"] for event in events}
    assert events[-1]["state"] == "ended"


def test_ctrl_c_stops_the_session_and_shows_the_last_words(stack: Stack, talk: str) -> None:
    with following(stack, talk, "--follow") as ctl:
        assert ctl.stdout is not None
        session = ctl.stdout.readline().strip()
        next(line for line in ctl.stdout if "fellow Americans" in line)
        ctl.send_signal(signal.SIGINT)
        rest = ctl.stdout.read()
        assert ctl.wait(15.0) == 0
        assert ctl.stderr is not None
        assert "Ctrl-C again leaves at once" in ctl.stderr.read()
    assert rest.splitlines()[-1].endswith(f"session {session} has ended: stopped")
    assert state_of(stack, session) == "ended"


def test_a_second_ctrl_c_leaves_at_once(stack: Stack, talk: str) -> None:
    with following(stack, talk, "--wait") as ctl:
        assert ctl.stdout is not None
        assert ctl.stderr is not None
        session = ctl.stdout.readline().strip()
        stack.until(lambda: stack.ask("status")["sessions"])
        stt = stack.pid("stt")
        os.kill(stt, signal.SIGSTOP)  # so that the last words do not come
        try:
            ctl.send_signal(signal.SIGINT)
            next(line for line in ctl.stderr if "Ctrl-C again" in line)
            ctl.send_signal(signal.SIGINT)
            assert ctl.wait(5.0) == 130
        finally:
            os.kill(stt, signal.SIGCONT)
    stack.until(lambda: state_of(stack, session) == "ended", 20.0)


def test_stop_alone_stops_what_runs_and_has_the_last_words(stack: Stack, talk: str) -> None:
    session = stack.ctl("start", talk).stdout.strip()
    stack.until(lambda: any(stream["captured_ms"] > 1000 for stream in stack.ask("status")["sessions"][0]["streams"]))
    done = stack.ctl("stop")
    assert (done.returncode, done.stdout) == (0, f"{session} ended\n")


def test_a_file_that_is_not_there_is_refused(stack: Stack, tmp_path: Path) -> None:
    done = stack.ctl("start", str(tmp_path / "nothing.wav"))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"there is no file {tmp_path}/nothing.wav" in done.stderr


def test_a_session_that_fails_is_told_with_its_error(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "noise.wav").write_bytes(b"this is no sound" * 100)
    done = stack.ctl("start", str(tmp_path / "noise.wav"), "--wait")
    assert done.returncode == 1
    assert "noise.wav" in done.stderr


def test_status_and_sessions_and_list_are_readable(stack: Stack, talk: str) -> None:
    session = stack.ctl("start", talk).stdout.strip()
    stack.until(lambda: stack.ask("status")["sessions"])
    status = stack.ctl("status")
    assert status.returncode == 0
    assert f"session {session}: running" in status.stdout
    assert f"file:{talk}" in status.stdout
    for service in ("broker", "control", "resample", "stt", "capture"):
        assert re.search(rf"^{service} +1 ", status.stdout, re.MULTILINE)
    assert session in stack.ctl("sessions").stdout
    assert json.loads(stack.ctl("list", "--json").stdout)["devices"] == []
    assert stack.ctl("stop", session).returncode == 0


def test_on_a_terminal_the_words_change_in_place(stack: Stack, talk: str) -> None:
    ours, theirs = pty.openpty()
    environment = stack.environment | {"TERM": "xterm-256color"}
    with subprocess.Popen(
        ["causal-ctl", "start", talk, "--follow"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    ) as ctl:
        os.close(theirs)
        seen = _read_until(ours, b"has ended", within_s=40.0)
        assert ctl.wait(5.0) == 0
    os.close(ours)
    text = seen.decode()
    assert re.search(r"\x1b\[33mfile\x1b\[0m  \x1b\[2m\w", text), "a partial"
    assert re.search(r"\d\d:\d\d:\d\d\x1b\[0m \x1b\[33mfile\x1b\[0m  And so my fellow Americans\.\r\n", text)


def _read_until(fd: int, what: bytes, within_s: float) -> bytes:
    seen = b""
    deadline_s = time.monotonic() + within_s
    while what not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline_s - time.monotonic()))
        assert ready, f"not within {within_s} s: {what!r} in {seen[-500:]!r}"
        seen += os.read(fd, 65536)
    return seen


def test_shutdown_ends_everything_and_then_there_is_no_stack(procfile: Path) -> None:
    with Stack(procfile, ["broker", "control", "resample", "capture"]) as stack:
        done = stack.ctl("shutdown")
        assert (done.returncode, done.stdout) == (0, "")
        stack.until(lambda: not stack.leftovers())
        after = stack.ctl("status")
    assert after.returncode == 3
    assert "no stack is running" in after.stderr


def test_a_key_in_the_keyring_makes_assemblyai_hear_and_shows_nowhere(procfile: Path, tmp_path: Path) -> None:
    keyring = {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring", "XDG_DATA_HOME": str(tmp_path)}
    with Stack(procfile, [], environment=keyring) as stack:
        typed = subprocess.run(
            ["causal-ctl", "key", "set"], env=stack.environment, input=b"a-secret-key", capture_output=True, check=True
        )
        stack.launch("causal-control")
        stack.until(lambda: stack.ctl("status", "--json").returncode == 0)
        assert json.loads(stack.ctl("status", "--json").stdout)["engine"] == "assemblyai"
        written = [path.read_bytes() for path in stack.folder.rglob("*") if path.is_file()]
        assert not any(b"a-secret-key" in text for text in [typed.stdout, typed.stderr, *written])
