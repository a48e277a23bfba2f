import threading
import time

import pytest

from causal.capture import polled_devices
from causal.capture.polled_devices import PolledDevices
from causal.errors import SourceError
from causal.messages.control import Device

MIC = Device(id="x:mic", name="mic", kind="input", backend="x", default=True, channels=1, rate_hz=48_000)
OTHER = Device(id="x:other", name="other", kind="loopback", backend="x", default=True, channels=1, rate_hz=48_000)


class Bench:
    """What is to be found, and how often it was looked for."""

    def __init__(self):
        self.found = [MIC]
        self.sign = 1
        self.reads = 0
        self.changes = threading.Semaphore(0)
        self.looked = threading.Semaphore(0)

    def read(self):
        self.reads += 1
        if isinstance(self.found, Exception):
            raise self.found
        return list(self.found)

    def ask_sign(self):
        self.looked.release()
        return self.sign


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def polled(bench):
    opened = []

    def start(sign=None):
        opened.append(PolledDevices(bench.read, bench.changes.release, 0.01, sign))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_the_first_list_is_waited_for_and_told_as_a_change(bench, polled):
    devices = polled()
    assert devices.wait(10) == [MIC]
    assert bench.changes.acquire(timeout=10)


def test_only_another_list_is_a_change(bench, polled):
    devices = polled()
    assert bench.changes.acquire(timeout=10)
    assert not bench.changes.acquire(timeout=0.1)
    bench.found = [MIC, OTHER]
    assert bench.changes.acquire(timeout=10)
    assert devices.wait(0) == [MIC, OTHER]


def test_with_a_sign_the_list_is_read_when_the_sign_differs(bench, polled):
    polled(bench.ask_sign)
    assert bench.changes.acquire(timeout=10)
    for _ in range(5):
        assert bench.looked.acquire(timeout=10)
    assert bench.reads == 1
    bench.found, bench.sign = [], 2
    assert bench.changes.acquire(timeout=10)
    assert bench.reads == 2


def test_why_there_is_no_list_is_raised_until_there_is_one(bench, polled, monkeypatch):
    monkeypatch.setattr(polled_devices, "RETRY_AFTER_S", 0.01)
    bench.found = SourceError("device-unavailable", "PortAudio cannot be loaded")
    devices = polled()
    with pytest.raises(SourceError, match="cannot be loaded"):
        devices.wait(10)
    bench.found = [MIC]
    assert bench.changes.acquire(timeout=10) and bench.changes.acquire(timeout=10)
    assert devices.wait(0) == [MIC]


def test_a_bug_in_a_library_ends_no_thread(bench, polled, monkeypatch):
    monkeypatch.setattr(polled_devices, "RETRY_AFTER_S", 0.01)
    bench.found = ValueError("cannot parse")
    with pytest.raises(SourceError, match="cannot parse"):
        polled().wait(10)
    bench.found = [MIC]
    assert bench.changes.acquire(timeout=10) and bench.changes.acquire(timeout=10)


def test_a_sign_that_cannot_be_asked_ends_no_thread(bench, polled):
    failing = True

    def sign():
        if failing:
            raise PermissionError("/proc/asound/cards")
        return bench.ask_sign()

    polled(sign)
    assert bench.changes.acquire(timeout=10)
    bench.found, failing = [OTHER], False
    assert bench.changes.acquire(timeout=10)


def test_before_anything_is_known_it_says_so(bench, polled):
    started = threading.Event()
    bench.read = lambda: started.wait(10) and []
    with pytest.raises(SourceError, match="not known yet"):
        polled().wait(0.01)
    started.set()


def test_only_the_first_who_asks_waits_for_a_library_that_hangs(bench, polled):
    started = threading.Event()
    bench.read = lambda: started.wait(30) and []
    devices = polled()
    with pytest.raises(SourceError):
        devices.wait(0.01)
    before_s = time.monotonic()
    with pytest.raises(SourceError):
        devices.wait(20)
    assert time.monotonic() - before_s < 10
    started.set()


def test_the_kind_of_a_device_is_that_of_the_list(bench, polled):
    devices = polled()
    devices.wait(10)
    assert (devices.kind_of("x:mic"), devices.kind_of("x:gone")) == ("input", None)
