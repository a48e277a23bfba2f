"""When it is worth taking what a device has delivered: about once a chunk, and as soon as one is complete."""

import pytest

from causal.capture.portion import HELD_BACK_S, Portion

RATE_HZ = 48_000


def taken_at(portion: Portion, delivered: list[int]) -> list[int]:
    """At which of these counts of delivered frames something is taken."""
    moments = []
    for frame in delivered:
        if portion.is_enough(frame):
            portion.taken(frame, frame)
            moments.append(frame)
    return moments


def every(frames: int, until: int = 2 * RATE_HZ) -> list[int]:
    return list(range(frames, until + 1, frames))


@pytest.mark.parametrize("block_ms", [5, 10, 20, 50])
def test_small_blocks_are_taken_ten_times_a_second_when_the_filter_has_heard_enough(block_ms):
    moments = taken_at(Portion(RATE_HZ), every(RATE_HZ * block_ms // 1000))
    chunk = RATE_HZ // 10
    assert len(moments) == 20
    for number, moment in enumerate(moments):
        waited = moment - number * chunk - RATE_HZ * HELD_BACK_S
        assert 0 <= waited < RATE_HZ * block_ms / 1000, "no longer than until the next block"


def test_large_blocks_are_taken_as_they_come():
    assert taken_at(Portion(RATE_HZ), every(RATE_HZ // 10)) == every(RATE_HZ // 10)
    assert taken_at(Portion(RATE_HZ), every(RATE_HZ // 2)) == every(RATE_HZ // 2)


def test_chunks_are_counted_from_where_the_run_begins():
    portion = Portion(RATE_HZ)
    held_back = round(RATE_HZ * HELD_BACK_S)
    portion.taken(1000, 0)
    assert not portion.is_enough(1000 + held_back - 1)
    assert portion.is_enough(1000 + held_back)
    portion.taken(9000, 7000)
    assert not portion.is_enough(2000 + 2 * RATE_HZ // 10 + held_back - 1)
    assert portion.is_enough(2000 + 2 * RATE_HZ // 10 + held_back)


def test_rates_that_are_no_multiple_go_on_without_drift():
    moments = taken_at(Portion(44_100), every(441, until=441_000))
    assert len(moments) == 100
