"""Streaming gives what one call would give."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.resample.resampler import Resampler, downmix

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000]


def noise(frames, channels, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (frames, channels)).astype(np.float32)


def streamed(sound, rate_hz, cuts):
    resampler = Resampler(rate_hz)
    blocks = np.split(sound, sorted(cuts))
    return np.concatenate([*(resampler.push(block) for block in blocks), resampler.flush()])


def one_shot(sound, rate_hz):
    return soxr.resample(downmix(sound), rate_hz, 16000, quality="HQ")


@settings(max_examples=60)
@given(
    rate_hz=st.sampled_from(RATES),
    channels=st.sampled_from([1, 2, 6]),
    length_s=st.floats(0.001, 0.7),
    cuts=st.lists(st.floats(0, 1), max_size=40),
    seed=st.integers(0, 9),
)
def test_any_cut_into_blocks_gives_what_one_call_gives(rate_hz, channels, length_s, cuts, seed):
    sound = noise(max(1, round(length_s * rate_hz)), channels, seed)
    cuts = [int(cut * len(sound)) for cut in cuts]
    assert np.array_equal(streamed(sound, rate_hz, cuts), one_shot(sound, rate_hz))


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("block_s", [0.005, 0.02, 0.1, 1.0])
def test_usual_blocks_give_what_one_call_gives(rate_hz, block_s):
    sound = noise(3 * rate_hz, 1)
    cuts = range(round(block_s * rate_hz), len(sound), round(block_s * rate_hz))
    assert np.array_equal(streamed(sound, rate_hz, cuts), one_shot(sound, rate_hz))


def test_sound_at_16_khz_passes_unchanged():
    sound = noise(5000, 1)
    assert np.array_equal(streamed(sound, 16000, [100, 101, 4000]), sound[:, 0])


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_the_downmix_is_the_mean_of_the_channels(channels):
    sound = noise(1000, channels)
    mono = downmix(sound)
    assert mono.dtype == np.float32
    assert np.allclose(mono, sound.astype(np.float64).mean(axis=1), atol=1e-6)


def test_two_equal_channels_give_that_channel_to_the_bit():
    sound = noise(1000, 1)
    assert np.array_equal(downmix(np.repeat(sound, 2, axis=1)), sound[:, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_a_broken_sample_does_not_break_the_rest(bad):
    sound = noise(48000, 2)
    broken = sound.copy()
    broken[1000, 1] = bad
    out = streamed(broken, 48000, range(960, 48000, 960))
    assert np.isfinite(out).all()
    assert np.allclose(out[8000:], one_shot(sound, 48000)[8000:], atol=1e-4)


def test_a_full_chunk_is_not_held_back_after_a_start_amid_sound():
    """The first chunk is full after 1600 + 250 samples, the second 1600 later: no block later than soxr can say."""
    resampler, plain = Resampler(48000, 1850), soxr.ResampleStream(48000, 16000, 1, "float32", "HQ")
    ours = theirs = 0
    for _ in range(100):
        block = noise(480, 1)
        ours += len(resampler.push(block))
        theirs += len(plain.resample_chunk(block[:, 0]))
        assert max(0, ours - 250) // 1600 == max(0, theirs - 250) // 1600
