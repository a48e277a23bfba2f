"""The parent of a worker: starts it, restarts it when it dies or freezes, and ends with it.

Each `causal-*` service is two processes, since honcho stops the whole stack when one of its processes exits. The
parent uses the standard library only, so that it is small and has little that can break. Two pipes join them:

    parent ──(open while the parent lives)──▶ worker      the worker drains and ends when it closes
    worker ──(a byte a second)─────────────▶ parent       the parent kills a worker that is silent for 5 s,
                                                          or has not ended 6 s after SIGTERM

Under supervisor, which restarts by itself, `--no-respawn` runs the worker alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

FROZEN_AFTER_S = 5
FIRST_BEAT_S = 30
"""Until the first heartbeat: imports on a busy machine take their time."""
STOP_WITHIN_S = 6.0
STEADY_AFTER_S = 10.0
LONGEST_REST_S = 2.0
EXIT_CONFIG = 2
PARENT_VARIABLE = "CAUSAL_PARENT_PIPES"


@dataclass(frozen=True)
class Restart:
    delay_s: float


@dataclass(frozen=True)
class End:
    code: int


class RespawnPolicy:
    """Says what follows a worker's end: a restart with growing delay (0.1 s … 2 s), or the parent's own end."""

    def __init__(self) -> None:
        self._failures = 0
        self.stopping = False

    def on_exit(self, code: int, lived_s: float) -> Restart | End:
        """`code` as `subprocess` gives it: negative for a signal."""
        if self.stopping:
            return End(0 if code in (0, -signal.SIGTERM, -signal.SIGINT) else 1)
        if code in (0, EXIT_CONFIG):
            return End(code)
        if lived_s >= STEADY_AFTER_S:
            self._failures = 0
        self._failures += 1
        return Restart(min(LONGEST_REST_S, 0.1 * 2 ** min(self._failures - 1, 10)))


def main(service: str, module: str) -> None:
    """The command of a service: with `--no-respawn` (and for `--help`) its worker, else its parent."""
    arguments = sys.argv[1:]
    if "--no-respawn" in arguments or "--help" in arguments or "prepare" in arguments[:1]:
        sys.argv[1:] = [argument for argument in arguments if argument != "--no-respawn"]
        importlib.import_module(module).main()
    else:
        code = Parent(service, _same_command(arguments)).run()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # Python drops its handlers while it ends: a late signal would kill
        sys.exit(code)


class Parent:
    """Runs one worker after the other until told to stop."""

    def __init__(self, service: str, command: list[str]) -> None:
        self._service = service
        self._command = command
        self._policy = RespawnPolicy()
        self._worker: subprocess.Popen[bytes] | None = None
        self._end_by_s = float("inf")

    def run(self) -> int:
        """The exit code for the parent."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop)
        while True:
            started_s = time.monotonic()
            code = self._run_worker()
            match self._policy.on_exit(code, time.monotonic() - started_s):
                case End(exit_code):
                    return exit_code
                case Restart(delay_s):
                    self._say(f"the worker ended ({_describe(code)}); restarted")
                    self._rest(delay_s)
                    if self._policy.stopping:
                        return 0

    def _run_worker(self) -> int:
        alive_read, alive_write = os.pipe()
        beat_read, beat_write = os.pipe()
        environment = os.environ | {PARENT_VARIABLE: f"{alive_read},{beat_write}"}
        with os.fdopen(beat_read, "rb", 0), os.fdopen(alive_write, "wb", 0):
            try:
                worker = subprocess.Popen(self._command, env=environment, pass_fds=(alive_read, beat_write))
            except OSError as error:  # no memory, no room for a process: that may pass
                self._say(f"the worker cannot be started: {error.strerror}")
                return 1
            finally:
                os.close(alive_read)
                os.close(beat_write)
            self._worker = worker
            if self._policy.stopping:
                worker.terminate()
            self._watch(worker, beat_read)
            return worker.wait()

    def _watch(self, worker: subprocess.Popen[bytes], beat_read: int) -> None:
        """Returns when the worker has ended or was killed. Silence is counted in seconds that the parent saw pass, for
        both may have been stopped together (Ctrl-Z, a paused machine)."""
        patience_s = FIRST_BEAT_S
        silent_s = 0
        while worker.poll() is None:
            ready, _, _ = select.select([beat_read], [], [], 1.0)
            if not ready:
                silent_s += 1
            elif os.read(beat_read, 4096):
                patience_s, silent_s = FROZEN_AFTER_S, 0
            else:
                return
            if silent_s >= patience_s:
                self._kill(worker, f"no sign of life for {silent_s} s")
            elif time.monotonic() > self._end_by_s:
                self._kill(worker, f"it did not end within {STOP_WITHIN_S:.0f} s")

    def _kill(self, worker: subprocess.Popen[bytes], why: str) -> None:
        self._say(f"{why}; killed")
        worker.kill()
        worker.wait()

    def _rest(self, delay_s: float) -> None:
        until_s = time.monotonic() + delay_s
        while not self._policy.stopping and (left_s := until_s - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.05))

    def _say(self, text: str) -> None:
        print(f"{self._service}: {text}", file=sys.stderr, flush=True)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        if not self._policy.stopping:
            self._policy.stopping = True
            self._end_by_s = time.monotonic() + STOP_WITHIN_S
        if self._worker is not None and self._worker.poll() is None:
            self._worker.terminate()


class Lifeline:
    """The worker's ends of the two pipes. Without a parent nothing is sent, and nothing ever comes."""

    def __init__(self, pipes: str | None = None) -> None:
        text = os.environ.pop(PARENT_VARIABLE, "") if pipes is None else pipes
        alive, _, beat = text.partition(",")
        self.parent_fd = int(alive) if text else None
        """Readable when the parent is gone."""
        self._beat_fd = int(beat) if text else None
        for fd in (self.parent_fd, self._beat_fd):
            if fd is not None:
                os.set_inheritable(fd, False)  # a child that outlives the worker must not look like it
                os.set_blocking(fd, False)  # a parent that is stopped must not stop the worker

    def beat(self) -> None:
        """Says that the worker's loop turns. Call it from the loop, once a second."""
        if self._beat_fd is not None:
            with contextlib.suppress(OSError):
                os.write(self._beat_fd, b".")


def _same_command(arguments: list[str]) -> list[str]:
    program = sys.argv[0]
    runner = [sys.executable, program] if os.name == "posix" else [program]
    return [*runner, *arguments, "--no-respawn"]


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"
