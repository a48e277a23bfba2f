"""What `pip install causal-audio` brings on each system, by the markers in pyproject.toml."""

import tomllib
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement

with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
    PROJECT = tomllib.load(file)["project"]

SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_version": "#1 SMP PREEMPT_DYNAMIC Debian 6.1.158-1"},
    "windows": {"sys_platform": "win32", "platform_version": "10.0.26100"},
    "macos 13": {"sys_platform": "darwin", "platform_version": "Darwin Kernel Version 22.6.0: Mon Apr 22 20:49:37"},
    "macos 14": {"sys_platform": "darwin", "platform_version": "Darwin Kernel Version 23.6.0: Thu Apr 24 20:29:18"},
    "macos 26": {"sys_platform": "darwin", "platform_version": "Darwin Kernel Version 25.0.0: Mon Aug 25 21:17:54"},
}
PYOBJC = {f"pyobjc-framework-{name}" for name in ("AVFoundation", "Quartz", "ScreenCaptureKit", "libdispatch")}

EXTRA_FOR = {"windows": ("windows",), "macos": ("macos 13", "macos 14", "macos 26")}


def brought(texts, system):
    """The names of the packages that are installed on a system."""
    requirements = [Requirement(text) for text in texts]
    environment = default_environment() | SYSTEMS[system] | {"extra": ""}
    return {r.name for r in requirements if r.marker is None or r.marker.evaluate(environment)}


EVERYWHERE = brought([text for text in PROJECT["dependencies"] if ";" not in text], "linux")


@pytest.mark.parametrize(
    ("system", "own"),
    [
        ("linux", {"pulsectl"}),
        ("windows", {"pyaudiowpatch"}),
        ("macos 13", PYOBJC),
        ("macos 14", PYOBJC | {"catap"}),
        ("macos 26", PYOBJC | {"catap"}),
    ],
)
def test_each_system_gets_what_it_hears_with(system, own):
    assert brought(PROJECT["dependencies"], system) == EVERYWHERE | own


@pytest.mark.parametrize("extra", EXTRA_FOR)
def test_an_extra_names_what_its_system_gets_anyhow(extra):
    texts = PROJECT["optional-dependencies"][extra]
    assert set(texts) <= set(PROJECT["dependencies"])
    for system in SYSTEMS:
        own = brought(PROJECT["dependencies"], system) - EVERYWHERE
        assert brought(texts, system) == (own if system in EXTRA_FOR[extra] else set())
