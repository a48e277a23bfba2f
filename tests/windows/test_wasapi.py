"""Windows' own list of devices, and capture from them through a driver process.

Wine has no loopback; what a monitor source of its sound server hears stands for one.
"""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from causal import clock
from causal.capture import endpoints
from causal.capture.endpoints import Endpoint
from causal.capture.hub import Hub
from causal.capture.ring import Ring
from causal.capture.wasapi import WasapiBackend
from causal.testing.counter_signal import analyse, counter
from causal.testing.waiting import until

RATE_HZ = 48_000


@pytest.fixture
def monitor() -> Endpoint:
    """Hears what `Speakers` play."""
    found = [endpoint for endpoint in endpoints.read() if endpoint.name == "Monitor of Speakers"]
    if not found:
        pytest.skip("it needs the sound server that make test-wine starts")
    return found[0]


class Ears:
    """Capture's hub with one stream."""

    def __init__(self) -> None:
        self.hub = Hub({"wasapi": WasapiBackend(50)}, wake=lambda: None)
        self.ring = Ring(60.0)

    def listen(self, source: str) -> None:
        self.hub.add("s/one", source, self.ring, origin_ns=clock.now_ns())

    def until(self, what: Callable[[], object], within_s: float = 30.0) -> None:
        until(lambda: what() or self.hub.tick(), within_s, lambda: f"{self.hub.condition('s/one')}")

    def hear(self, seconds: float) -> None:
        goal_ns = self.ring.heard_ns + round(seconds * clock.NS_PER_S)
        self.until(lambda: self.ring.heard_ns >= goal_ns)

    def blocks(self):
        return [self.ring.held(n) for n in range(self.ring.tail, self.ring.head)]

    def reasons(self) -> list[str]:
        return [block.gap_reason for block in self.blocks() if block.gap_reason]


@pytest.fixture
def ears() -> Iterator[Ears]:
    made = Ears()
    yield made
    made.hub.close()


@pytest.fixture
def recording() -> Iterator[str]:
    """The path of a counter signal of one second, as Linux has it."""
    with tempfile.TemporaryDirectory(dir="Z:\\tmp") as folder:
        path = Path(folder) / "counter.wav"
        soundfile.write(path, counter(RATE_HZ, 2), RATE_HZ, subtype="FLOAT")
        yield path.as_posix().removeprefix("Z:")


def play(path: str) -> None:
    """Starts to play by a program of Linux, which Wine can start too."""
    subprocess.run(["start", "/unix", "/usr/bin/paplay", "--device=speakers", "--latency-msec=300", path], check=True)


def test_what_plays_is_a_loopback_and_what_hears_a_microphone(ears, monitor):
    ears.until(lambda: ears.hub.devices)
    kinds = {device.name: (device.kind, device.channels, device.rate_hz) for device in ears.hub.devices}
    assert kinds["Speakers"] == ("loopback", 2, RATE_HZ)
    assert kinds["Microphone"] == ("input", 1, RATE_HZ)
    defaults = [device.kind for device in ears.hub.devices if device.default]
    assert sorted(defaults) == ["input", "loopback"]


def test_ids_are_those_of_windows_and_the_same_each_time(monitor):
    assert monitor.id.startswith("{0.0.1.00000000}.{")
    assert endpoints.read() == endpoints.read()


def test_it_is_heard_bit_for_bit_and_a_killed_process_is_replaced(ears, monitor, recording):
    ears.listen(f"wasapi:{monitor.id}")
    ears.hear(0.3)
    play(recording)
    ears.hear(2.5)
    heard = analyse(np.concatenate([block.samples for block in ears.blocks()]))
    assert heard.whole and (heard.first, heard.last) == (1, RATE_HZ)
    assert ears.reasons() == []
    hears = next(p for p in psutil.Process().children(recursive=True) if "hear" in p.cmdline())
    os.kill(hears.pid, signal.SIGTERM)
    ears.until(ears.reasons)
    ears.hear(0.2)
    assert ears.reasons() == ["device-lost"]


def test_an_endpoint_that_is_not_there_is_not_found(ears, monitor):
    ears.listen("wasapi:{0.0.1.00000000}.{00000000-0000-0000-0000-000000000000}")
    ears.until(lambda: ears.hub.condition("s/one").state == "failed")
    assert ears.hub.condition("s/one").error.code == "device-not-found"


def test_a_loopback_is_heard_or_refused_but_no_microphone_in_its_place(ears, monitor):
    speakers = next(endpoint for endpoint in endpoints.read() if endpoint.name == "Speakers")
    ears.listen(f"wasapi:{speakers.id}")
    ears.until(lambda: ears.hub.condition("s/one").state in ("capturing", "silent", "failed"))
    condition = ears.hub.condition("s/one")
    if condition.error is not None:  # Wine takes the flag, and then has no way to hear an output
        assert condition.error.code == "device-unavailable"
        assert "-9999" in condition.error.message
        assert ears.blocks() == []
