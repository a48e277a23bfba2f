"""Capture on a real PipeWire of the tests' own. What PulseAudio and PipeWire have in common is in `test_pulse.py`."""

import pytest
import soundfile

from causal.testing.counter_signal import analyse, counter

pytestmark = pytest.mark.live

RATE_HZ = 48_000


def test_the_loopback_is_heard_bit_for_bit(pipewire, tmp_path, ears_on):
    path = tmp_path / "counter.wav"
    soundfile.write(path, counter(2 * RATE_HZ), RATE_HZ, subtype="FLOAT")
    with ears_on(pipewire.server) as ears:
        ears.listen("system")
        ears.hear(0.3)
        player = pipewire.play(path, buffer_s=4.0)
        ears.until(lambda: player.poll() is not None)
        ears.hear(0.8)
        heard = analyse(ears.sound())
        assert heard.exact
        assert (heard.first, heard.last) == (1, 2 * RATE_HZ)
        assert heard.whole


def test_system_is_the_loopback_and_mic_the_microphone(pipewire, ears_on):
    with ears_on(pipewire.server) as ears:
        ears.listen("system")
        ears.hear(0.1)
        assert ears.device() == "pulse:speakers.monitor"
        assert "Source Output" in pipewire.pactl("list", "source-outputs")
    with ears_on(pipewire.server) as ears:
        ears.listen("mic")
        ears.hear(0.1)
        assert ears.device() == "pulse:microphone"
        assert (ears.blocks()[0].rate_hz, ears.blocks()[0].channels) == (RATE_HZ, 1)


def test_stamps_follow_the_samples_to_20_ms_from_the_first_block_on(pipewire, ears_on):
    """Below 1 ms on a quiet machine; libpulse's own interpolated latency is up to 250 ms off here."""
    with ears_on(pipewire.server) as ears:
        ears.listen("system")
        ears.hear(3.0)
        held = ears.blocks()
        off_ms = [(h.captured_ns - h.segment_started_ns) / 1e6 - h.segment_frame * 1000 / RATE_HZ for h in held]
        assert max(map(abs, off_ms)) < 20.0
        assert set(ears.reasons()) <= {"suspended"}, "a server that stood still, no more"


def test_loudspeakers_whose_monitor_does_not_go_by_their_mute_are_not_called_muted(pipewire, tmp_path, ears_on):
    """As those of a sound card; null sinks are the exception."""
    pipewire.pactl("load-module", "module-null-sink", "sink_name=card", "sink_properties=monitor.channel-volumes=false")
    pipewire.pactl("set-sink-mute", "card", "1")
    path = tmp_path / "counter.wav"
    soundfile.write(path, counter(10 * RATE_HZ), RATE_HZ, subtype="FLOAT")
    with ears_on(pipewire.server) as ears:
        ears.listen("pulse:card.monitor")
        ears.hear(0.3)
        player = pipewire.play(path, "card")
        ears.until(lambda: ears.sound().any() and ears.state() == "capturing" and not ears.hint())
        player.kill()
        player.wait()
        pipewire.pactl("set-sink-mute", "speakers", "1")
        ears.listen("pulse:speakers.monitor", "s/two")
        ears.until(lambda: ears.state("s/two") == "muted")


def test_without_its_session_manager_it_stalls_until_all_is_back(pipewire, ears_on):
    with ears_on(pipewire.server) as ears:
        ears.listen("pulse:speakers.monitor")
        ears.hear(0.3)
        pipewire.kill("wireplumber")
        ears.until(lambda: ears.state() in ("stalled", "failed"), 15.0)
        pipewire.stop()
        pipewire.start()
        ears.until(ears.delivers)
        assert ears.reasons()
        assert [reason for reason in ears.reasons() if reason != "suspended"] in ([], ["device-lost"])


def test_without_its_pulseaudio_door_the_device_is_lost(pipewire, ears_on):
    with ears_on(pipewire.server) as ears:
        ears.listen("system")
        ears.hear(0.3)
        pipewire.kill("pipewire-pulse")
        ears.until(lambda: ears.state() == "failed")
        assert ears.error().retryable
