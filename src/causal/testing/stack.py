"""A real stack of processes in directories of its own: started, asked, stopped, and nothing left behind.

    with Stack(procfile) as stack:
        stack.ctl("start", "file:/speech.wav", "--wait")
        stack.pid("stt")

It runs honcho with the given Procfile, as a user does, and stops it as Ctrl-C does. It never hears the caller's
devices, settings or keys, unless they are given in `environment`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import psutil
import zmq

from causal import wire
from causal.errors import WireError
from causal.loop import send_now
from causal.messages.control import PROTOCOL_VERSION
from causal.paths import Paths
from causal.transport import Line

from . import waiting

READY_WITHIN_S = 15.0
"""Five times what it should take; bench/stack.py measures it."""
STOP_WITHIN_S = 10.0
"""honcho kills after 5 s what has not ended by itself."""
ANSWER_WITHIN_S = 10.0
ASK_AGAIN_S = 1.0
"""What went to a controller that died is lost."""
LOOK_EVERY_S = 0.05
"""Most looks ask the controller, or start `causal-ctl`."""

T = TypeVar("T")


class Stack:
    """Starts on entry, stops on exit. Raises `RuntimeError`, with the end of the log, when either goes wrong."""

    def __init__(
        self,
        procfile: Path,
        processes: Sequence[str] | None = None,
        *,
        environment: Mapping[str, str] | None = None,
        concurrency: str = "",
    ) -> None:
        """`processes` are names of lines in the Procfile, in the order of their start; None means all of them, none
        at all (an empty list) leaves everything to `launch`. `concurrency` is honcho's: `resample=2,stt=4`."""
        lines = dict(line.split(": ", 1) for line in procfile.read_text("utf-8").splitlines() if ": " in line)
        self.processes = list(lines) if processes is None else list(processes)
        # A short path: a Unix socket's has at most 103 bytes everywhere.
        short = "/tmp" if sys.platform != "win32" and Path("/tmp").is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="causal-stack-", dir=short))
        self.environment = _own_environment(self.folder) | dict(environment or {})
        self.paths = Paths.from_environment(self.environment)
        self._services = {name for name in self.processes if "causal-sink" not in lines[name]}
        self._options = ["-c", concurrency] if concurrency else []
        self._procfile = procfile.absolute()
        self._log = self.folder / "log"
        self._honcho: subprocess.Popen[bytes] | None = None
        self._launched: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_ready(self._services)
        except BaseException:
            self.give_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
            left = [] if kind else self.leftovers()
            if left:
                raise RuntimeError(f"left behind: {left}\n{self.log()}")
        finally:
            self.clear()

    def start(self) -> None:
        """Starts the processes, and does not wait for them."""
        if self.processes:
            options = ["--no-colour", "-e", "none", *self._options, "-f", str(self._procfile)]
            self._honcho = self._spawn(["honcho", "start", *options, *self.processes])

    def launch(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts one more process in this stack, such as another sink. It ends with the stack, if not before."""
        process = self._spawn(command)
        self._launched.append(process)
        return process

    def stop(self) -> int | None:
        """Stops everything as Ctrl-C does. Returns honcho's exit code: 130 when all is well, None without honcho. On
        Windows nobody sends others a Ctrl-C: `causal-ctl shutdown` does it there, and 0 is well."""
        running = [process for process in (self._honcho, *self._launched) if process and process.poll() is None]
        if sys.platform == "win32" and running:
            self.ctl("shutdown")
        elif sys.platform != "win32":
            for process in running:
                process.send_signal(signal.SIGINT)
        for process in self._launched:
            process.wait(STOP_WITHIN_S)
        return self._honcho.wait(STOP_WITHIN_S) if self._honcho else None

    def give_up(self) -> None:
        """Ends all from outside: honcho forgets some when it is told to stop while it still starts processes."""
        try:
            left = self.leftovers()
            for process in left:
                with contextlib.suppress(psutil.Error):
                    process.terminate()
            psutil.wait_procs(left, STOP_WITHIN_S)
        finally:
            self.clear()

    def clear(self) -> None:
        """Takes away whatever is left, by force; the directories too. An impatient Ctrl-C waits until that is done."""
        with _deaf():
            while left := self.leftovers():  # again, for one may have started another meanwhile
                for process in left:
                    with contextlib.suppress(psutil.Error):
                        process.kill()
                psutil.wait_procs(left, STOP_WITHIN_S)
            for child in (self._honcho, *self._launched):
                if child is not None:
                    child.wait(STOP_WITHIN_S)
            shutil.rmtree(self.folder, ignore_errors=True)

    def ctl(self, *arguments: str, within_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Runs `causal-ctl` against this stack; its output and exit code are in what returns."""
        return subprocess.run(
            ["causal-ctl", *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )

    def ask(self, op: str, within_s: float = ANSWER_WITHIN_S, **fields: Any) -> dict[str, Any]:
        """The controller's reply to a request, which is sent again, with the same id, until it comes. Raises
        `TimeoutError` when it does not come in time."""
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        frame = wire.pack_map({"v": PROTOCOL_VERSION, "id": secrets.token_hex(8), "op": op, **fields})
        end_s = time.monotonic() + within_s
        with context.socket(zmq.DEALER) as socket:
            socket.linger = 0
            line = Line(socket, self.paths, "control")
            while (left_s := end_s - time.monotonic()) > 0:
                line.renew()
                wait_s = ASK_AGAIN_S if send_now(socket, [b"", frame]) else LOOK_EVERY_S
                if socket.poll(round(min(wait_s, left_s) * 1000)):
                    return wire.unpack_map(socket.recv_multipart()[-1])
        raise TimeoutError(f"no answer to {op!r}\n{self.log()}")

    def alive(self, within_s: float = ANSWER_WITHIN_S) -> dict[str, int]:
        """The pids of the workers that are alive, under honcho's names for them: `broker.1`, `stt.2` …"""
        services = [view for view in self.ask("status", within_s)["services"] if view["alive"]]
        return {f"{view['status']['service']}.{view['status']['instance']}": view["status"]["pid"] for view in services}

    def pid(self, service: str, instance: int = 1) -> int:
        """The pid of a worker, as soon as it is alive: one that died a moment ago still stands in `status`."""

        def find() -> int:
            pid = self.alive().get(f"{service}.{instance}", 0)
            return pid if pid and psutil.pid_exists(pid) else 0

        return self.until(find, what=f"{service}.{instance}")

    def events(self, kind: str = "", path: Path | None = None) -> list[dict[str, Any]]:
        """The durable events as a jsonl sink has written them, all or those of one type; by default the Procfile's."""
        path = path or self.paths.data / "transcripts" / "transcript.jsonl"
        lines = path.read_text("utf-8").splitlines(keepends=True) if path.exists() else []
        events = [json.loads(line) for line in lines if line.endswith("\n")]
        return [event for event in events if kind in ("", event["type"])]

    def wait_ready(self, services: Iterable[str], within_s: float = READY_WITHIN_S) -> None:
        """Returns when `status` answers, and shows a worker of each of the `services`."""
        wanted = {f"{service}.1" for service in services}

        def ready() -> bool:
            if self._honcho is not None and self._honcho.poll() is not None:
                raise RuntimeError(f"honcho ended with {self._honcho.returncode}\n{self.log()}")
            with contextlib.suppress(TimeoutError, WireError):
                return wanted <= self.alive(ASK_AGAIN_S).keys()
            return False

        if wanted:
            self.until(ready, within_s, f"all of {sorted(wanted)}")

    def until(self, look: Callable[[], T], within_s: float = 10.0, what: str = "what was waited for") -> T:
        """The first result of `look` that is true. Raises `TimeoutError`, with the end of the log, when none comes."""
        return waiting.until(look, within_s, lambda: f"{what}\n{self.log()}", LOOK_EVERY_S)

    def log(self, newest: int = 60) -> str:
        """The newest lines that the processes printed."""
        lines = self._log.read_text("utf-8", "replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-newest:])

    def leftovers(self) -> list[psutil.Process]:
        """The processes of this stack that run at the moment: none, after a `stop`."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=self.environment,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _is_ours(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            runtime: str | None = process.environ().get("CAUSAL_RUNTIME_DIR")
            return runtime == str(self.paths.runtime)
        return False


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Signals wait until this is over."""
    if sys.platform == "win32":
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _own_environment(folder: Path) -> dict[str, str]:
    """The caller's environment without what would lead out of the stack: settings, keys, and the sound server, which a
    client of libpulse may even start."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CAUSAL_", "ASSEMBLYAI_", "PULSE_")) or name == "CAUSAL_CACHE_DIR"
    }
    return kept | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CAUSAL_RUNTIME_DIR": str(folder / "run"),
        "CAUSAL_DATA_DIR": str(folder / "data"),
        "CAUSAL_CONFIG_DIR": str(folder / "config"),
        "CAUSAL_WEB_PORT": "0",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        "PULSE_SERVER": f"unix:{folder}/no-sound-server",
    }
