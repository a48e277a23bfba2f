"""What a system does not have must not be needed to load Causal there."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["package-dir"]

LOADED = """
import importlib, importlib.abc, sys

system, absent, names = sys.argv[1], set(sys.argv[2].split(",")), sys.argv[3].split(",")

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"there is no {name} on {system}")

# Packages that choose their own parts by the system, and the standard library's that they need, are loaded as here.
for name in ("asyncio", "ctypes", "multiprocessing", "onnx", "onnxruntime", "playwright.sync_api", "psutil",
             "soundfile", "soxr", "subprocess", "urllib.request", "uvicorn", "zmq"):
    importlib.import_module(name)
if system == "win32":
    import ctypes, os, signal, types
    from unittest import mock

    sys.modules["msvcrt"] = types.ModuleType("msvcrt")
    ctypes.WinDLL, signal.SIGBREAK = mock.MagicMock(), 21
    for name in ("posix_fallocate", "getuid", "pwrite", "set_blocking"):
        delattr(os, name)
    for name in ("SIGKILL", "SIGHUP", "SIGSTOP", "SIGCONT", "pthread_sigmask"):
        delattr(signal, name)
sys.platform = system
for name in absent:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Absent())
for name in names:
    importlib.import_module(name)
"""

ONLY_THERE = {
    "win32": ("fcntl", "grp", "posix", "pulsectl", "pwd", "resource", "syslog", "termios", "tty"),
    "darwin": ("pulsectl", "pyaudiowpatch", "_winapi", "msvcrt", "winreg"),
}
"""What is not to be had on a system. (`AVFoundation` and its like are missing here anyhow.)"""

LINUX_ALONE = {"causal.capture.pulse_devices"}
"""Loaded by `PulseBackend` where libpulse answers."""


def modules() -> list[str]:
    """All of Causal's, by their import names."""
    found = {
        f"{package}.{path.stem}" for package, folder in PACKAGES.items() for path in (ROOT / folder).glob("*.py")
    } | {
        ".".join(["causal", *path.relative_to(ROOT / "src/causal").with_suffix("").parts])
        for path in (ROOT / "src/causal").rglob("*.py")
    }
    return sorted(name.removesuffix(".__init__") for name in found - LINUX_ALONE)


def of_others(system: str) -> str:
    """How the names of modules end that another system has."""
    return "_posix" if system == "win32" else "_windows"


@pytest.mark.parametrize("system", ONLY_THERE)
def test_every_module_can_be_loaded(system):
    loaded = [name for name in modules() if not name.endswith(of_others(system))]
    program = [sys.executable, "-c", LOADED, system, ",".join(ONLY_THERE[system]), ",".join(loaded)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
