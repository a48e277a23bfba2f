"""What the live tests share: private sound servers, a prepared speech model, and a whole stack."""

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from causal.engine.app import cache_dir
from causal.engine.prepare import prepare
from causal.paths import Paths
from causal.testing import pipewire_server, pulse_server
from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def procfile() -> Path:
    return ROOT / "Procfile"


@pytest.fixture(scope="session")
def samples() -> Path:
    return ROOT / "samples"


@pytest.fixture(scope="session")
def speech_model() -> None:
    """Fetched once, by pip, into the user's cache folder."""
    prepare(cache_dir(Paths.from_environment()), print)


@pytest.fixture
def stack(procfile: Path, speech_model: None) -> Iterator[Stack]:
    """All processes of the Procfile, without a sound server."""
    with Stack(procfile) as running:
        yield running


@pytest.fixture(scope="session")
def pulse() -> Iterator[PrivatePulse]:
    """A PulseAudio server that all tests share: none may change its devices."""
    _skip_without(pulse_server.NEEDED)
    with PrivatePulse() as server:
        yield server


@pytest.fixture
def pulse_own() -> Iterator[PrivatePulse]:
    """A PulseAudio server of the test's own, to be changed, stopped and killed."""
    _skip_without(pulse_server.NEEDED)
    with PrivatePulse() as server:
        yield server


@pytest.fixture
def pipewire() -> Iterator[PrivatePipeWire]:
    """A PipeWire of the test's own."""
    _skip_without(pipewire_server.NEEDED)
    with PrivatePipeWire() as server:
        yield server


def _skip_without(programs: Iterable[str]) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
