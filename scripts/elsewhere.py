"""Runs the tests that need no devices as if this were another system: its `sys.platform`, and nothing of what it lacks.

    .venv/bin/python scripts/elsewhere.py darwin [ARGUMENT …]      pytest's arguments; without any: -m "not live"

What is in C, in the kernel and in the file system stays as it is here.
"""

from __future__ import annotations

import importlib
import importlib.abc
import sys

import pytest

LACKS = {"darwin": ("pulsectl", "_winapi", "msvcrt", "winreg")}

CHOOSERS = (
    "assemblyai", "asyncio", "ctypes", "hypothesis", "multiprocessing", "onnx", "onnxruntime", "pdb",
    "playwright.sync_api", "psutil", "soundfile", "soxr", "subprocess", "urllib.request", "uvicorn", "zmq",
)  # fmt: skip
"""What chooses its own parts by the system is loaded before, as here."""


TRUE_HERE = "tests/control/test_probes.py::test_everything_that_is_required_is_installed_here"
"""What cannot hold: that system's packages are not installed."""


class Absent(importlib.abc.MetaPathFinder):
    """Finds nothing of what is not there."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"there is no {name} on {sys.platform}")


def main() -> int:
    """pytest's exit code; 2 for a system that is not known."""
    system, *arguments = sys.argv[1:] or [""]
    if system not in LACKS:
        print(f"The first argument is one of: {', '.join(LACKS)}", file=sys.stderr)
        return 2
    for name in CHOOSERS:
        importlib.import_module(name)
    sys.platform = system
    for name in LACKS[system]:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Absent(LACKS[system]))
    options = ["-p", "no:cacheprovider", "--deselect", TRUE_HERE, "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return pytest.main([*options, *(arguments or ["-m", "not live"])])


if __name__ == "__main__":
    sys.exit(main())
