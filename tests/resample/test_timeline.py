"""Positions are counted within a run and stamped at its start; they never go back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from causal.resample.timeline import Hole, Timeline

MS = 1_000_000


def test_a_run_begins_where_its_stamp_says():
    timeline = Timeline(started_ns=1_000 * MS)
    assert timeline.open(1_250 * MS) == (4000, Hole(0, 250))


def test_a_break_is_a_hole_with_start_and_length():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    assert timeline.open(1_700 * MS) == (27_200, Hole(1_000, 700))


def test_a_run_that_would_begin_too_early_is_shifted_and_that_is_counted():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    assert timeline.open(990 * MS) == (16_000, None)
    assert timeline.shifted_samples == 160


def test_sound_from_just_before_the_session_keeps_its_time():
    timeline = Timeline(started_ns=1_000 * MS)
    assert timeline.open(980 * MS) == (-320, None)
    timeline.advance(1_600)
    assert timeline.end == 1_280
    assert timeline.shifted_samples == 0


def test_less_than_a_millisecond_is_no_hole():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    assert timeline.open(1_000 * MS + MS // 2) == (16_008, None)


def test_the_time_line_goes_on_where_the_journal_ends():
    timeline = Timeline(started_ns=0, end=48_000)
    assert timeline.end == 48_000
    assert timeline.open(4_000 * MS) == (64_000, Hole(3_000, 1_000))


@given(runs=st.lists(st.tuples(st.integers(-(10**9), 10**12), st.integers(0, 10**7)), max_size=20))
def test_runs_never_overlap_and_holes_lie_between_them(runs):
    timeline = Timeline(started_ns=0)
    end = None
    for captured_ns, samples in runs:
        position, hole = timeline.open(captured_ns)
        if end is not None:
            assert position >= end
            if hole is not None:
                assert hole.length_ms > 0
                assert abs(hole.start_ms * 16 - end) < 16
                assert abs((hole.start_ms + hole.length_ms) * 16 - position) < 32
            else:
                assert position - end < 16
        timeline.advance(samples)
        end = timeline.end
        assert end == position + samples
