"""What the live tests share: private sound servers, a prepared speech model, and a whole stack."""

import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pytest

from causal import clock
from causal.capture.backend import Backend
from causal.capture.hub import Hub
from causal.capture.pulse import PulseBackend
from causal.capture.ring import Held, Ring
from causal.engine.app import cache_dir
from causal.engine.prepare import prepare
from causal.errors import SourceError
from causal.messages.events import CaptureState
from causal.paths import Paths
from causal.testing import pipewire_server, pulse_server
from causal.testing.one_loop import OneLoop
from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack
from causal.testing.waiting import until

ROOT = Path(__file__).parents[2]

# A shell that runs the tests in the background makes them and their children deaf to Ctrl-C, which is tested here.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips what stands here on other systems than Linux."""
    if sys.platform != "linux":
        skip = pytest.mark.skip(reason=f"runs on Linux, with sound servers of its own; this is {sys.platform}")
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(skip)


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


@pytest.fixture
def publisher(stack: Stack) -> Iterator[OneLoop]:
    """Stores events with the broker of the test's stack."""
    with OneLoop(stack.paths) as publisher:
        yield publisher


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


@pytest.fixture
def ears_on() -> type["Ears"]:
    """`with ears_on(server.server) as ears:` listens to a sound server as capture does."""
    return Ears


def _skip_without(programs: Iterable[str]) -> None:
    missing = [program for program in programs if not shutil.which(program)]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


class Ears:
    """Capture's hub, with rings long enough to keep 60 s of each stream."""

    def __init__(self, hears: str | Mapping[str, Backend]) -> None:
        """`hears` is the address of a sound server, or the backends."""
        backends = {"pulse": PulseBackend(50, hears)} if isinstance(hears, str) else hears
        self.hub = Hub(backends, wake=lambda: None)
        self.rings: dict[str, Ring] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hub.close()

    def listen(self, source: str, stream: str = "s/one") -> Ring:
        """Begins to hear a source."""
        ring = self.rings[stream] = Ring(60.0)
        self.hub.add(stream, source, ring, origin_ns=clock.now_ns())
        return ring

    def until(self, what: Callable[[], object], within_s: float = 10.0) -> None:
        """Turns the hub until `what` is true. Raises `TimeoutError` with the state of all streams."""

        def look() -> object:
            found = what()
            if not found:
                self.hub.tick()
                for stream in self.rings:
                    self.hub.measure(stream)
            return found

        until(look, within_s, lambda: f"{[self.hub.condition(stream) for stream in self.rings]}")

    def hear(self, seconds: float, stream: str = "s/one") -> None:
        """Until so much more was heard."""
        ring = self.rings[stream]
        goal_ns = ring.heard_ns + round(seconds * clock.NS_PER_S)
        self.until(lambda: ring.heard_ns >= goal_ns, seconds + 10.0)

    def state(self, stream: str = "s/one") -> CaptureState:
        return self.hub.condition(stream).state

    def delivers(self, stream: str = "s/one") -> bool:
        """Whether its device delivers, sound or silence."""
        return self.state(stream) in ("capturing", "silent")

    def device(self, stream: str = "s/one") -> str | None:
        return self.hub.condition(stream).device

    def error(self, stream: str = "s/one") -> SourceError:
        """What is wrong. Raises `AssertionError` when nothing is."""
        error = self.hub.condition(stream).error
        assert error is not None
        return error

    def hint(self, stream: str = "s/one") -> str:
        """What a person can do about the state."""
        return self.hub.condition(stream).hint

    def blocks(self, stream: str = "s/one") -> list[Held]:
        ring = self.rings[stream]
        return [ring.held(n) for n in range(ring.tail, ring.head)]

    def sound(self, stream: str = "s/one") -> npt.NDArray[np.float32]:
        """All samples, shape `(frames, channels)`."""
        return np.concatenate([block.samples for block in self.blocks(stream)])

    def reasons(self, stream: str = "s/one") -> list[str]:
        """Why segments after the first one began."""
        return [block.gap_reason for block in self.blocks(stream) if block.gap_reason]
