"""Positions are stamped at a run's start and counted within it, as far as the device's clock is right; they never go
back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.resample.timeline import Hole, Timeline

MS = 1_000_000


def test_a_run_begins_where_its_stamp_says():
    timeline = Timeline(started_ns=1_000 * MS)
    assert timeline.open(1_250 * MS) == Hole(0, 250)
    assert timeline.end == 4000


def test_a_break_is_a_hole_with_start_and_length():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    assert timeline.open(1_700 * MS) == Hole(1_000, 700)
    assert timeline.end == 27_200


def test_a_run_that_would_begin_too_early_is_shifted_and_that_is_counted():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    assert timeline.open(990 * MS) is None
    assert timeline.end == 16_000
    assert timeline.shifted_samples == 160


def test_a_shifted_run_comes_into_its_time_at_a_quarter_of_its_speed():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    timeline.open(950 * MS)
    timeline.advance(1600)
    positions = []
    for chunk in range(1, 5):
        positions.append(timeline.follow(950 * MS + 100 * chunk * MS))
        timeline.advance(1600)
    assert positions == [16_000 + 1600 - 400, 16_000 + 2 * 1600 - 800, 15_200 + 3 * 1600, 15_200 + 4 * 1600]


def test_count_and_clock_may_be_a_millisecond_apart_and_no_more():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(1600)
    assert timeline.follow(100 * MS + 900_000) == 1600
    timeline.advance(1600)
    assert timeline.follow(200 * MS + 1_000_000) == 3216
    timeline.advance(1600)
    assert timeline.follow(300 * MS) == 4800


@pytest.mark.parametrize("ppm", [-10_000, -100, 100, 10_000])
def test_no_drift_adds_up_and_none_makes_a_hole(ppm):
    """A device that is fast says that less time has passed than it counts."""
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    for chunk in range(36_000):
        true_ns = chunk * 100_000_000 / (1 + ppm * 1e-6)
        position = timeline.follow(round(true_ns))
        assert abs(position * 62_500 - true_ns) <= 1.1 * MS
        timeline.advance(1600)
    assert timeline.open(round(36_000 * 100_000_000 / (1 + ppm * 1e-6)) + 500 * MS).length_ms == pytest.approx(
        500, abs=2
    )


def test_sound_from_just_before_the_session_keeps_its_time():
    timeline = Timeline(started_ns=1_000 * MS)
    assert timeline.open(980 * MS) is None
    assert timeline.end == -320
    timeline.advance(1_600)
    assert timeline.end == 1_280
    assert timeline.shifted_samples == 0


def test_less_than_a_millisecond_is_no_hole():
    timeline = Timeline(started_ns=0)
    timeline.open(0)
    timeline.advance(16_000)
    assert timeline.open(1_000 * MS + MS // 2) is None
    assert timeline.end == 16_008


def test_the_time_line_goes_on_where_the_journal_ends():
    timeline = Timeline(started_ns=0, end=48_000)
    assert timeline.end == 48_000
    assert timeline.open(4_000 * MS) == Hole(3_000, 1_000)
    assert timeline.end == 64_000


@given(runs=st.lists(st.tuples(st.integers(-(10**9), 10**12), st.integers(0, 10**7)), max_size=20))
def test_runs_never_overlap_and_holes_lie_between_them(runs):
    timeline = Timeline(started_ns=0)
    end = None
    for captured_ns, samples in runs:
        hole = timeline.open(captured_ns)
        position = timeline.end
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
