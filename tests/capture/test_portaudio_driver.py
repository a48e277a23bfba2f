import sys
import threading

import pytest

from causal import clock
from causal.capture import jack_ports, portaudio_driver
from causal.capture.driver_frames import Order
from causal.capture.portaudio_ids import JackPort
from causal.errors import SourceError
from causal.testing.fake_sounddevice import Block, FakeSoundDevice

BLOCK = b"\0\0\0\x3f" * 960


class Told(list):
    """What a driver tells."""

    def opened(self, rate_hz, channels):
        self.append(("opened", rate_hz, channels))

    def samples(self, data, captured_ns):
        self.append(("samples", len(data), captured_ns))

    def hole(self, reason):
        self.append(("hole", reason))


@pytest.fixture
def sounddevice(monkeypatch):
    module = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def order(device, kind=None, block_ms=10):
    return Order(device=f"portaudio:{device}", kind=kind, block_ms=block_ms)


def test_blocks_have_the_wished_length_and_the_time_of_their_first_sample(sounddevice):
    sounddevice.add("USB Mic (hw:1,0)")
    sounddevice.plays = [Block(BLOCK), Block(BLOCK)]
    told = Told()
    before_ns = clock.now_ns()
    with pytest.raises(SourceError):
        portaudio_driver.hear(order("ALSA/USB Mic"), told, threading.Event())
    assert sounddevice.opened[0]["blocksize"] == 480
    assert told[0] == ("opened", 48_000, 2)
    assert [(what, size) for what, size, _ in told[1:]] == [("samples", len(BLOCK))] * 2
    assert before_ns - 10_000_000 <= told[1][2] <= clock.now_ns() - 10_000_000


def test_a_rate_that_the_device_does_not_have_is_not_asked_of_it(sounddevice):
    sounddevice.add("Old Mic (hw:1,0)")
    sounddevice.rates_hz = {44_100}
    told = Told()
    with pytest.raises(SourceError):
        portaudio_driver.hear(order("ALSA/Old Mic"), told, threading.Event())
    assert told == [("opened", 44_100, 2)]


def test_a_device_that_goes_is_lost_and_may_come_back(sounddevice):
    sounddevice.add("USB Mic (hw:1,0)")
    with pytest.raises(SourceError) as caught:
        portaudio_driver.hear(order("ALSA/USB Mic"), Told(), threading.Event())
    assert (caught.value.code, caught.value.retryable) == ("device-lost", True)


def test_an_overflow_is_told_before_the_samples_that_follow_it(sounddevice):
    sounddevice.add("USB Mic (hw:1,0)")
    sounddevice.plays = [Block(BLOCK), Block(BLOCK, overflow=True)]
    told = Told()
    with pytest.raises(SourceError):
        portaudio_driver.hear(order("ALSA/USB Mic"), told, threading.Event())
    assert [what[0] for what in told] == ["opened", "samples", "hole", "samples"]


def test_when_it_is_stopped_the_stream_is_ended(sounddevice):
    sounddevice.add("USB Mic (hw:1,0)")
    stop = threading.Event()
    sounddevice.then = stop.set
    portaudio_driver.hear(order("ALSA/USB Mic"), Told(), stop)
    assert sounddevice.aborted == 1


def test_a_device_that_another_program_holds_is_unavailable(sounddevice):
    sounddevice.add("USB Mic (hw:1,0)")
    sounddevice.refuses = "Error opening RawInputStream: Device unavailable [PaErrorCode -9985]"
    with pytest.raises(SourceError, match="-9985") as caught:
        portaudio_driver.hear(order("ALSA/USB Mic"), Told(), threading.Event())
    assert (caught.value.code, caught.value.retryable) == ("device-unavailable", True)


def test_a_device_that_is_away_is_not_found(sounddevice):
    with pytest.raises(SourceError) as caught:
        portaudio_driver.hear(order("ALSA/USB Mic"), Told(), threading.Event())
    assert (caught.value.code, caught.value.retryable) == ("device-not-found", True)


def test_what_was_a_loopback_in_the_list_is_not_heard_as_a_microphone(sounddevice):
    sounddevice.add("Speakers (hw:1,0)")
    with pytest.raises(SourceError, match="was a loopback, and is a input now"):
        portaudio_driver.hear(order("ALSA/Speakers", "loopback"), Told(), threading.Event())
    assert sounddevice.opened == []


def test_ports_of_jack_say_what_its_devices_are(sounddevice, monkeypatch):
    sounddevice.add_api("JACK Audio Connection Kit")
    sounddevice.add("system", api=1)
    sounddevice.add("Speakers", api=1)
    ports = [JackPort("system", "capture_1", True), JackPort("Speakers", "monitor_FL", True)]
    monkeypatch.setattr(jack_ports, "outputs", lambda: ports)
    assert [device.kind for device in portaudio_driver.devices()] == ["input", "loopback"]


def put_sounddevice(monkeypatch, folder, text):
    """What is imported as `sounddevice` is this."""
    (folder / "sounddevice.py").write_text(text)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.syspath_prepend(folder)


def test_without_portaudio_the_package_is_named(monkeypatch, tmp_path):
    put_sounddevice(monkeypatch, tmp_path, "raise OSError('PortAudio library not found')")
    with pytest.raises(SourceError, match="PortAudio library not found") as caught:
        portaudio_driver.devices()
    assert "apt-get install libportaudio2" in caught.value.hint


def test_a_mistake_in_asoundrc_is_named_as_a_likely_cause(monkeypatch, tmp_path):
    put_sounddevice(monkeypatch, tmp_path, "raise RuntimeError('Error initializing PortAudio: -9999')")
    with pytest.raises(SourceError, match="-9999") as caught:
        portaudio_driver.devices()
    assert "asoundrc" in caught.value.hint
