import numpy as np

from causal.engine.schedule import Kind, Reading, Schedule
from causal.engine.segmenter import Segment

SEGMENT = Segment(0)


def wish(stream: str, kind: Kind, length: int = 16_000) -> Reading:
    return Reading(stream, kind, SEGMENT, np.zeros(length, np.float32))


def final(stream: str) -> Reading:
    return wish(stream, Kind.FINAL)


def draft(stream: str) -> Reading:
    return wish(stream, Kind.DRAFT)


def test_nothing_asked_gives_nothing_to_do():
    schedule = Schedule()
    assert schedule.take(0.0) is None
    assert schedule.wake_at_s() is None


def test_a_final_goes_before_another_streams_draft():
    schedule = Schedule()
    schedule.ask(draft("a"))
    schedule.ask(last := final("b"))
    assert schedule.take(0.0) is last


def test_a_candidate_goes_before_a_draft_and_after_a_final():
    schedule = Schedule()
    schedule.ask(draft("a"))
    schedule.ask(rest := wish("b", Kind.CANDIDATE))
    schedule.ask(last := final("c"))
    assert [schedule.take(0.0), schedule.take(0.0)] == [last, rest]


def test_the_latest_draft_replaces_the_one_before():
    schedule = Schedule()
    schedule.ask(draft("a"))
    schedule.ask(newer := draft("a"))
    assert schedule.take(0.0) is newer
    schedule.done(newer, 0.0, 0.1)
    assert schedule.take(99.0) is None


def test_a_final_makes_the_draft_needless():
    schedule = Schedule()
    schedule.ask(draft("a"))
    schedule.ask(last := final("a"))
    assert schedule.take(0.0) is last
    schedule.done(last, 0.0, 0.1)
    assert schedule.take(99.0) is None


def test_finals_of_a_stream_come_one_by_one_in_order():
    schedule = Schedule()
    first, second = final("a"), final("a")
    schedule.ask(first)
    schedule.ask(second)
    assert schedule.take(0.0) is first
    assert schedule.take(0.0) is None
    schedule.done(first, 0.0, 0.1)
    assert schedule.take(0.1) is second


def test_after_a_quick_draft_the_next_waits_for_half_a_second():
    schedule = Schedule()
    schedule.ask(one := draft("a"))
    schedule.take(10.0)
    schedule.done(one, 10.0, 10.1)
    schedule.ask(draft("a"))
    assert schedule.take(10.49) is None
    assert schedule.wake_at_s() == 10.5
    assert schedule.take(10.5) is not None


def test_after_a_slow_draft_the_next_waits_longer():
    schedule = Schedule()
    schedule.ask(one := draft("a"))
    schedule.take(10.0)
    schedule.done(one, 10.0, 12.0)
    schedule.ask(draft("a"))
    assert schedule.wake_at_s() == 10.0 + 1.2 * 2.0


def test_a_final_does_not_wait_for_the_drafts_time():
    schedule = Schedule()
    schedule.ask(one := draft("a"))
    schedule.take(10.0)
    schedule.done(one, 10.0, 12.0)
    schedule.ask(last := final("a"))
    assert schedule.take(12.0) is last


def test_streams_take_turns():
    schedule = Schedule()
    served = []
    for turn in range(9):
        now_s = float(turn)
        for stream in "abc":
            schedule.ask(draft(stream))
        taken = schedule.take(now_s)
        assert taken is not None
        served.append(taken.stream)
        schedule.done(taken, now_s, now_s + 0.4)
    assert sorted(served[:3]) == sorted(served[3:6]) == sorted(served[6:]) == ["a", "b", "c"]


def test_a_draft_under_way_learns_that_a_final_waits():
    schedule = Schedule()
    schedule.ask(draft("a"))
    schedule.take(0.0)
    assert not schedule.urgent()
    schedule.ask(last := final("a"))
    assert schedule.urgent()
    schedule.done(last, 0.0, 0.1)
    schedule.take(0.1)
    assert not schedule.urgent()


def test_a_stream_that_left_is_forgotten_even_while_it_is_read():
    schedule = Schedule()
    schedule.ask(one := final("a"))
    schedule.ask(final("a"))
    schedule.take(0.0)
    schedule.forget("a")
    schedule.done(one, 0.0, 0.1)
    assert schedule.take(1.0) is None
    assert not schedule.urgent()
