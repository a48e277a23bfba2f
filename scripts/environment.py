"""Makes the project's own Python environment, `.venv`, and keeps it up to date. Needs the standard library only.

    python3 scripts/environment.py [test]      the extras of pyproject.toml that are wanted besides

Says nothing when there is nothing to do. What was interrupted is taken away, or done again the next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from children import Children

ROOT = Path(__file__).parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "causal.json"
CODE = ("src", "broker", "services", "config")
LINES_OF_AN_ERROR = 15


class Failed(Exception):
    """A command did not do what it should; the text says which, and what it said."""


def main() -> int:
    """The exit code: 0, 1 when something could not be installed, 130 when interrupted."""
    try:
        with Children() as children:
            ensure(children, set(sys.argv[1:]))
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130
    return 0


def ensure(children: Children, extras: set[str]) -> None:
    """Makes or updates `.venv` when the project's needs or files have changed since the last time."""
    stamp = _read_stamp() if _runs("-c", "import causal.broker") else {}
    wanted = {"needs": _sum(ROOT / "pyproject.toml"), "files": _files()}
    known = set(stamp.get("extras", ()))
    if stamp.items() >= wanted.items() and extras <= known:
        return
    with tempfile.TemporaryDirectory(prefix="causal-install-") as workshop:
        is_new = not _runs("-m", "pip", "--version")
        try:
            if is_new:
                _make(children, Path(workshop))
            STAMP.unlink(missing_ok=True)
            _install(children, extras | known, Path(workshop))
        except BaseException:
            if is_new:
                shutil.rmtree(VENV, ignore_errors=True)
            raise
    STAMP.write_text(json.dumps(wanted | {"extras": sorted(extras | known)}) + "\n")


def _make(children: Children, workshop: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    _do(children, f"Making .venv (Python {version})", [sys.executable, "-m", "venv", "--clear", str(VENV)], workshop)


def _install(children: Children, extras: set[str], workshop: Path) -> None:
    """Links the code into `.venv`, file by file, so that editors and type checkers find it too."""
    target = f"{ROOT}[{','.join(sorted(extras))}]" if extras else str(ROOT)
    pip = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    what = "Installing Causal and what it needs" + (f" for {', '.join(sorted(extras))}" if extras else "")
    _do(children, what, [*pip, "--config-settings", "editable_mode=strict", "--editable", target], workshop)


def _do(children: Children, what: str, command: list[str], workshop: Path) -> None:
    print(f"{what} ", end="", flush=True)
    started_s = time.monotonic()
    log = workshop / "log"
    with log.open("wb") as output:
        environment = _environment(workshop)
        code = children.run(
            command, environment=environment, output=output, tick=lambda: print(".", end="", flush=True)
        )
    print(f" {time.monotonic() - started_s:.0f} s", flush=True)
    if code:
        said = log.read_text("utf-8", "replace").splitlines()[-LINES_OF_AN_ERROR:]
        raise Failed("\n".join([f"This did not work (exit {code}): {' '.join(command)}", *said]))


def _environment(workshop: Path) -> dict[str, str]:
    """The caller's, but temporary files go where they are taken away."""
    return os.environ | {"TMPDIR": str(workshop)}


def _runs(*arguments: str) -> bool:
    """Whether the Python in `.venv` can do this: it may be half made, or its base or `build/` taken away."""
    try:
        return subprocess.run([str(PYTHON), *arguments], cwd=VENV, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def _read_stamp() -> dict[str, Any]:
    """What was installed the last time."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _files() -> str:
    """Changes when a file of the code comes or goes: then the links have to be made anew."""
    names = sorted(
        str(path.relative_to(ROOT))
        for folder in CODE
        for path in (ROOT / folder).rglob("*")
        if path.suffix not in (".pyc", "") and ".egg-info" not in str(path)
    )
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _sum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
