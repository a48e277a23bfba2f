"""Plays a recording through a whole stack of Causal's own, and shows the live transcript. Leaves nothing behind.

    .venv/bin/python scripts/demo.py

No key, no sound device: the local engine hears a file. Everything runs in directories and process groups of its own.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from children import Children

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
PROCFILE = ROOT / ("Procfile.windows" if sys.platform == "win32" else "Procfile")
CLIP = ROOT / "samples" / "jfk.wav"


def main() -> int:
    """The exit code: that of the command that failed, 130 when interrupted, else 0."""
    try:
        with Children() as children:
            return show(children)
    except KeyboardInterrupt:
        print("\nInterrupted; everything is stopped.", file=sys.stderr)
        return 130


def show(children: Children) -> int:
    """Prepares the engine, starts the stack, plays the recording, stops the stack."""
    from causal.testing.stack import Stack  # here, so that Ctrl-C is heard before

    if code := children.run([str(BIN / "causal-engine"), "prepare"]):
        return code
    print("Starting the stack", flush=True)
    started_s = time.monotonic()
    with Stack(PROCFILE, environment={"CAUSAL_ENGINE": "local"}) as stack:
        print(f"Ready after {time.monotonic() - started_s:.1f} s. Listening to {CLIP.relative_to(ROOT)}:\n", flush=True)
        command = [str(BIN / "causal-ctl"), "start", f"file:{CLIP}", "--follow"]
        code = children.run(command, environment=stack.environment)
        if code:
            print(stack.log(), file=sys.stderr)
    if code == 0:
        print(
            "\nThat was the local engine: no sound left this computer, and everything is stopped again."
            "\nFor your own microphone and system sound: make run"
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
