"""Starts Causal for daily use, and says what it hears, where the text goes and what to do next.

    .venv/bin/python scripts/run.py        Ctrl-C stops everything

It is `honcho start` with the user's own settings and directories; everything it says, `causal-ctl` says too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from causal import settings
from causal.control import key
from causal.errors import ConfigError
from children import SIGNALS, Children

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
CTL = BIN / "causal-ctl"
PROCFILE = ROOT / ("Procfile.windows" if sys.platform == "win32" else "Procfile")
READY_WITHIN_S = 30.0
LOOK_EVERY_S = 0.3
STOP_WITHIN_S = 8.0
EXIT_INTERRUPTED = 130
if sys.platform == "win32":
    OWN_GROUP: dict[str, Any] = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
else:
    OWN_GROUP: dict[str, Any] = {"start_new_session": True}
"""Ctrl-C in the terminal is for this script alone."""
WHO_LISTENS = {"local": "the local engine: English, on this computer alone", "assemblyai": "AssemblyAI"}


def main() -> int:
    """The exit code: honcho's, or 0 when it was stopped by Ctrl-C."""
    try:
        chosen = settings.load()
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    if running := ask("status"):
        print(f"Causal runs already, in {running['directories']['runtime']}. To end it: {shown(CTL)} shutdown")
        return 1
    if chosen.engine == "local" or (chosen.engine == "auto" and key.find() is None):
        with Children() as children:
            if code := children.run([str(BIN / "causal-engine"), "prepare"]):
                return code
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    honcho = subprocess.Popen([str(BIN / "honcho"), "start", "-f", str(PROCFILE)], env=environment, **OWN_GROUP)
    stopping = pass_on_signals(honcho)
    introduce(honcho, stopping)
    code = wait_for(honcho, stopping)
    return 0 if code == EXIT_INTERRUPTED else code


def pass_on_signals(honcho: subprocess.Popen[bytes]) -> threading.Event:
    """Ctrl-C, SIGTERM and the terminal's end stop the stack; the event tells that one of them came."""
    stopping = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopping.set()
        if sys.platform == "win32":
            ask("shutdown")  # a signal would end honcho at once
        elif honcho.poll() is None:
            honcho.send_signal(signal.SIGINT)

    for number in SIGNALS:
        signal.signal(number, stop)
    return stopping


def wait_for(honcho: subprocess.Popen[bytes], stopping: threading.Event) -> int:
    """honcho's exit code. Told to stop while it is still starting processes, it forgets some, and waits for them for
    ever: those are told here."""
    while not stopping.wait(LOOK_EVERY_S):
        if (code := honcho.poll()) is not None:
            return code
    try:
        return honcho.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        for process in psutil.Process(honcho.pid).children(recursive=True):
            process.terminate()
        return EXIT_INTERRUPTED if honcho.wait() else 0


def introduce(honcho: subprocess.Popen[bytes], stopping: threading.Event) -> None:
    """Says what the stack is like, once it answers."""
    deadline_s = time.monotonic() + READY_WITHIN_S
    while honcho.poll() is None and time.monotonic() < deadline_s and not stopping.is_set():
        status, devices = ask("status"), ask("list")
        if status and devices:
            print(introduction(status, devices["devices"]), flush=True)
            return
        time.sleep(LOOK_EVERY_S)


def ask(command: str) -> dict[str, Any] | None:
    """The reply of `causal-ctl`; None when there is none yet."""
    done = subprocess.run([str(CTL), command, "--json"], capture_output=True, check=False, **OWN_GROUP)
    reply: dict[str, Any] | None = json.loads(done.stdout) if done.returncode == 0 else None
    return reply


def introduction(status: dict[str, Any], devices: list[dict[str, Any]]) -> str:
    """What a person needs to know."""
    engine = WHO_LISTENS.get(status["engine"], status["engine"])
    lines = [
        "",
        f"Causal {status['version']} is ready.",
        f"  who listens    {engine}",
        f"  microphone     {default_name(devices, 'input') or 'none found'}",
        f"  system sound   {default_name(devices, 'loopback') or 'none found'}",
        f"  the text       {status['directories']['data']}/transcripts/transcript.jsonl, and here",
        f"  settings       {status['directories']['settings']}",
        "",
        "In another terminal:",
        f"  {shown(CTL)} start            listens to microphone and system sound",
        f"  {shown(CTL)} start system     to the system sound alone; list shows what there is",
        f"  {shown(CTL)} stop             ends it, with the last words",
        f"  {shown(CTL)} open             shows all that in a browser",
        "Ctrl-C here stops everything.",
        "",
    ]
    return "\n".join(lines)


def default_name(devices: list[dict[str, Any]], kind: str) -> str | None:
    """The name of the device that `mic` or `system` means now."""
    names = [device["name"] for device in devices if device["kind"] == kind and device["default"]]
    return names[0] if names else None


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


if __name__ == "__main__":
    sys.exit(main())
