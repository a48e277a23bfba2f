"""The browser of the tests, and the page's sink beside a broker and a controller."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.testing.browser import Chromium
from causal.testing.stack import Stack


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if not shutil.which("chromium"):
        pytest.skip("not installed: chromium")
    with Chromium() as running:
        yield running


@pytest.fixture
def no_script_fails(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "chromium" in request.fixturenames:
        errors = request.getfixturevalue("chromium").errors
        assert errors == []


@pytest.fixture
def services(procfile: Path) -> list[str]:
    """The lines of the Procfile that are no sinks."""
    lines = [line.split(": ") for line in procfile.read_text().splitlines()]
    return [name for name, command in lines if "causal-sink" not in command]


@pytest.fixture
def stack(procfile: Path) -> Iterator[Stack]:
    """A broker, a controller and the page's sink; the test says what happens."""
    with Stack(procfile, ["broker", "control"]) as running:
        running.launch("causal-sink", "web")
        running.until(running.paths.page_file.exists, 20.0, "the page's address")
        yield running


@pytest.fixture
def whole_stack(procfile: Path, services: list[str], speech_model: None) -> Iterator[Stack]:
    with Stack(procfile, services) as running:
        running.launch("causal-sink", "web")
        yield running
