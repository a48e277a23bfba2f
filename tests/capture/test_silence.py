"""The time line of a loopback, by numbers. Packets have 20 ms, at 48 kHz."""

import random

import pytest

from causal.capture.silence import Silence

RATE_HZ = 48_000
MS = 1_000_000
S = 1000 * MS
PACKET = 960


class Line:
    """Plays packets and silence, with a tick each 50 ms, and counts what was told."""

    def __init__(self):
        self.now_ns = 100 * S
        self.silence = Silence(RATE_HZ, self.now_ns)
        self.zeros = 0
        self.told = 0
        self.began = 0

    def tick(self, ms=50):
        self.now_ns += ms * MS
        zeros = self.silence.on_tick(self.now_ns)
        if zeros is None:
            self.began += 1
        else:
            self.zeros += zeros
            self.told += zeros
        return zeros

    def packet(self, late_ms=0.0, ms=20):
        self.now_ns += ms * MS
        zeros = self.silence.on_packet(PACKET, self.now_ns + round(late_ms * MS))
        self.zeros += zeros
        self.told += zeros + PACKET
        return zeros

    def play(self, seconds, scatter=lambda: 0.0):
        for number in range(round(seconds * 50)):
            self.packet(scatter())
            if number % 3 == 2:
                self.tick(0)

    def be_quiet(self, seconds):
        for _ in range(round(seconds * 20)):
            self.tick()

    @property
    def off_ms(self):
        """How far the end of what was told is from now."""
        return (self.now_ns - self.silence.end_ns) / MS


@pytest.fixture
def line():
    return Line()


def test_what_plays_without_a_pause_gets_no_zeros(line):
    line.play(10)
    assert line.zeros == 0


def test_scatter_of_arrivals_is_no_silence(line):
    rng = random.Random(1)
    line.play(60, lambda: rng.uniform(0, 35))
    assert line.zeros == 0


@pytest.mark.parametrize("ppm", [-300, 300])
def test_a_clock_that_drifts_is_followed_for_hours(line, ppm):
    for number in range(3600 * 50):
        line.now_ns += round(20 * MS * ppm / 1e6)
        line.packet()
        if number % 3 == 2:
            line.tick(0)
    assert line.zeros == 0
    assert abs(line.off_ms) < 5


def test_silence_is_told_while_it_lasts_and_not_as_stalled(line):
    line.be_quiet(10)
    assert line.told / RATE_HZ == pytest.approx(10 - 0.2, abs=0.06)


def test_after_silence_a_packet_is_where_it_was_played(line):
    line.play(1)
    line.be_quiet(5)
    line.packet()
    assert line.told / RATE_HZ == pytest.approx(1 + 5 + 0.02, abs=0.001)
    line.play(1)
    assert line.told / RATE_HZ == pytest.approx(7.02, abs=0.001)


def test_a_short_pause_is_filled_when_it_is_over(line):
    line.play(1)
    for _ in range(2):
        line.tick(50)
    assert line.packet() == 4800
    assert line.told / RATE_HZ == pytest.approx(1.12, abs=0.001)


def test_many_pauses_add_up_to_no_error(line):
    rng = random.Random(2)
    for _ in range(200):
        line.play(rng.uniform(0.1, 1), lambda: rng.uniform(0, 10))
        line.be_quiet(rng.uniform(0.1, 3))
    assert abs(line.off_ms) < 350
    line.packet()
    assert abs(line.off_ms) < 12


def test_a_process_that_got_no_time_puts_no_zeros_into_what_was_playing(line):
    line.play(1)
    line.now_ns += 280 * MS
    for _ in range(15):
        line.packet(ms=0)
    line.tick(0)
    line.play(2)
    assert line.zeros == 0
    assert abs(line.off_ms) < 5


def test_the_same_when_its_tick_comes_first(line):
    line.play(1)
    line.tick(280)
    for _ in range(15):
        line.packet(ms=0)
    line.play(2)
    assert line.zeros == 0


def test_silence_that_begins_while_the_process_got_no_time_is_filled_too(line):
    line.play(1)
    line.tick(280)
    line.be_quiet(2)
    line.packet()
    assert line.told / RATE_HZ == pytest.approx(1 + 0.28 + 2 + 0.02, abs=0.002)


def test_a_machine_that_slept_was_not_silent(line):
    line.play(1)
    assert line.tick(3_600_000) is None
    assert line.began == 1
    line.be_quiet(1)
    line.packet()
    assert line.told / RATE_HZ == pytest.approx(1 + 1 + 0.02, abs=0.001)


def test_before_the_first_packet_silence_is_told_from_the_opening_on(line):
    line.be_quiet(1)
    line.packet()
    assert line.told / RATE_HZ == pytest.approx(1.02, abs=0.001)
