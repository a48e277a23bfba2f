import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.capture.ring import Ring

RATE_HZ = 1000


def ring(seconds: float = 0.1, channels: int = 2, blocks: int = 64) -> Ring:
    made = Ring(seconds, blocks)
    made.set_format(RATE_HZ, channels)
    return made


def counting(start: int, frames: int, channels: int = 2) -> np.ndarray:
    return (np.arange(start, start + frames)[:, None] * np.ones((1, channels))).astype(np.float32)


def everything(of: Ring) -> np.ndarray:
    return np.concatenate([of.held(n).samples for n in range(of.tail, of.head)])


def test_blocks_come_out_as_they_went_in():
    made = ring()
    made.write(counting(0, 30), captured_ns=5)
    made.write(counting(30, 40), captured_ns=6)
    assert (made.tail, made.head) == (0, 2)
    assert np.array_equal(everything(made), counting(0, 70))
    assert [made.held(n).segment_frame for n in (0, 1)] == [0, 30]
    assert [made.held(n).segment_started_ns for n in (0, 1)] == [5, 5]


def test_the_ring_keeps_a_copy():
    made, samples = ring(), counting(0, 10)
    made.write(samples, 0)
    samples[:] = -1
    assert np.array_equal(everything(made), counting(0, 10))


def test_a_block_at_the_end_of_the_area_becomes_two_with_their_own_times():
    made = ring()
    made.write(counting(0, 80), 0)
    made.release(1)
    assert made.write(counting(80, 40), 80_000_000)
    first, second = made.held(1), made.held(2)
    assert (len(first.samples), len(second.samples)) == (20, 20)
    assert (first.captured_ns, second.captured_ns) == (80_000_000, 100_000_000)
    assert (first.segment_frame, second.segment_frame) == (80, 100)


def test_a_full_ring_refuses_the_newest_and_the_next_begins_a_segment():
    made = ring()
    assert made.write(counting(0, 60), 0)
    assert not made.write(counting(60, 60), 60)
    assert made.overflow_frames == 60
    assert np.array_equal(everything(made), counting(0, 60))
    assert made.write(counting(120, 30), 120)
    held = made.held(1)
    assert (held.segment, held.gap_reason, held.segment_started_ns, held.segment_frame) == (1, "overflow", 120, 0)


def test_records_can_run_out_before_the_samples_do():
    made = ring(seconds=10, blocks=8)
    kept = [made.write(counting(0, 1), 0) for _ in range(10)]
    assert kept == [True] * 5 + [False] * 5
    made.end()
    assert made.held(made.head - 1).end


def test_the_end_fits_into_a_full_ring_and_nothing_follows_it():
    made = ring()
    made.write(counting(0, 100), 0)
    made.end()
    made.end()
    assert made.head == 2
    assert made.held(1).end
    assert len(made.held(1).samples) == 0
    assert made.held(1).segment_frame == 100
    assert not made.write(counting(0, 1), 0)


def test_the_first_reason_for_a_break_stays():
    made = ring()
    made.write(counting(0, 1), 0)
    made.break_segment("suspended")
    made.break_segment("overflow")
    made.write(counting(1, 1), 9)
    made.write(counting(2, 1), 10)
    assert [(made.held(n).segment, made.held(n).gap_reason) for n in range(3)] == [(0, ""), (1, "suspended"), (1, "")]


def test_a_break_before_the_first_block_tells_why_nothing_was_heard_until_then():
    for reason in ("", "device-lost"):
        made = ring()
        made.break_segment(reason)
        made.write(counting(0, 1), 0)
        assert (made.held(0).segment, made.held(0).gap_reason) == (0, reason)


def test_a_former_life_is_a_reason_too():
    made = Ring(0.1, 64, reason="restarted")
    made.set_format(RATE_HZ, 2)
    made.write(counting(0, 1), 0)
    assert made.held(0).gap_reason == "restarted"


def test_a_device_that_falls_silent_is_told_at_once_and_once():
    made = ring()
    made.write(counting(0, 10), 0)
    for _ in range(3):
        made.fall_silent("device-lost")
    assert made.head == 2
    mark = made.held(1)
    assert (len(mark.samples), mark.segment, mark.gap_reason, mark.end) == (0, 0, "", False)
    assert mark.captured_ns == 10_000_000
    made.write(counting(10, 10), 50_000_000)
    assert (made.held(2).segment, made.held(2).gap_reason) == (1, "device-lost")


def test_silence_needs_a_record_and_none_is_no_harm():
    made = ring(seconds=10, blocks=8)
    while made.write(counting(0, 1), 0):
        pass
    for _ in range(5):
        made.fall_silent("suspended")
    made.end()
    assert made.head <= 8
    assert made.held(made.head - 1).end


SECOND_NS = 10**9


@pytest.mark.parametrize(
    ("break_reason", "until_s", "told"),
    [
        (None, None, ""),
        (None, 0.3, ""),
        (None, 5.0, "suspended"),
        ("device-lost", 0.3, "device-lost"),
        ("device-lost", None, ""),
    ],
)
def test_the_end_of_a_live_source_tells_whether_it_was_heard_until_then(break_reason, until_s, told):
    made = ring()
    made.write(counting(0, 10), 0)
    if break_reason:
        made.break_segment(break_reason)
    until_ns = None if until_s is None else round(until_s * SECOND_NS)
    made.end(until_ns)
    end = made.held(made.head - 1)
    assert end.end
    assert end.gap_reason == told
    assert end.captured_ns == (until_ns if told else 10_000_000)


def test_a_source_that_was_never_heard_has_stalled_since_it_was_wanted():
    for until_s, told in [(100.4, ""), (103.0, "suspended")]:
        made = Ring(0.1, 64, since_ns=100 * SECOND_NS)
        made.end(round(until_s * SECOND_NS))
        assert made.held(0).gap_reason == told


def test_a_new_format_begins_a_segment_and_old_blocks_stay_readable():
    made = ring(channels=2)
    made.write(counting(0, 90), 0)
    made.set_format(2 * RATE_HZ, 1)
    assert made.write(counting(90, 200, channels=1), 90)
    old, new = made.held(0), made.held(1)
    assert np.array_equal(old.samples, counting(0, 90))
    assert (old.rate_hz, old.channels, new.rate_hz, new.channels) == (1000, 2, 2000, 1)
    assert (new.segment, new.gap_reason) == (1, "moved")
    made.release(1)
    assert not made.has_room(1)  # what was released lay in the old area
    made.release(2)
    assert made.has_room(200)


def test_the_same_format_again_changes_nothing():
    made = ring()
    made.write(counting(0, 10), 0)
    made.set_format(RATE_HZ, 2)
    made.write(counting(10, 10), 0)
    assert made.held(1).segment == 0


def test_release_does_not_go_beyond_the_head_or_back():
    made = ring()
    made.write(counting(0, 10), 0)
    made.release(99)
    made.release(0)
    assert (made.tail, made.head) == (1, 1)


def test_without_a_format_nothing_has_room():
    assert not Ring(1.0).has_room(1)


step = st.one_of(
    st.tuples(st.just("write"), st.integers(1, 120)),
    st.tuples(st.just("release"), st.integers(0, 6)),
    st.tuples(st.just("break"), st.integers(0, 0)),
)


@given(st.lists(step, max_size=120), st.integers(1, 3), st.integers(4, 20))
@settings(max_examples=150)
def test_any_order_of_writes_and_releases_loses_nothing_but_what_was_refused(steps, channels, blocks):
    made = ring(channels=channels, blocks=blocks)
    accepted: list[tuple[int, int]] = []
    heard: list[tuple[int, int, int]] = []  # first sample, segment, frame in the segment
    at = refused = 0

    def read(upto: int) -> None:
        for n in range(made.tail, upto):
            held = made.held(n)
            values = held.samples[:, 0].astype(int)
            assert np.array_equal(held.samples, counting(values[0], len(values), channels))
            heard.extend((int(v), held.segment, held.segment_frame + i) for i, v in enumerate(values))
        made.release(upto)

    for what, size in steps:
        if what == "write":
            if made.write(counting(at, size, channels), at):
                accepted.append((at, size))
            else:
                refused += size
            at += size
        elif what == "release":
            read(min(made.head, made.tail + size))
        else:
            made.break_segment("suspended")
    read(made.head)
    assert [sample for sample, _, _ in heard] == [at + i for at, size in accepted for i in range(size)]
    assert made.overflow_frames == refused
    for (sample, segment, frame), (after, next_segment, next_frame) in itertools.pairwise(heard):
        if segment == next_segment:
            assert (after, next_frame) == (sample + 1, frame + 1)
        else:
            assert (next_segment, next_frame) == (segment + 1, 0)


@pytest.mark.parametrize("frames", [101, 5000])
def test_a_block_larger_than_the_ring_is_refused(frames):
    made = ring()
    assert not made.write(counting(0, frames), 0)
    assert made.write(counting(0, 100), 0)
