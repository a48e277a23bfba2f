"""The parent of a worker: starts it, restarts it when it dies or freezes, and ends with it.

Each `causal-*` service is two processes, since honcho stops the whole stack when one of its processes exits. The
parent uses the standard library only, so that it is small and has little that can break. Two pipes join them:

    parent ──(open while the parent lives)──▶ worker      the worker drains and ends when it closes
    worker ──(a byte a second)─────────────▶ parent       the parent kills a worker that is silent for 5 s,
                                                          or has not ended 6 s after it was asked to

Asking is SIGTERM on Unix (`worker_posix`), and a byte in the first pipe on Windows (`worker_windows`), where a Job
Object holds the worker besides.

`--no-respawn` runs the worker alone: for tests, or where something else restarts and looks after it.
"""

from __future__ import annotations

import importlib
import signal
import sys
import time
from dataclasses import dataclass
from types import FrameType

from causal import console
from causal.worker import PARENT_VARIABLE, Sign

if sys.platform == "win32":
    from causal.worker_windows import STOP_SIGNALS, Lifeline, Worker, command, on_end
else:
    from causal.worker_posix import STOP_SIGNALS, Lifeline, Worker, command, on_end

__all__ = [
    "EXIT_CONFIG",
    "PARENT_VARIABLE",
    "STOP_SIGNALS",
    "End",
    "Lifeline",
    "Parent",
    "RespawnPolicy",
    "Restart",
    "main",
]

FROZEN_AFTER_S = 5
FIRST_BEAT_S = 30
"""Until the first heartbeat: imports on a busy machine take their time."""
STOP_WITHIN_S = 6.0
STEADY_AFTER_S = 10.0
LONGEST_REST_S = 2.0
EXIT_CONFIG = 2


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
    console.prepare()
    arguments = sys.argv[1:]
    if "--no-respawn" in arguments or "--help" in arguments or "prepare" in arguments[:1]:
        sys.argv[1:] = [argument for argument in arguments if argument != "--no-respawn"]
        importlib.import_module(module).main()
    else:
        code = Parent(service, command(sys.argv[0], service, [*arguments, "--no-respawn"])).run()
        for number in STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # Python drops its handlers while it ends: a late signal would kill
        sys.exit(code)


class Parent:
    """Runs one worker after the other until told to stop."""

    def __init__(self, service: str, command: list[str]) -> None:
        self._service = service
        self._command = command
        self._policy = RespawnPolicy()
        self._worker: Worker | None = None
        self._end_by_s = float("inf")

    def run(self) -> int:
        """The exit code for the parent."""
        on_end(self._on_stop)
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
        try:
            worker = Worker(self._command)
        except OSError as error:  # no memory, no room for a process: that may pass
            self._say(f"the worker cannot be started: {error.strerror}")
            return 1
        with worker:
            self._worker = worker
            if self._policy.stopping:
                worker.ask_to_end()
            self._watch(worker)
            code = worker.wait()
            self._worker = None
        return code

    def _watch(self, worker: Worker) -> None:
        """Returns when the worker has ended or was killed. Silence is counted in seconds that the parent saw pass, for
        both may have been stopped together (Ctrl-Z, a paused machine)."""
        patience_s = FIRST_BEAT_S
        silent_s = 0
        while worker.is_running:
            match worker.listen(1.0):
                case Sign.BEAT:
                    patience_s, silent_s = FROZEN_AFTER_S, 0
                case Sign.NOTHING:
                    silent_s += 1
                case Sign.END:
                    return
            if silent_s >= patience_s:
                self._kill(worker, f"no sign of life for {silent_s} s")
            elif time.monotonic() > self._end_by_s:
                self._kill(worker, f"it did not end within {STOP_WITHIN_S:.0f} s")

    def _kill(self, worker: Worker, why: str) -> None:
        self._say(f"{why}; killed")
        worker.kill()

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
        if (worker := self._worker) is not None:
            worker.ask_to_end()


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal
        return f"killed by signal {-code}"
