import random

from causal.capture.pulse_stream import TIMING_EVERY_S
from causal.capture.sample_clock import LATE_S, SampleClock

RATE_HZ = 48_000
FRAMES = 2400
BLOCK_NS = 50_000_000
MS = 1_000_000


def test_the_first_stamp_is_taken_as_it_is():
    assert SampleClock(RATE_HZ).stamp(FRAMES, 1_000 * MS) == (1_000 * MS, False)


def test_stamps_that_are_up_to_20_ms_late_are_read_to_a_few_milliseconds():
    clock, scatter = SampleClock(RATE_HZ), random.Random(1)
    errors = [
        clock.stamp(FRAMES, i * BLOCK_NS + round(scatter.uniform(0, 20) * MS)).captured_ns - i * BLOCK_NS
        for i in range(2000)
    ]
    assert min(errors[40:]) > -MS
    assert max(errors[40:]) < 5 * MS


def test_a_device_that_is_100_ppm_slow_is_followed_and_not_broken():
    clock = SampleClock(RATE_HZ)
    stamps = [(clock.stamp(FRAMES, round(i * BLOCK_NS * 1.0001)), i * BLOCK_NS * 1.0001) for i in range(40_000)]
    assert not any(stamp.broken for stamp, _ in stamps)
    assert max(abs(stamp.captured_ns - true) for stamp, true in stamps) < 1.5 * MS


def test_samples_that_are_missing_without_a_word_break_the_run_within_about_a_second():
    clock = SampleClock(RATE_HZ)
    for i in range(100):
        clock.stamp(FRAMES, i * BLOCK_NS)
    after = [clock.stamp(FRAMES, i * BLOCK_NS + 700 * MS) for i in range(100, 130)]
    assert [stamp.broken for stamp in after].count(True) == 1
    broken = next(i for i, stamp in enumerate(after) if stamp.broken)
    assert broken == 20
    assert after[broken].captured_ns == 120 * BLOCK_NS + 700 * MS
    assert after[-1].captured_ns == 129 * BLOCK_NS + 700 * MS


def test_a_burst_after_a_busy_second_breaks_nothing():
    clock = SampleClock(RATE_HZ)
    for i in range(100):
        clock.stamp(FRAMES, i * BLOCK_NS)
    late_ns = 130 * BLOCK_NS
    burst = [clock.stamp(FRAMES, late_ns) for _ in range(100, 130)]
    later = [clock.stamp(FRAMES, i * BLOCK_NS) for i in range(130, 200)]
    assert not any(stamp.broken for stamp in burst + later)
    assert abs(later[-1].captured_ns - 199 * BLOCK_NS) < MS


def test_one_wrong_answer_of_a_sound_server_breaks_nothing():
    assert 2 * TIMING_EVERY_S < LATE_S
    clock = SampleClock(RATE_HZ)
    wrong = range(100, 100 + round(TIMING_EVERY_S * 1e9 / BLOCK_NS) + 1)
    stamps = [clock.stamp(FRAMES, i * BLOCK_NS + (90 * MS if i in wrong else 0)) for i in range(200)]
    assert not any(stamp.broken for stamp in stamps)
    assert all(abs(stamp.captured_ns - i * BLOCK_NS) < MS for i, stamp in enumerate(stamps))


def test_a_first_stamp_that_was_late_is_mended_without_a_break():
    clock = SampleClock(RATE_HZ)
    clock.stamp(FRAMES, 500 * MS)
    stamps = [clock.stamp(FRAMES, i * BLOCK_NS) for i in range(1, 60)]
    assert not any(stamp.broken for stamp in stamps)
    assert abs(stamps[-1].captured_ns - 59 * BLOCK_NS) < MS
