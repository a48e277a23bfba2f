import numpy as np
import pytest

from causal.capture.intake import Intake
from causal.capture.ring import Ring
from causal.errors import SourceError

BLOCK = np.ones((2400, 1), np.float32)
BLOCK_NS = 50_000_000


@pytest.fixture
def woken():
    return []


@pytest.fixture
def intake(woken):
    return Intake(lambda: woken.append(1), now_ns=lambda: 5)


def test_all_rings_hear_the_same(intake, woken):
    rings = [Ring(1.0), Ring(1.0)]
    for ring in rings:
        intake.attach(ring)
    intake.on_format(48_000, 1)
    intake.on_samples(BLOCK, 100)
    assert [(ring.head, ring.held(0).captured_ns) for ring in rings] == [(1, 100), (1, 100)]
    assert woken
    assert intake.heard_ns == 5


def test_a_ring_that_comes_later_learns_the_format(intake):
    intake.on_format(44_100, 2)
    ring = Ring(1.0)
    intake.attach(ring)
    assert (ring.rate_hz, ring.channels) == (44_100, 2)


def test_a_ring_that_left_hears_nothing_more(intake):
    ring = Ring(1.0)
    intake.attach(ring)
    intake.on_format(48_000, 1)
    intake.detach(ring)
    intake.detach(ring)
    intake.on_samples(BLOCK, 0)
    assert ring.head == 0


def test_after_a_hole_time_is_read_anew(intake):
    ring = Ring(1.0)
    intake.attach(ring)
    intake.on_format(48_000, 1)
    intake.on_samples(BLOCK, 0)
    intake.on_hole("overflow")
    intake.on_samples(BLOCK, 9 * BLOCK_NS)
    assert (ring.held(1).gap_reason, ring.held(1).captured_ns) == ("overflow", 9 * BLOCK_NS)


def test_a_ring_that_comes_over_gets_what_is_kept_since_its_end(intake):
    intake.on_format(48_000, 1)
    for n in range(3):
        intake.on_samples(BLOCK, n * BLOCK_NS)
    ring = Ring(1.0)
    assert intake.reaches(BLOCK_NS)
    intake.attach(ring, since_ns=BLOCK_NS + BLOCK_NS // 2)
    intake.on_samples(BLOCK, 3 * BLOCK_NS)
    held = [ring.held(n) for n in range(ring.head)]
    assert [(h.captured_ns, len(h.samples)) for h in held] == [
        (BLOCK_NS + BLOCK_NS // 2, 1200),
        (2 * BLOCK_NS, 2400),
        (3 * BLOCK_NS, 2400),
    ]


def test_a_ring_that_comes_over_from_a_faster_device_hears_no_moment_twice(intake):
    intake.on_format(48_000, 1)
    intake.on_samples(BLOCK, 0)
    ring = Ring(1.0)
    intake.attach(ring, since_ns=2 * BLOCK_NS + BLOCK_NS // 2)
    for n in range(1, 4):
        intake.on_samples(BLOCK, n * BLOCK_NS)
    held = [ring.held(n) for n in range(ring.head)]
    assert [(h.captured_ns, len(h.samples)) for h in held] == [
        (2 * BLOCK_NS + BLOCK_NS // 2, 1200),
        (3 * BLOCK_NS, 2400),
    ]


def test_what_is_kept_has_a_limit_and_no_hole(intake):
    intake.on_format(48_000, 1)
    for n in range(100):
        intake.on_samples(BLOCK, n * BLOCK_NS)
    assert intake.reaches(80 * BLOCK_NS)
    assert not intake.reaches(70 * BLOCK_NS)
    intake.on_hole("overflow")
    assert not intake.reaches(100 * BLOCK_NS)


def test_a_file_keeps_nothing(woken):
    intake = Intake(lambda: woken.append(1), kept_ns=0)
    intake.on_format(48_000, 1)
    intake.on_samples(BLOCK, 0)
    assert not intake.reaches(BLOCK_NS)


def test_there_is_room_when_every_ring_has_room(intake):
    small, large = Ring(0.1), Ring(1.0)
    intake.attach(small)
    intake.attach(large)
    intake.on_format(48_000, 1)
    assert intake.has_room(4800)
    assert not intake.has_room(4801)


def test_what_the_driver_tells_is_kept_for_the_hub(intake, woken):
    error = SourceError("device-lost", "gone")
    intake.on_state("muted")
    intake.on_lost(error)
    intake.on_end()
    assert (intake.driver_state, intake.lost, intake.ended, len(woken)) == ("muted", error, True, 3)


def test_after_the_machine_s_sleep_the_first_block_begins_a_segment_in_its_place():
    slept_ns, ring = [7], Ring(1.0)
    intake = Intake(lambda: None, slept_ns=lambda: slept_ns[0])
    intake.attach(ring)
    intake.on_format(48_000, 1)
    intake.on_samples(BLOCK, 0)
    slept_ns[0] += 3600 * 10**9
    intake.on_samples(BLOCK, BLOCK_NS + slept_ns[0])
    slept_ns[0] += 1_000_000
    intake.on_samples(BLOCK, 2 * BLOCK_NS + slept_ns[0])
    held = [ring.held(n) for n in range(ring.head) if len(ring.held(n).samples)]
    assert [(block.segment, block.gap_reason) for block in held] == [(0, ""), (1, "suspended"), (1, "")]
    assert held[1].captured_ns == BLOCK_NS + 3600 * 10**9 + 7
