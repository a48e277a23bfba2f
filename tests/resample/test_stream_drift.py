"""Devices whose clocks drift: the times change with them, the samples never."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.testing.stream_bench import STARTED_NS, Desk, Sender, noise, one_shot

MS = 1_000_000


def true_ms(chunk, ppm):
    """When the device heard a chunk of its first run."""
    return chunk.index * 100 / (1 + ppm * 1e-6)


@pytest.mark.parametrize("rate_hz", [44100, 48000])
@pytest.mark.parametrize("ppm", [-10_000, 10_000])
def test_a_drifting_device_changes_the_times_and_never_the_samples(rate_hz, ppm):
    sound = noise(rate_hz * 6)
    desk = Desk().send(Sender(rate_hz=rate_hz, ppm=ppm).blocks(sound, rate_hz // 20).end())
    assert np.array_equal(desk.heard, one_shot(sound, rate_hz))
    assert desk.gaps == {}
    chunks = desk.chunks[:-1]
    assert len({chunk.run_started_ns for chunk in chunks}) == 1
    assert max(abs(chunk.position / 16 - true_ms(chunk, ppm)) for chunk in chunks) < 1.6
    assert max(abs((chunk.captured_ns - STARTED_NS) / MS - true_ms(chunk, ppm)) for chunk in chunks) < 0.6


def test_a_gap_after_a_drifting_run_begins_where_that_run_truly_ended():
    for ppm, end_ms in [(-10_000, 6060), (10_000, 5940)]:
        sender = Sender(ppm=ppm).blocks(noise(48000 * 6), 2400)
        sender.segment(STARTED_NS + 7_000 * MS, reason="device-lost")
        desk = Desk().send(sender.blocks(noise(4800), 2400).end())
        (gap,) = desk.gaps.values()
        assert (gap.start_ms, gap.start_ms + gap.length_ms) == (
            pytest.approx(end_ms, abs=2),
            pytest.approx(7000, abs=1),
        )
        assert desk.chunks[60].position == 7000 * 16
        assert desk.stream.lost_ms == gap.length_ms


@settings(max_examples=40)
@given(
    rate_hz=st.sampled_from([16000, 44100, 48000]),
    ppm=st.sampled_from([-10_000, -100, 3_000]),
    block_s=st.sampled_from([0.02, 0.05, 0.33]),
    kills_s=st.lists(st.floats(0, 5.0), min_size=1, max_size=3),
    undone=st.integers(0, 3),
)
def test_killed_anywhere_the_times_of_a_drifting_device_are_the_same(rate_hz, ppm, block_s, kills_s, undone):
    def story(kills):
        sender = Sender(rate_hz=rate_hz, ppm=ppm).blocks(noise(rate_hz * 3), round(rate_hz * block_s))
        sender.segment(STARTED_NS + 2_900 * MS, reason="moved")
        sender.blocks(noise(rate_hz * 2), round(rate_hz * block_s)).end()
        desk = Desk(0.001)
        for kill_s in sorted(kills):
            desk.send(sender, stop=int(kill_s / block_s))
            desk.kill(undone)
        return desk.send(sender)

    whole, killed = story([]), story(kills_s)
    assert killed.chunks == whole.chunks
    assert killed.gaps == whole.gaps


@pytest.mark.parametrize("ppm", [-100, 100])
def test_frames_lost_after_hours_of_drift_are_a_gap_of_their_own_length(ppm):
    """The run that follows begins amid its segment, where the count is 288 ms away from the clock."""
    sender = Sender(ppm=ppm)
    sender.frame = 8 * 3600 * 48000 // 10
    sender.blocks(noise(48000), 2400)
    sender.frame += 4800
    desk = Desk().send(sender.blocks(noise(48000), 2400).end())
    assert [gap.length_ms for gap in desk.gaps.values()][-1] == pytest.approx(100, abs=2)
    assert desk.chunks[10].position / 16 == pytest.approx(2880_000 / (1 + ppm * 1e-6) + 1100, abs=2)
