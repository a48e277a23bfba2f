"""Every module of Causal on Windows."""

import subprocess
import sys
from importlib import metadata

import pytest

ELSEWHERE = ("_posix",)
LINUX_ALONE = {"causal.capture.pulse_devices", "causal.testing.browser"}
"""Loaded where libpulse answers; for tests of the page."""


def modules() -> list[str]:
    files = metadata.files("causal-audio") or []
    names = {".".join(file.with_suffix("").parts) for file in files if file.suffix == ".py" and "causal" in file.parts}
    return sorted(name.removesuffix(".__init__") for name in names - LINUX_ALONE if not name.endswith(ELSEWHERE))


def test_every_module_can_be_loaded(tmp_path):
    program = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    assert "causal.broker.app" in modules()
    with (tmp_path / "errors").open("w+") as errors:  # a pipe would not end: Wine begins a desktop, which inherits it
        done = subprocess.run([sys.executable, "-c", program, *modules()], stderr=errors, check=False)
        errors.seek(0)
        assert done.returncode == 0, errors.read()


@pytest.mark.parametrize("service", ["broker", "control", "capture", "resample", "stt", "engine", "sink"])
def test_every_command_says_what_it_does(service):
    done = subprocess.run([f"causal-{service}", "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.startswith("Usage: ")) == (0, True), done.stderr
