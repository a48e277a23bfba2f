"""Capture by PortAudio on real ALSA devices, which a private PulseAudio plays and hears."""

import os
from collections.abc import Iterator

import pytest
import soundfile

from causal.capture.choice import choose
from causal.capture.portaudio import PortAudioBackend
from causal.capture.pulse import PulseBackend
from causal.testing.counter_signal import analyse, counter
from causal.testing.pulse_server import PrivatePulse

pytestmark = pytest.mark.live

RATE_HZ = 48_000
LOUDSPEAKERS = """\
pcm.loudspeakers {
    type pulse
    device "speakers.monitor"
    hint {
        show on
        description "What the loudspeakers play"
    }
}
"""


@pytest.fixture
def alsa(pulse_own: PrivatePulse, monkeypatch: pytest.MonkeyPatch) -> Iterator[PrivatePulse]:
    """A server whose loopback is an ALSA device; ALSA's `default` is its microphone."""
    (pulse_own.folder / ".asoundrc").write_text(LOUDSPEAKERS)
    for name in list(os.environ):
        if name.startswith(("PULSE_", "XDG_RUNTIME")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(pulse_own.folder))
    monkeypatch.setenv("PULSE_SERVER", pulse_own.server)
    yield pulse_own


def test_a_device_of_alsa_is_heard_bit_for_bit_lost_and_heard_again(alsa, tmp_path, ears_on):
    path = tmp_path / "counter.wav"
    soundfile.write(path, counter(RATE_HZ, 2), RATE_HZ, subtype="FLOAT")
    with ears_on({"portaudio": PortAudioBackend(50)}) as ears:
        ring = ears.listen("portaudio:ALSA/loudspeakers")
        ears.until(lambda: ears.hub.devices)
        assert {d.id: d.default for d in ears.hub.devices if d.kind == "input"} == {
            "portaudio:ALSA/default": True, "portaudio:ALSA/loudspeakers": False, "portaudio:ALSA/pulse": False,
        }  # fmt: skip
        ears.hear(0.2)
        player = alsa.play(path)
        ears.until(lambda: player.poll() is not None)
        ears.hear(0.6)
        heard = analyse(ears.sound())
        assert heard.whole and (heard.first, heard.last) == (1, RATE_HZ)
        assert (ring.rate_hz, ring.channels) == (RATE_HZ, 2)
        assert ears.reasons() == []
        alsa.kill()
        ears.until(lambda: ears.state() == "failed")
        assert ears.error().code == "device-lost"
        alsa.start()
        ears.until(ears.delivers, 20)
        assert ears.reasons() == ["device-lost"]


def test_where_no_sound_server_answers_portaudio_hears_the_microphone(alsa, tmp_path, ears_on):
    backends = {"pulse": PulseBackend(50, f"unix:{tmp_path}/none"), "portaudio": PortAudioBackend(50)}
    with ears_on(choose(backends, "auto", "linux")) as ears:
        ears.listen("mic")
        ears.hear(0.2)
        assert ears.device() == "portaudio:ALSA/default"
