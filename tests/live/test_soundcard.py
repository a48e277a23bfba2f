"""Capture by the package `soundcard`, in its driver process, on a private PulseAudio."""

import contextlib

import psutil
import pytest
import soundfile

from causal.capture.soundcard import SoundCardBackend
from causal.testing.counter_signal import analyse, counter
from causal.testing.pulse_server import PrivatePulse

pytestmark = pytest.mark.live

RATE_HZ = 48_000


@pytest.fixture
def ears(pulse_own: PrivatePulse, monkeypatch: pytest.MonkeyPatch, ears_on):
    for name, value in pulse_own.environment.items():
        monkeypatch.setenv(name, value)
    with ears_on({"soundcard": SoundCardBackend(50)}) as ears:
        yield ears


def driver_processes() -> list[psutil.Process]:
    """Those that hear: the one, none while it is exchanged, or two."""
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has ended meanwhile
            found += [process] if "hear" in process.cmdline() else []
    return found


def test_the_loopback_is_heard_bit_for_bit_and_a_killed_process_is_replaced(ears, pulse_own, tmp_path):
    path = tmp_path / "counter.wav"
    soundfile.write(path, counter(RATE_HZ, 2), RATE_HZ, subtype="FLOAT")
    ears.listen("system")
    ears.hear(0.2)
    assert ears.device() == "soundcard:speakers.monitor"
    player = pulse_own.play(path)
    ears.until(lambda: player.poll() is not None)
    ears.hear(0.8)
    heard = analyse(ears.sound())
    assert heard.whole and (heard.first, heard.last) == (1, RATE_HZ)
    assert ears.reasons() == []
    driver_processes()[0].kill()
    ears.until(ears.reasons, 20)
    ears.hear(0.2)
    assert ears.reasons() == ["device-lost"]


def test_a_loopback_that_the_server_moves_to_the_microphone_is_lost_instead(ears, pulse_own, tmp_path):
    path = tmp_path / "voice.wav"
    soundfile.write(path, counter(2 * RATE_HZ, 1), RATE_HZ, subtype="FLOAT")
    headphones = pulse_own.add_sink("headphones")
    ears.listen("soundcard:headphones.monitor")
    ears.hear(0.2)
    voice = pulse_own.play(path, "feed")
    ears.hear(0.2)
    pulse_own.unload(headphones)
    ears.until(lambda: ears.state() == "failed")
    assert ears.error().code in ("device-lost", "device-not-found")
    ears.until(lambda: voice.poll() is not None)
    assert not ears.sound().any()


def test_a_hanging_library_is_replaced_when_its_device_speaks_again(ears, pulse_own):
    ears.listen("system")
    ears.hear(0.2)
    (hung,) = driver_processes()
    hung.suspend()
    ears.until(lambda: any(process != hung for process in driver_processes()), 20)
    ears.hear(0.2)
    ears.until(lambda: not hung.is_running())
    assert ears.reasons() == ["suspended"]
