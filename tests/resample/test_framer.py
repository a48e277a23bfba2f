"""Chunks have 1600 samples, each in its place, rounded once."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from causal.resample.framer import Framer


def framed(sound, cuts, chunks_before=0):
    framer = Framer(chunks_before)
    frames = [frame for part in np.split(sound, sorted(cuts)) for frame in framer.push(part)]
    return frames + framer.flush()


@given(cuts=st.lists(st.integers(0, 5000), max_size=20))
def test_any_cut_gives_the_same_chunks(cuts):
    sound = np.random.default_rng(1).uniform(-1, 1, 5000).astype(np.float32)
    frames = framed(sound, cuts)
    assert [frame.valid for frame in frames] == [1600, 1600, 1600, 200]
    assert all(frame.samples.shape == (1600,) and frame.samples.dtype == np.int16 for frame in frames)
    whole = np.concatenate([frame.samples for frame in frames])
    assert np.array_equal(whole[:5000], np.clip(np.rint(sound.astype(np.float64) * 32768), -32768, 32767))
    assert not whole[5000:].any(), "the tail is silence"


def test_chunks_are_counted_on_from_those_of_a_former_life():
    frames = framed(np.zeros(3300, np.float32), [], chunks_before=2)
    assert [frame.segment_chunk for frame in frames] == [2, 3, 4]


def test_every_int16_comes_out_as_it_went_in():
    levels = np.arange(-32768, 32768, dtype=np.int16)
    frames = framed((levels / 32768).astype(np.float32), [])
    assert np.array_equal(np.concatenate([frame.samples for frame in frames])[: len(levels)], levels)


def test_too_loud_is_clipped_not_wrapped():
    frames = framed(np.array([1.0, 1.5, -1.5, 1e9, -1e9], np.float32), [])
    assert frames[0].samples[:5].tolist() == [32767, 32767, -32768, 32767, -32768]


def test_nothing_gives_no_chunk():
    assert framed(np.zeros(0, np.float32), []) == []
    assert len(framed(np.zeros(1600, np.float32), [])) == 1
