"""Capture on a real PulseAudio server of the tests' own."""

from pathlib import Path
from typing import Any

import pytest
import soundfile

from causal import clock
from causal.capture import libpulse
from causal.capture.ring import Ring
from causal.testing.counter_signal import Heard, analyse, counter
from causal.testing.pulse_server import PrivatePulse
from causal.testing.waiting import until

pytestmark = pytest.mark.live

RATE_HZ = 48_000


def counter_file(folder: Path, seconds: float, channels: int = 2) -> Path:
    path = folder / f"counter-{channels}.wav"
    soundfile.write(path, counter(round(seconds * RATE_HZ), channels), RATE_HZ, subtype="FLOAT")
    return path


def openings(pulse: PrivatePulse) -> int:
    """How many streams clients have open."""
    return pulse.pactl("list", "short", "source-outputs").count("protocol-native")


def late_ms(ring: Ring) -> float:
    """How long ago the newest block began."""
    return (clock.now_ns() - ring.held(ring.head - 1).captured_ns) / clock.NS_PER_MS


def play_and_hear(ears_on: Any, pulse: PrivatePulse, source: str, sink: str, path: Path) -> Heard:
    with ears_on(pulse.server) as ears:
        ears.listen(source)
        ears.hear(0.2)
        player = pulse.play(path, sink, buffer_s=4.0)
        ears.until(lambda: player.poll() is not None)
        ears.hear(0.6)
        assert ears.reasons() == []
        return analyse(ears.sound())


def test_the_loopback_is_heard_bit_for_bit(pulse, tmp_path, ears_on):
    heard = play_and_hear(ears_on, pulse, "system", "speakers", counter_file(tmp_path, 2.0))
    assert heard.whole
    assert (heard.first, heard.last) == (1, 2 * RATE_HZ)


def test_the_microphone_is_heard_bit_for_bit(pulse, tmp_path, ears_on):
    heard = play_and_hear(ears_on, pulse, "mic", "feed", counter_file(tmp_path, 1.5, channels=1))
    assert heard.whole
    assert (heard.first, heard.last) == (1, 1.5 * RATE_HZ)


def test_a_device_is_heard_at_its_own_rate_and_channels(tmp_path, ears_on):
    with PrivatePulse(rate_hz=44_100) as pulse, ears_on(pulse.server) as ears:
        ring = ears.listen("mic")
        ears.hear(0.2)
        assert (ring.rate_hz, ring.channels) == (44_100, 1)


def test_silence_is_delivered_at_full_rate(pulse, ears_on):
    with ears_on(pulse.server) as ears:
        ring = ears.listen("system")
        ears.hear(0.1)
        began_ns, heard_ns = clock.now_ns(), ring.heard_ns
        ears.hear(3.5)
        ears.until(lambda: abs((ring.heard_ns - heard_ns) - (clock.now_ns() - began_ns)) < clock.NS_PER_S)
        assert not ears.sound().any()
        ears.until(lambda: ears.state() == "silent")


def test_stamps_follow_the_samples_to_20_ms_from_the_first_block_on(pulse, ears_on):
    with ears_on(pulse.server) as ears:
        ring = ears.listen("mic")
        ears.hear(2.0)
        held = [ring.held(n) for n in range(ring.tail, ring.head)]
        first = held[0]
        off_ms = [
            (h.captured_ns - first.segment_started_ns - h.segment_frame * clock.NS_PER_S // RATE_HZ) / 1e6 for h in held
        ]
        assert max(map(abs, off_ms)) < 20.0
        ears.until(lambda: -5 < late_ms(ring) - len(ring.held(ring.head - 1).samples) * 1000 / RATE_HZ < 100)


def test_a_server_that_tells_no_times_is_heard_all_the_same(pulse, ears_on, monkeypatch):
    monkeypatch.setattr(libpulse.library(), "stream_update_timing_info", lambda *_: None)
    with ears_on(pulse.server) as ears:
        ring = ears.listen("mic")
        ears.hear(2.0)
        assert ears.reasons() == []
        ears.until(lambda: -5 < late_ms(ring) < 200)


def test_the_list_tells_kind_default_rate_and_channels(pulse, ears_on):
    with ears_on(pulse.server) as ears:
        ears.until(lambda: ears.hub.devices)
        found = {d.id: (d.kind, d.default, d.rate_hz, d.channels) for d in ears.hub.devices}
        assert found == {
            "pulse:speakers.monitor": ("loopback", True, RATE_HZ, 2),
            "pulse:feed.monitor": ("loopback", False, RATE_HZ, 1),
            "pulse:microphone": ("input", True, RATE_HZ, 1),
        }


def test_two_streams_share_one_opening_of_the_device(pulse, ears_on):
    with ears_on(pulse.server) as ears:
        ears.listen("system", "s1/system")
        ears.listen("pulse:speakers.monitor", "s2/system")
        ears.hear(0.3, "s1/system")
        ears.hear(0.1, "s2/system")
        ears.until(lambda: openings(pulse) == 1)
    until(lambda: openings(pulse) == 0)


def test_system_follows_the_default_output(pulse_own, tmp_path, ears_on):
    pulse_own.add_sink("headphones")
    with ears_on(pulse_own.server) as ears:
        ears.listen("system")
        ears.hear(0.3)
        pulse_own.pactl("set-default-sink", "headphones")
        ears.until(lambda: ears.device() == "pulse:headphones.monitor")
        player = pulse_own.play(counter_file(tmp_path, 0.5), "headphones")
        ears.until(lambda: player.poll() is not None)
        ears.hear(0.6)
        assert ears.reasons() == ["moved"]
        heard = analyse(ears.sound())
        assert heard.whole
        assert (heard.first, heard.last) == (1, RATE_HZ // 2)


def test_a_killed_server_is_told_and_taken_up_again_when_it_is_back(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ring = ears.listen("mic")
        ears.hear(0.3)
        pulse_own.kill()
        ears.until(lambda: ears.state() == "failed")
        pulse_own.start()
        ears.until(ears.delivers)
        assert ears.reasons() == ["device-lost"]
        lost = next(ring.held(n) for n in range(ring.tail, ring.head) if ring.held(n).gap_reason)
        last = ring.held(next(n for n in range(ring.tail, ring.head) if ring.held(n) is lost) - 1)
        assert lost.captured_ns > last.captured_ns


def test_a_suspended_device_is_stalled_until_it_is_resumed(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ears.listen("system")
        ears.hear(0.3)
        pulse_own.pactl("suspend-sink", "speakers", "1")
        ears.until(lambda: ears.state() == "stalled")
        pulse_own.pactl("suspend-sink", "speakers", "0")
        ears.hear(0.3)
        ears.until(ears.delivers)
        assert set(ears.reasons()) == {"suspended"}, "what was still on its way is a segment of its own"


def test_after_a_frozen_server_the_stamps_are_right_again(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ring = ears.listen("mic")
        ears.hear(0.5)
        pulse_own.freeze()
        ears.until(lambda: ears.state() == "stalled")
        pulse_own.freeze(False)
        ears.hear(4.0)
        ears.until(lambda: ears.state() == "silent" and 0 < late_ms(ring) < 300)


def test_a_muted_device_is_muted(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ears.listen("system")
        ears.hear(0.2)
        pulse_own.pactl("set-sink-mute", "speakers", "1")
        ears.until(lambda: ears.state() == "muted")
        pulse_own.pactl("set-sink-mute", "speakers", "0")
        ears.until(ears.delivers)


def test_a_device_that_is_muted_when_it_is_opened_is_muted_until_it_is_not(pulse_own, ears_on):
    pulse_own.pactl("set-source-mute", "microphone", "1")
    with ears_on(pulse_own.server) as ears:
        ears.listen("mic")
        ears.until(lambda: ears.state() == "muted")
        pulse_own.pactl("set-source-mute", "microphone", "0")
        ears.until(ears.delivers)


def test_a_volume_of_zero_is_muted_and_a_low_one_is_told_with_the_command(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ears.listen("system")
        pulse_own.pactl("set-sink-volume", "speakers", "0%")
        ears.until(lambda: ears.state() == "muted")
        assert ears.hint().endswith("pactl set-sink-volume speakers 100%")
        pulse_own.pactl("set-sink-volume", "speakers", "30%")
        ears.until(ears.delivers)
        assert "31 dB quieter" in ears.hint()
        pulse_own.pactl("set-sink-volume", "speakers", "100%")
        ears.until(lambda: not ears.hint())


def test_a_muted_device_is_still_muted_after_it_was_suspended(pulse_own, ears_on):
    with ears_on(pulse_own.server) as ears:
        ears.listen("system")
        ears.hear(0.2)
        pulse_own.pactl("set-sink-mute", "speakers", "1")
        ears.until(lambda: ears.state() == "muted")
        pulse_own.pactl("suspend-sink", "speakers", "1")
        ears.until(lambda: ears.state() == "stalled")
        assert ears.hint().endswith("pactl suspend-sink speakers 0")
        pulse_own.pactl("suspend-sink", "speakers", "0")
        ears.hear(0.3)
        ears.until(lambda: ears.state() == "muted")
        assert ears.hint().endswith("pactl set-sink-mute speakers 0")


def test_without_a_server_the_error_says_what_to_start(tmp_path, ears_on):
    with ears_on(f"unix:{tmp_path}/none") as ears:
        ears.listen("mic")
        ears.until(lambda: ears.state() == "failed")
        error = ears.error()
        assert error.code == "device-unavailable"
        assert "PipeWire" in error.hint


def test_an_unknown_device_is_not_found(pulse, ears_on):
    with ears_on(pulse.server) as ears:
        ears.listen("pulse:nothing-like-it")
        ears.until(lambda: ears.state() == "failed")
        assert ears.error().code == "device-not-found"


def test_opening_and_closing_many_times_leaves_no_threads_or_descriptors(pulse, ears_on):
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/task").iterdir())), len(list(Path("/proc/self/fd").iterdir()))

    def once() -> None:
        with ears_on(pulse.server) as ears:
            ears.listen("system")
            ears.hear(0.05)

    with ears_on(pulse.server) as others:
        others.until(lambda: others.hub.devices)
        once()
        tasks, descriptors = held()
        for _ in range(10):
            once()
        others.until(lambda: held()[0] <= tasks and held()[1] <= descriptors)
