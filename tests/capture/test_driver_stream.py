"""Driver processes for real, with small drivers that the tests write."""

import stat
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from causal.capture.driver_frames import Order
from causal.capture.driver_stream import DriverStream, list_devices
from causal.errors import SourceError
from causal.testing.waiting import until

pytestmark = pytest.mark.skipif(
    sys.flags.ignore_environment, reason="this Python takes no PYTHONPATH, by which the small drivers are found"
)

OPEN_FILES = psutil.Process.num_handles if sys.platform == "win32" else psutil.Process.num_fds

PLAYS = """
import struct, sys
def hear(order, tell, stop):
    print("libraries talk", flush=True)
    tell.opened(48000, 2)
    tell.samples(struct.pack("<4f", 0.25, -0.25, 0.5, -0.5), 123)
    tell.hole("overflow")
    tell.samples(struct.pack("<2f", 1.0, -1.0), 456)
    stop.wait()
"""


class Ear:
    """Remembers what it is told."""

    origin_ns = start_ns = 0

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.blocks = threading.Semaphore(0)
        self.over = threading.Event()

    def on_format(self, rate_hz, channels):
        self.told.append(("format", rate_hz, channels))

    def on_samples(self, samples, captured_ns):
        self.told.append((samples.tolist(), captured_ns))
        self.blocks.release()

    def on_hole(self, reason):
        self.told.append(reason)

    def on_lost(self, error):
        self.told.append(error)
        self.over.set()

    @property
    def error(self) -> SourceError:
        assert self.over.wait(20)
        return self.told[-1]


@pytest.fixture
def driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("causal.capture.tail.WITHIN_S", 20.0)

    def write(text: str) -> str:
        (tmp_path / "small_driver.py").write_text(text)
        return "small_driver"

    return write


@pytest.fixture
def hear(driver):
    opened = []

    def start(text: str) -> tuple[Ear, DriverStream]:
        ear = Ear()
        stream = DriverStream(driver(text), Order(device="x:mic", kind=None, block_ms=50), ear)
        opened.append(stream)
        return ear, stream

    yield start
    for stream in opened:
        stream.close()


def test_samples_holes_and_format_arrive_in_order_whatever_the_library_prints(hear):
    ear, _ = hear(PLAYS)
    assert ear.blocks.acquire(timeout=20) and ear.blocks.acquire(timeout=20)
    assert ear.told == [
        ("format", 48_000, 2),
        ([[0.25, -0.25], [0.5, -0.5]], 123),
        "overflow",
        ([[1.0, -1.0]], 456),
    ]


def test_a_killed_process_is_a_lost_device_that_may_come_back(hear):
    ear, stream = hear(PLAYS)
    assert ear.blocks.acquire(timeout=20)
    psutil.Process(stream.pid).kill()
    assert (ear.error.code, ear.error.retryable) == ("device-lost", True)
    assert "ended with code" in ear.error.message


TERMINATED = """
import os, signal, time
def hear(order, tell, stop):
    tell.opened(1, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    while not stop.is_set():
        tell.samples(bytes(4), 0)
        time.sleep(0.01)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal that asks for the end")
def test_a_signal_to_the_whole_group_is_no_loss_of_the_device(hear):
    ear, _ = hear(TERMINATED)
    for _ in range(3):
        assert ear.blocks.acquire(timeout=20)
    assert not ear.over.is_set()


def test_what_an_aborting_library_says_last_is_told(hear):
    ear, _ = hear("import os, sys\ndef hear(*_):\n    print('Assertion o failed', file=sys.stderr)\n    os.abort()\n")
    assert "Assertion o failed" in ear.error.message


CHATTERS = """
import os, sys
def hear(order, tell, stop):
    for n in range(100_000):
        print("ALSA lib pcm.c: underrun", n, file=sys.stderr)
    tell.opened(1, 1)
    tell.samples(bytes(4), 0)
    stop.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_library_that_prints_for_days_fills_no_disk_and_waits_for_nobody(hear):
    ear, stream = hear(CHATTERS)
    assert stat.S_ISFIFO(Path(f"/proc/{stream.pid}/fd/2").stat().st_mode), "what it prints is in no file"
    assert ear.blocks.acquire(timeout=20)
    psutil.Process(stream.pid).kill()
    assert "underrun 99999" in ear.error.message


def test_an_error_of_the_driver_is_told_as_it_is(hear):
    ear, _ = hear(
        "from causal.errors import SourceError\n"
        "def hear(*_): raise SourceError('permission-denied', 'no', 'Ask.', retryable=False)\n"
    )
    error = ear.error
    assert (error.code, error.message, error.hint, error.retryable) == ("permission-denied", "no", "Ask.", False)


def test_an_exception_of_the_library_is_told_with_its_text(hear):
    ear, _ = hear("def hear(*_): raise RuntimeError('stream is in status FAILED')")
    assert ear.error.code == "internal" and "status FAILED" in ear.error.message


def test_closing_ends_the_process_and_nothing_is_told_any_more(hear):
    ear, stream = hear(PLAYS)
    assert ear.blocks.acquire(timeout=20) and ear.blocks.acquire(timeout=20)
    told = list(ear.told)
    stream.close()
    stream.join()
    assert ear.told == told
    assert not psutil.pid_exists(stream.pid)


HANGS = """
import psutil, time
def hear(order, tell, stop):
    tell.opened(1, 1)
    tell.samples(bytes(4), 0)
    tell.close()  # returns when all is written, which a suspended process does no more
    {hang}
"""


@pytest.mark.parametrize("hang", ["time.sleep(1e6)", "psutil.Process().suspend()"])
def test_a_library_that_hangs_is_got_rid_of(hear, hang):
    ear, stream = hear(HANGS.format(hang=hang))
    assert ear.blocks.acquire(timeout=20)
    stream.close()
    stream.join()
    assert not psutil.pid_exists(stream.pid)


def test_many_openings_leave_no_threads_and_no_descriptors(hear):
    def held() -> tuple[int, int]:
        return threading.active_count(), OPEN_FILES(psutil.Process())

    before = held()
    for _ in range(3):
        ear, stream = hear(PLAYS)
        assert ear.blocks.acquire(timeout=20)
        stream.close()
        stream.join()
    until(lambda: held()[0] <= before[0] and held()[1] <= before[1])


def test_a_list_comes_from_a_process_of_its_own(driver):
    name = driver(
        "from causal.messages.control import Device\n"
        "def devices():\n"
        "    return [Device(id='x:é', name='é', kind='input', backend='x', default=True, channels=1, rate_hz=8000)]\n"
    )
    assert [(device.id, device.default) for device in list_devices(name)] == [("x:é", True)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def devices(): raise OSError('PortAudio library not found')", "PortAudio library not found"),
        ("import os, sys\ndef devices():\n    print('Aborting', file=sys.stderr)\n    os.abort()", "Aborting"),
    ],
)
def test_why_there_is_no_list_is_told(driver, text, said):
    with pytest.raises(SourceError, match=said):
        list_devices(driver(text))


def test_a_list_that_does_not_come_is_given_up(driver):
    with pytest.raises(SourceError, match="longer than"):
        list_devices(driver("import time\ndef devices(): time.sleep(1e6)"), within_s=1.0)
