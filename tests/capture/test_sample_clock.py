import random

import pytest

from causal.capture.drift import Drift
from causal.capture.pulse_start import TIMING_EVERY_S
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


HOURS_8_S = 8 * 3600
STEP_FRAMES = 9600


class Device:
    """A simulated device: what its clock counts, when that was in truth, and what its server says of it."""

    def __init__(self, ppm, rate_hz=RATE_HZ, late_ms=0.0, wrong=0.0, seed=1):
        self.ppm, self.rate_hz, self.late_ms, self.wrong = ppm, rate_hz, late_ms, wrong
        self._chance = random.Random(seed)
        self._true_ns = 5e15

    def blocks(self, seconds, frames=STEP_FRAMES):
        """The true time of each block's first sample, and its stamp."""
        for second in range(0, round(seconds * self.rate_hz), frames):
            yield self._true_ns, round(self._true_ns + self._error_ns())
            ppm = self.ppm(second / self.rate_hz) if callable(self.ppm) else self.ppm
            self._true_ns += frames * 1e9 / (self.rate_hz * (1 + ppm * 1e-6))

    def sleep(self, seconds):
        self._true_ns += seconds * 1e9

    def _error_ns(self):
        if self._chance.random() < self.wrong:
            return self._chance.uniform(-2000, 2000) * MS
        return self._chance.uniform(0, self.late_ms) * MS


def errors_ms(clock, device, seconds, frames=STEP_FRAMES):
    """By how much the clock is wrong, block by block; no run may break."""
    errors = []
    for true_ns, stamped_ns in device.blocks(seconds, frames):
        stamp = clock.stamp(frames, stamped_ns)
        assert not stamp.broken
        errors.append((stamp.captured_ns - true_ns) / MS)
    return errors


def warming(seconds):
    """From -40 to +60 ppm in three hours, and down again at night."""
    return -40 + 100 * min(1.0, seconds / 10_800) - 0.002 * max(0.0, seconds - 14_400)


@pytest.mark.parametrize(
    ("ppm", "rate_hz", "late_ms", "wrong"),
    [(100, 48_000, 20.0, 0.0), (-100, 44_100, 20.0, 0.01), (-100, 48_000, 0.0, 0.0), (warming, 44_100, 20.0, 0.0)],
    ids=["fast", "slow", "exact", "warming"],
)
def test_in_8_hours_no_sample_is_misplaced_by_20_ms(ppm, rate_hz, late_ms, wrong):
    """The first seconds included; counting alone would be 2.9 s off at the end."""
    drift = Drift()
    device = Device(ppm, rate_hz, late_ms, wrong)
    errors = errors_ms(SampleClock(rate_hz, drift), device, HOURS_8_S)
    assert max(map(abs, errors)) <= 20.0
    assert max(map(abs, errors[50:])) < 15.0, "with blocks as long as these few stamps come early"
    assert drift.ppm == pytest.approx(ppm(HOURS_8_S) if callable(ppm) else ppm, abs=5)


def test_the_same_event_on_two_devices_that_drift_apart_has_one_time():
    """The microphone is 100 ppm fast, the loopback 100 ppm slow; both scatter, in different ways."""
    heard = []
    for ppm, late_ms, rate_hz in [(100, 20.0, 48_000), (-100, 0.04, 44_100)]:
        device, clock = Device(ppm, rate_hz, late_ms), SampleClock(rate_hz)
        times = {}
        for true_ns, stamped_ns in device.blocks(HOURS_8_S, rate_hz // 5):
            captured_ns = clock.stamp(rate_hz // 5, stamped_ns).captured_ns
            times[round((true_ns - 5e15) / 1e9 / 60)] = (captured_ns - true_ns) / MS
        heard.append(times)
    apart_ms = [abs(heard[0][minute] - heard[1][minute]) for minute in range(480)]
    assert max(apart_ms) < 20.0


def test_after_a_gap_the_drift_is_still_known_and_a_new_run_is_right_from_its_first_block_on():
    drift = Drift()
    device = Device(100, late_ms=2.0)
    errors_ms(SampleClock(RATE_HZ, drift), device, 600)
    device.sleep(3600)
    known = drift.ppm
    assert known == pytest.approx(100, abs=5)
    errors = errors_ms(SampleClock(RATE_HZ, drift), device, 30)
    assert drift.ppm == pytest.approx(100, abs=10)
    assert max(map(abs, errors)) < 3.0


def test_a_clock_that_is_one_per_cent_wrong_is_followed_too():
    errors = errors_ms(SampleClock(RATE_HZ), Device(-10_000), 60, FRAMES)
    assert max(map(abs, errors)) < 50.0
    assert max(map(abs, errors[20 * 15 :])) < 1.0
