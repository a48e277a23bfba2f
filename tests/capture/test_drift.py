"""The rate of a device's clock, from points of which some are late and some are wrong."""

from __future__ import annotations

import math
import random

import pytest

from causal.capture.drift import CAPACITY, LONGEST_BIN, Drift, Point


def learnt(ppm, seconds, scatter_ms=0.0, seed=1, wrong=0.0):
    """What is known of a device that is `ppm` fast, after so many points; a share of them is `wrong` by a lot."""
    drift, chance = Drift(), random.Random(seed)
    drift.begin(48_000)
    for second in range(seconds):
        true_s = second / (1 + ppm * 1e-6)
        late_ms = chance.uniform(-300, 300) if chance.random() < wrong else chance.uniform(0, scatter_ms)
        drift.add(Point(second, true_s - second + late_ms / 1000))
    return drift


@pytest.mark.parametrize(
    ("ppm", "seconds"), [(-10_000, 8), (-100, 64), (-3, 64), (0, 64), (17, 64), (100, 64), (10_000, 8)]
)
def test_with_exact_stamps_the_rate_is_known_after_a_minute_and_a_gross_one_after_8_seconds(ppm, seconds):
    assert learnt(ppm, seconds - 1).ppm is None
    assert learnt(ppm, seconds).ppm == pytest.approx(ppm, abs=0.01)


def test_a_server_that_is_wrong_for_seconds_tells_no_drift():
    """Stamps that wander by half a millisecond within ten seconds, as those of a busy PulseAudio do."""
    drift, told = Drift(), []
    drift.begin(48_000)
    for second in range(300):
        drift.add(Point(second, 0.5e-3 * math.sin(second / 5)))
        told.append(drift.ppm or 0.0)
    assert max(map(abs, told)) < 10
    assert told[-1] == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_said_of_a_scattering_device_is_right_to_30_ppm_at_once_and_to_3_in_ten_minutes(seed):
    told = [ppm for seconds in range(8, 300, 7) if (ppm := learnt(100, seconds, 3.0, seed).ppm) is not None]
    assert len(told) > 20
    assert all(abs(ppm - 100) < 30 for ppm in told)
    assert learnt(100, 600, 3.0, seed).ppm == pytest.approx(100, abs=3)


def test_before_anything_is_known_nothing_is_said_or_done():
    drift = learnt(100, 30, scatter_ms=20.0)
    assert drift.ppm is None
    assert drift.slope == 0


def test_a_fifth_of_the_points_may_be_wrong_by_any_amount():
    assert learnt(-100, 2000, 1.0, wrong=0.2).ppm == pytest.approx(-100, abs=3)


def test_a_clock_that_changes_is_followed():
    """From +20 to +60 ppm in an hour: a computer that gets warm."""
    drift, late_s, worst = Drift(), 0.0, 0.0
    drift.begin(48_000)
    for second in range(7200):
        ppm = 20 + 40 * min(1.0, second / 3600)
        late_s -= ppm * 1e-6
        drift.add(Point(second, late_s))
        if second > 600:
            worst = max(worst, abs(drift.ppm - ppm))
    assert worst < 4
    assert drift.ppm == pytest.approx(60, abs=0.1)


def test_what_is_known_outlives_a_new_run_but_not_a_new_rate():
    drift = learnt(80, 300)
    drift.begin(48_000)
    assert drift.ppm == pytest.approx(80, abs=0.1)
    for second in range(5):
        drift.add(Point(second, 3.0 - second * 80e-6))
    assert drift.ppm == pytest.approx(80, abs=0.1)
    drift.begin(44_100)
    assert drift.ppm is None


def test_it_keeps_few_numbers_however_long_it_lasts():
    drift = learnt(10, 100_000)
    assert len(drift._bins) <= CAPACITY
    assert len(drift._open) <= LONGEST_BIN
