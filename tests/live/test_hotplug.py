"""Devices that come, go and change, on a real PulseAudio and a real PipeWire."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

from causal.testing.device_churn import PROCESSES, Churn
from causal.testing.pipewire_server import PrivatePipeWire
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = pytest.mark.live

Server = PrivatePulse | PrivatePipeWire

PIPEWIRE_STAMPS_MS = 20.0
"""So much its stamps scatter; the resampler puts a run that would begin too early behind the one before it."""
WIDEST_SEAM_MS = 50.0
FOREIGN_DBFS = -40.0
"""A tone of another device would be at -12 dBFS; where a run is cut off, a little of any tone is everywhere."""


@pytest.fixture(params=["pulse_own", "pipewire"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(request.param)
    return found


def seams_ms(ears, reason: str) -> list[float]:
    """Between a segment's end and the beginning of the next one, on the capture clock, where that is the reason."""
    blocks = ears.blocks()
    return [
        (after.captured_ns - before.captured_ns) / 1e6 - len(before.samples) * 1000 / before.rate_hz
        for before, after in itertools.pairwise(blocks)
        if after.gap_reason == reason
    ]


def without_stumbles(server: Server, reasons: list[str]) -> list[str]:
    """A PipeWire without real-time priority stands still for tenths of a second when the machine does, and tells
    nobody: that is a gap too, but none of these tests' making."""
    return [reason for reason in reasons if reason != "suspended"] if isinstance(server, PrivatePipeWire) else reasons


def test_the_seam_of_a_changed_default_is_shorter_than_50_ms(pulse_own, tmp_path, ears_on):
    """Where both sound. PipeWire's null sinks leave some hundredths of a second out now and then."""
    names = ["speakers", "headphones"]
    pulse_own.add_sink("headphones")
    sound = tone(tmp_path, 800)
    players = [pulse_own.play(sound, name) for name in names]
    with ears_on(pulse_own.server) as ears:
        ring = ears.listen("system")
        ears.until(lambda: ring.head and ears.blocks()[-1].samples.any())
        ears.hear(0.5)
        for n in range(1, 5):
            pulse_own.pactl("set-default-sink", names[n % 2])
            ears.until(lambda name=names[n % 2]: ears.device() == f"pulse:{name}.monitor")
            ears.hear(0.3)
        assert ears.reasons() == ["moved"] * 4
        assert all(-1.0 < seam_ms < WIDEST_SEAM_MS for seam_ms in seams_ms(ears, "moved"))
    for player in players:
        player.kill()
        player.wait()


def test_whatever_comes_and_goes_the_session_hears_the_right_devices_and_leaks_nothing(
    procfile: Path, server: Server, tmp_path: Path
) -> None:
    with (
        Stack(procfile, PROCESSES, environment={"PULSE_SERVER": server.server}) as stack,
        Churn(stack, server, tmp_path) as churn,
    ):
        churn.replug(6)
        churn.switch(6)
        found = churn.verdict()
    assert found.running
    assert found.same_process
    assert found.after.threads <= found.before.threads
    assert found.after.descriptors <= found.before.descriptors
    for source, heard in found.sources.items():
        assert heard.gaps_ms == heard.holes_ms, f"all that {source} did not hear is a gap, and nothing else"
        passed_ms = found.elapsed_s * 1000 - heard.begins_ms
        assert heard.heard_ms + sum(heard.gaps_ms) == pytest.approx(passed_ms, abs=500 + found.unsure_s * 1000)
    if isinstance(server, PrivatePulse):  # the other one stumbles, see `without_stumbles`
        assert not found.sources["mic"].gaps_ms
    assert found.sources["mic"].mic_dbfs == pytest.approx(-12.0, abs=1.0)
    assert found.sources["mic"].system_dbfs < FOREIGN_DBFS
    for source in ("system", "system-2"):
        assert found.sources[source].system_dbfs == pytest.approx(-12.0, abs=1.0)
        assert found.sources[source].mic_dbfs < FOREIGN_DBFS


def test_a_device_that_comes_back_with_another_format_is_heard_in_that(server, tmp_path, ears_on):
    """As a Bluetooth headset that changes its profile."""
    module = server.add_sink("headset")
    with ears_on(server.server) as ears:
        ring = ears.listen("pulse:headset.monitor")
        ears.hear(0.5)
        server.unload(module)
        server.add_sink("headset", rate_hz=16_000, channels=1)
        ears.until(lambda: (ring.rate_hz, ring.channels) == (16_000, 1))
        player = server.play(tone(tmp_path, 800), "headset")
        ears.until(lambda: np.any(ears.blocks()[-1].samples))
        ears.hear(0.5)
        player.kill()
        player.wait()
        assert without_stumbles(server, ears.reasons()) == ["device-lost"]
        formats = [(b.rate_hz, b.channels) for b in ears.blocks() if not b.segment_frame]
        assert list(dict.fromkeys(formats)) == [(48_000, 2), (16_000, 1)]
        scatter_ms = PIPEWIRE_STAMPS_MS if isinstance(server, PrivatePipeWire) else 0.0
        assert all(seam_ms > -scatter_ms for seam_ms in seams_ms(ears, "device-lost")), "it is back within milliseconds"
        sound = ears.blocks()[-1].samples[:, 0]
        sound = sound[sound != 0.0]
        crossings = np.count_nonzero(np.diff(np.signbit(sound))) / len(sound) * 16_000 / 2
        assert crossings == pytest.approx(800, rel=0.1)


def test_an_unplugged_loopback_hears_nothing_of_the_microphone_and_is_taken_up_again(server, tmp_path, ears_on):
    server.add_sink("throat")
    server.pactl("load-module", "module-remap-source", "source_name=voice", "master=throat.monitor")
    server.pactl("set-default-source", "voice")
    module = server.add_sink("headphones")
    player = server.play(tone(tmp_path, 800), "throat")
    with ears_on(server.server) as ears:
        ears.listen("pulse:voice", "s/mic")
        ears.until(lambda: ears.rings["s/mic"].head and ears.blocks("s/mic")[-1].samples.any())
        ears.listen("pulse:headphones.monitor")
        ears.hear(0.3)
        for _ in range(3):
            server.unload(module)
            ears.until(lambda: ears.state() == "failed")
            assert ears.error().code == "device-lost"
            ears.hear(0.3, "s/mic")
            module = server.add_sink("headphones")
            ears.until(ears.delivers)
            ears.hear(0.2)
        assert without_stumbles(server, ears.reasons()) == ["device-lost"] * 3
        assert not ears.sound().any()
        assert without_stumbles(server, ears.reasons("s/mic")) == []
        assert np.abs(ears.sound("s/mic")).max() > 0.1
    player.kill()
    player.wait()


def test_an_unplugged_microphone_hears_nothing_of_the_loudspeakers_and_is_taken_up_again(server, tmp_path, ears_on):
    """PulseAudio makes a loopback the default input when there is no microphone."""
    for line in server.pactl("list", "short", "modules").splitlines():
        if "module-remap-source" in line:
            server.unload(line.split()[0])
    server.add_sink("throat")
    voice = ("load-module", "module-remap-source", "source_name=voice", "master=throat.monitor")
    module = server.pactl(*voice)
    server.pactl("set-default-source", "voice")
    player = server.play(tone(tmp_path, 800), "speakers")
    with ears_on(server.server) as ears:
        ears.listen("mic")
        ears.listen("pulse:speakers.monitor", "s/loudspeakers")
        ears.until(lambda: ears.device() == "pulse:voice")
        ears.hear(0.3)
        server.unload(module)
        ears.until(lambda: ears.state() == "failed" or ears.device() != "pulse:voice")
        ears.hear(0.5, "s/loudspeakers")
        server.pactl(*voice)
        server.pactl("set-default-source", "voice")
        ears.until(lambda: ears.device() == "pulse:voice" and ears.state() != "failed")
        ears.hear(0.3)
        assert without_stumbles(server, ears.reasons())[0] == "device-lost"
        assert not any(block.samples.any() for block in ears.blocks())
        assert ears.sound("s/loudspeakers").any()
    player.kill()
    player.wait()


def test_a_restarted_server_is_taken_up_again_by_all_sources(server, ears_on):
    with ears_on(server.server) as ears:
        for source in ("mic", "system"):
            ears.listen(source, f"s/{source}")
        ears.hear(0.5, "s/mic")
        ears.hear(0.1, "s/system")
        server.stop()
        ears.until(lambda: ears.state("s/mic") == ears.state("s/system") == "failed")
        assert ears.error("s/mic").retryable
        server.start()
        for source in ("mic", "system"):
            ears.until(lambda stream=f"s/{source}": ears.delivers(stream))
            ears.hear(0.3, f"s/{source}")
            assert without_stumbles(server, ears.reasons(f"s/{source}")) == ["device-lost"]


def tone(folder: Path, hz: int) -> Path:
    """Ten seconds."""
    path = folder / f"{hz}.wav"
    soundfile.write(path, 0.25 * np.sin(2 * np.pi * hz * np.arange(480_000) / 48_000), 48_000)
    return path
