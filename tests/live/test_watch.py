"""`causal-ctl watch`, `status --watch` and `list --watch` on a real stack: on a terminal of 80×24, and in a pipe."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

ROWS, COLUMNS = 24, 80
SERVICES = ["broker", "control", "engine", "resample", "stt", "capture"]
PIECE = re.compile(r"\x1b\[\??(\d*)([A-Za-z])|(\r)|(\n)|([^\x1b])")


@pytest.fixture(scope="module")
def stack(procfile: Path, speech_model: None) -> Iterator[Stack]:
    """One for all tests here."""
    with Stack(procfile, SERVICES) as running:
        yield running


@pytest.fixture
def talk(stack: Stack, samples: Path) -> Iterator[str]:
    """A session that hears a speech."""
    session = stack.ctl("start", str(samples / "jfk.wav")).stdout.strip()
    yield session
    stack.ctl("stop", session)


class Terminal:
    """A command on a terminal, and what stands there."""

    def __init__(self, stack: Stack, *arguments: str, **environment: str) -> None:
        self.text = ""
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        inherited = {name: value for name, value in stack.environment.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            ["causal-ctl", *arguments],
            env=inherited | {"TERM": "xterm-256color"} | environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        self._theirs = theirs

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._fd)
        os.close(self._theirs)

    def until(self, what: str, within_s: float = 50.0) -> str:
        """The screen, once `what` stands on it."""
        deadline_s = time.monotonic() + within_s
        while what not in (screen := self.screen()):
            ready, _, _ = select.select([self._fd], [], [], max(0.0, deadline_s - time.monotonic()))
            assert ready, f"not within {within_s:.0f} s: {what!r} on\n{screen}"
            self.text += os.read(self._fd, 65536).decode("utf-8", "replace")
        return screen

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def code(self) -> int:
        """The exit code; reads the rest."""
        code = self.process.wait(10.0)
        while select.select([self._fd], [], [], 0.1)[0]:
            self.text += os.read(self._fd, 65536).decode("utf-8", "replace")
        return code

    def echoes(self) -> bool:
        """Whether keys are shown again."""
        return bool(termios.tcgetattr(self._theirs)[3] & termios.ECHO)

    def suspends(self) -> bool:
        """Whether Ctrl-Z stops the command."""
        return bool(termios.tcgetattr(self._theirs)[6][termios.VSUSP] != b"\x00")

    def screen(self) -> str:
        """The rows. Asserts that nothing was drawn outside of them."""
        grid = [[" "] * COLUMNS for _ in range(ROWS)]
        row = column = 0
        for number, command, carriage, newline, char in PIECE.findall(self.text):
            if command == "H":
                row = column = 0
            elif command in ("K", "J"):
                grid[row][column:] = [" "] * (COLUMNS - column)
                for below in range(0 if number == "2" else row + 1, ROWS if command == "J" else 0):
                    grid[below] = [" "] * COLUMNS
            elif carriage:
                column = 0
            elif newline:
                row += 1
                assert row < ROWS, "it scrolled"
            elif char:
                assert column < COLUMNS, "it wrapped"
                grid[row][column] = char
                column += 1
        return "\n".join("".join(cells).rstrip() for cells in grid)


@contextlib.contextmanager
def piped(stack: Stack, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["causal-ctl", *arguments], env=stack.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def leave(process: subprocess.Popen[str]) -> int:
    """Ctrl-C, and the exit code."""
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10.0)
    return process.returncode


def test_a_terminal_shows_streams_and_words_and_is_as_before_afterwards(stack: Stack, talk: str) -> None:
    with Terminal(stack, "watch") as terminal:
        screen = terminal.until("fellow Americans.")
        assert f"session {talk}: running, heard by local" in screen
        assert re.search(r"^  file +\w+ +[\w-]+ +[█·│]{10} ", screen, re.MULTILINE)
        assert re.search(r"^services .*broker \d+ %", screen, re.MULTILINE)
        assert "\x1b[1m" in terminal.text
        assert (terminal.echoes(), terminal.suspends()) == (False, False)
        terminal.type(b"q")
        assert terminal.code() == 0
        assert terminal.text.endswith("\x1b[?25h\x1b[?1049l")
        assert (terminal.echoes(), terminal.suspends()) == (True, True)
    assert stack.ask("status")["ok"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_colours_and_left_by_a_signal(stack: Stack, number: signal.Signals) -> None:
    with Terminal(stack, "watch", NO_COLOR="1") as terminal:
        terminal.until("no session is running")
        terminal.process.send_signal(number)
        assert terminal.code() == 0
        assert not re.search(r"\x1b\[\d*m", terminal.text)
        assert terminal.text.endswith("\x1b[?1049l")
    stack.wait_ready(SERVICES)


def test_status_and_list_are_kept_up_to_date_on_a_terminal(stack: Stack, talk: str) -> None:
    with Terminal(stack, "status", "--watch") as terminal:
        terminal.until(f"session {talk}: running")
        terminal.until("no session is running")  # when the file is over
        terminal.type(b"q")
        assert terminal.code() == 0
    with Terminal(stack, "list", "--watch") as terminal:
        terminal.until("nothing can be heard")
        terminal.type(b"q")
        assert terminal.code() == 0


def test_in_a_pipe_each_change_is_a_line(stack: Stack, samples: Path) -> None:
    with piped(stack, "watch") as watch, piped(stack, "status", "--watch") as status:
        assert watch.stdout is not None
        assert status.stdout is not None
        next(line for line in watch.stdout if line.endswith("stt 1: running\n"))
        next(line for line in status.stdout if line.endswith("stt 1: running\n"))
        session = stack.ctl("start", str(samples / "jfk.wav")).stdout.strip()
        next(line for line in status.stdout if f"session {session}: running" in line)
        seen = []
        for line in watch.stdout:
            seen.append(line)
            if "fellow Americans." in line:
                break
        stack.ctl("stop", session)
        next(line for line in watch.stdout if f"session {session} has ended" in line)
        next(line for line in status.stdout if f"session {session}: gone" in line)
        assert sum("listens to file" in line for line in seen) == 1
        assert not any("\x1b" in line for line in seen)
        assert [leave(watch), leave(status)] == [0, 0]


def test_as_json_each_event_is_a_line(stack: Stack, samples: Path) -> None:
    with piped(stack, "watch", "--json") as watch:
        assert watch.stdout is not None
        stack.until(lambda: _is_subscribed(watch), what="a subscriber")
        session = stack.ctl("start", f"{samples / 'jfk.wav'}?speed=max").stdout.strip()
        kinds = set()
        for event in map(json.loads, watch.stdout):
            kinds.add(event["type"])
            if event["type"] == "session-status" and event["state"] == "ended":
                break
        assert event["session"] == session
        assert kinds >= {"capture-status", "transcript-final", "session-status"}
        assert leave(watch) == 0


def _is_subscribed(process: subprocess.Popen[Any]) -> bool:
    """Whether it has taken over SIGTERM, which it does after it has subscribed."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    (caught,) = re.findall(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def test_devices_come_and_go(procfile: Path, pulse_own: PrivatePulse) -> None:
    environment = {"PULSE_SERVER": pulse_own.server}
    with (
        Stack(procfile, ["broker", "control", "capture"], environment=environment) as stack,
        piped(stack, "list", "--watch") as lines,
        piped(stack, "list", "--watch", "--json") as replies,
    ):
        assert lines.stdout is not None
        assert replies.stdout is not None
        next(line for line in lines.stdout if "pulse:microphone: input Microphone, which is mic" in line)
        first = len(json.loads(replies.stdout.readline())["devices"])
        module = pulse_own.add_sink("headphones")
        next(line for line in lines.stdout if "pulse:headphones.monitor: loopback" in line)
        assert len(json.loads(replies.stdout.readline())["devices"]) == first + 1
        pulse_own.unload(module)
        next(line for line in lines.stdout if line.endswith("pulse:headphones.monitor: gone\n"))
        assert [leave(lines), leave(replies)] == [0, 0]


def test_when_the_stack_ends_so_does_the_watching(procfile: Path) -> None:
    with Stack(procfile, ["broker", "control"]) as stack, Terminal(stack, "watch") as terminal:
        terminal.until("no session is running")
        assert stack.ctl("shutdown").returncode == 0
        assert terminal.code() == 3
        assert "no stack is running" in terminal.text.rpartition("\x1b[?1049l")[2]
        assert stack.ctl("watch").returncode == 3
