"""Counting is exact at any rate."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from causal.resample.ratio import WARM_UP_SAMPLES, Ratio

RATES = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000, 44099])
FRAMES = st.integers(0, 10**12)


@pytest.mark.parametrize("rate_hz", [8000, 11025, 22050, 44100, 48000, 96000, 192000])
def test_soxr_counts_the_same_samples(rate_hz):
    for frames in [*range(1, 60), *range(rate_hz, rate_hz + 60)]:
        assert Ratio(rate_hz).samples(frames) == len(soxr.resample(np.zeros(frames, np.float32), rate_hz, 16000))


@given(rate_hz=RATES, frames=FRAMES)
def test_a_step_is_a_whole_number_of_samples(rate_hz, frames):
    ratio = Ratio(rate_hz)
    before, after = ratio.step_before(frames), ratio.step_after(frames)
    assert frames - ratio.step_frames < before <= frames <= after < frames + ratio.step_frames
    for step in (before, after):
        assert ratio.samples(step) * rate_hz == step * 16000


@given(rate_hz=RATES, frames=FRAMES)
def test_time_leads_back_to_the_frame(rate_hz, frames):
    ratio = Ratio(rate_hz)
    assert ratio.frames_in(ratio.ns(frames)) == frames


@given(rate_hz=RATES, samples=st.integers(0, 10**9))
def test_a_restart_leaves_time_to_settle_and_little_more(rate_hz, samples):
    ratio = Ratio(rate_hz)
    warm_up = samples - ratio.samples(ratio.restart_frame(samples))
    assert warm_up >= min(samples, WARM_UP_SAMPLES)
    assert warm_up <= WARM_UP_SAMPLES + ratio.samples(ratio.step_frames) + 1
