"""What holds for both ways to the system's sound on a Mac: which is taken, how it is watched, and how it ends."""

import threading

import numpy as np
import pytest

from causal.capture import tap
from causal.capture.backend import load_backends
from causal.capture.hub import Hub
from causal.capture.ring import Ring
from causal.capture.tap import TapBackend, TapStream, ways
from causal.capture.tap_core_audio import CoreAudioTap
from causal.capture.tap_screen import ScreenSound
from causal.errors import SourceError
from causal.testing.fake_listener import FakeListener
from causal.testing.fake_mac import FakeMac
from causal.testing.waiting import until

S = 1_000_000_000
BLOCK = np.full((2400, 2), 0.25, np.float32)


class FakeWay:
    """A way whose every step the test decides."""

    zeros_hint = ""

    def __init__(self, gate):
        self.gate = gate
        self.told = []
        self.refusal = None
        self.ended = threading.Event()
        self.error = None

    def start(self):
        self.told.append("start")
        if self.refusal:
            raise self.refusal

    def failure(self, within_s):
        self.ended.wait(0.001)  # its quarter of a second, in short
        return self.error

    def close(self):
        self.told.append("close")

    def fail(self, error):
        self.error = error
        self.ended.set()


@pytest.mark.parametrize(
    ("version", "choice"),
    [
        ((13, 0), (ScreenSound,)),
        ((14, 1, 2), (ScreenSound,)),
        ((14, 2), (CoreAudioTap, ScreenSound)),
        ((14, 3, 1), (CoreAudioTap, ScreenSound)),
        ((14, 4), (CoreAudioTap,)),
        ((15,), (CoreAudioTap,)),
        ((26, 1), (CoreAudioTap,)),
    ],
)
def test_the_version_of_macos_decides_the_way(version, choice):
    assert ways(version) == choice


@pytest.mark.parametrize("version", [(12, 6, 1), (10, 16), ()])
def test_an_older_macos_has_no_way(version):
    with pytest.raises(SourceError, match="macOS 13 and later do"):
        ways(version)


def test_there_is_one_device_and_it_is_the_default_loopback():
    with FakeMac((14, 4)):
        backend = load_backends(50)["tap"]
        (device,) = backend.devices()
    assert (device.id, device.kind, device.default, device.backend) == ("tap:system", "loopback", True, "tap")
    assert backend.live
    assert backend.watch(lambda: None) is None


def test_another_id_is_refused():
    with FakeMac(), pytest.raises(SourceError) as caught:
        TapBackend().open("tap:music", FakeListener())
    assert caught.value.code == "device-not-found"


@pytest.mark.parametrize("version", [(13, 5), (14, 4)])
def test_the_backend_hears_until_it_is_closed(version):
    with FakeMac(version) as mac:
        listener = FakeListener()
        stream = TapBackend().open("tap:system", listener)
        if version < (14, 2):
            driver = until(lambda: mac.screen_kit.streams and mac.screen_kit.streams[0])
            until(lambda: driver.running)
        else:
            driver = until(lambda: mac.taps.sessions and mac.taps.sessions[0])
            until(lambda: driver.is_recording)
        driver.deliver(BLOCK)
        stream.close()
        driver.deliver(BLOCK) if version < (14, 2) else None
    assert listener.told == ["format 48000/2", "2400 frames"]
    assert np.array_equal(listener.heard[0][0], BLOCK)


def test_the_second_way_is_taken_when_the_first_refuses():
    first, second, listener = FakeWay(None), FakeWay(None), FakeListener()
    first.refusal = SourceError("device-unavailable", "no tap")
    stream = TapStream(listener, 50, (lambda gate: first, lambda gate: second))
    until(lambda: second.told)
    stream.close()
    assert (first.told, second.told) == (["start", "close"], ["start", "close"])
    assert listener.lost is None


def test_when_every_way_refuses_the_first_ones_reason_is_told():
    first, second, listener = FakeWay(None), FakeWay(None), FakeListener()
    first.refusal = SourceError("permission-denied", "nope")
    second.refusal = SourceError("device-unavailable", "no display")
    TapStream(listener, 50, (lambda gate: first, lambda gate: second))
    assert listener.over.wait(10)
    assert listener.lost is first.refusal


def test_what_ends_by_itself_is_lost_and_closed():
    way, listener = FakeWay(None), FakeListener()
    stream = TapStream(listener, 50, (lambda gate: way,))
    until(lambda: way.told)
    way.fail(SourceError("device-lost", "gone", retryable=True))
    assert listener.over.wait(10)
    stream.close()
    assert listener.told == ["lost device-lost"]
    assert way.told == ["start", "close"]


def test_a_driver_that_breaks_in_an_unknown_manner_is_lost_too():
    way, listener = FakeWay(None), FakeListener()
    way.refusal = ValueError("what is this")
    TapStream(listener, 50, (lambda gate: way,))
    assert listener.over.wait(10)
    assert listener.lost.code == "internal"
    assert "what is this" in listener.lost.message


def test_who_delivers_nothing_at_all_is_lost():
    way, listener = FakeWay(None), FakeListener()
    TapStream(listener, 50, (lambda gate: way,))
    assert listener.over.wait(10)
    assert listener.lost.code == "device-unavailable"
    assert "not even silence, for 3 s" in listener.lost.message
    assert way.told == ["start", "close"]


def test_who_falls_silent_without_a_word_is_lost():
    listener = FakeListener()
    made = []

    def make(gate):
        made.append(FakeWay(gate))
        gate.on_samples(BLOCK, 48_000, 0)
        return made[0]

    TapStream(listener, 50, (make,))
    assert listener.over.wait(10)
    assert listener.told == ["format 48000/2", "2400 frames", "lost device-lost"]


def test_who_delivers_zeros_is_not_lost():
    listener, looks = FakeListener(), []

    class Murmur(FakeWay):
        def failure(self, within_s):
            self.gate.on_samples(np.zeros((2400, 2), np.float32), 48_000, 0)
            looks.append(within_s)

    stream = TapStream(listener, 50, (Murmur,))
    until(lambda: sum(looks) > 3 * tap.NOTHING_WITHIN_S)
    stream.close()
    assert listener.lost is None


def test_zeros_and_nothing_else_are_doubted_until_something_sounds():
    listener, second = FakeListener(), np.zeros((48_000, 2), np.float32)

    class Forbidden(FakeWay):
        zeros_hint = "nothing is playing, or a permission is missing"

        def failure(self, within_s):
            self.gate.on_samples(second, 48_000, 0)

    stream = TapStream(listener, 1000, (Forbidden,))
    doubt = "running: nothing is playing, or a permission is missing"
    until(lambda: doubt in listener.told)
    assert listener.told.index(doubt) >= tap.ZEROS_FOR_S
    second[0] = 0.001
    until(lambda: listener.told.count("running") == 1)
    second[0] = 0.0
    until(lambda: len(listener.heard) > 200)
    stream.close()
    assert [told for told in listener.told if told.startswith("running")] == [doubt, "running"]


def test_screencapturekits_zeros_are_silence():
    assert ScreenSound.zeros_hint == ""
    assert "Screen & System Audio Recording" in CoreAudioTap.zeros_hint


def test_a_driver_that_hangs_keeps_nobody_waiting_and_is_not_heard(monkeypatch):
    monkeypatch.setattr(tap, "CLOSE_WITHIN_S", 0.01)
    with FakeMac() as mac:
        mac.taps.prompt.clear()
        listener = FakeListener()
        stream = TapBackend().open("tap:system", listener)
        session = until(lambda: mac.taps.sessions and mac.taps.sessions[0])
        stream.close()
        mac.taps.prompt.set()
        until(lambda: not any(thread.name == "tap:system" for thread in threading.enumerate()))
        assert not session.is_recording
    assert listener.told == []


def test_after_sleep_or_another_format_the_hub_opens_it_again():
    now_ns = [100 * S]
    with FakeMac() as mac:
        hub = Hub({"tap": TapBackend(50)}, wake=lambda: None, now_ns=lambda: now_ns[0])
        ring = Ring(10.0)
        hub.add("s/system", "system", ring, origin_ns=now_ns[0])
        hub.tick()
        first = until(lambda: mac.taps.sessions and mac.taps.sessions[0].is_recording and mac.taps.sessions[0])
        first.deliver(BLOCK)
        first.fail("Tap stream format changed during capture")
        until(lambda: not first.is_recording)
        until(lambda: hub.tick() or hub.condition("s/system").error)
        condition = hub.condition("s/system")
        assert (condition.device, condition.error.code, condition.retrying) == ("tap:system", "device-lost", True)
        now_ns[0] += 3 * S
        hub.tick()
        second = until(lambda: mac.taps.sessions[1:] and mac.taps.sessions[1].is_recording and mac.taps.sessions[1])
        second.deliver(BLOCK)
        hub.close()
    held = [ring.held(n) for n in range(ring.head)]
    assert [block.gap_reason for block in held if len(block.samples)] == ["", "device-lost"]
    assert not second.is_recording
