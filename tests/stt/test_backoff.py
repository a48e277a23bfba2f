import random

import pytest

from causal.stt.backoff import Backoff

LONGEST_S = 30.0
KNOCK_S = 1.0


def waits(backoff: Backoff, count: int) -> list[float]:
    """After sessions that did not even begin."""
    return [backoff.ended(float(n), at_most_s=LONGEST_S) for n in range(count)]


def knocks(backoff: Backoff, count: int) -> list[float]:
    return [backoff.shut(at_most_s=KNOCK_S) for _ in range(count)]


def test_waits_double_up_to_a_limit_and_chance_only_shortens_them():
    longest = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    for wait_s, longest_s in zip(waits(Backoff(random.Random(1)), 9), longest, strict=True):
        assert longest_s / 2 <= wait_s <= longest_s


def test_two_gateways_do_not_come_back_in_step():
    assert waits(Backoff(random.Random(1)), 5) != waits(Backoff(random.Random(2)), 5)
    assert waits(Backoff(random.Random(1)), 5) == waits(Backoff(random.Random(1)), 5)


def test_a_session_that_brought_words_sets_it_back_however_short_it_was():
    backoff = Backoff(random.Random(1))
    waits(backoff, 6)
    backoff.begun(100.0)
    backoff.proved()
    assert backoff.ended(101.0, at_most_s=LONGEST_S) <= 0.5
    assert backoff.tries == 0


def test_a_session_in_which_nobody_spoke_sets_it_back_when_it_lasted():
    backoff = Backoff(random.Random(1))
    waits(backoff, 6)
    backoff.begun(100.0)
    assert backoff.ended(111.0, at_most_s=LONGEST_S) <= 0.5
    assert backoff.tries == 0


def test_sessions_that_each_break_five_seconds_after_their_begin_without_a_word_become_rare():
    backoff, now_s, begins = Backoff(random.Random(1)), 0.0, 0
    while now_s < 600.0:
        begins += 1
        backoff.begun(now_s)
        now_s += 5.0
        now_s += backoff.ended(now_s, at_most_s=LONGEST_S)
    assert begins <= 30


def test_words_of_one_session_say_nothing_about_the_next():
    backoff = Backoff(random.Random(1))
    backoff.begun(0.0)
    backoff.proved()
    backoff.ended(1.0, at_most_s=LONGEST_S)
    waits(backoff, 5)
    assert backoff.tries == 5


@pytest.mark.parametrize("seed", range(20))
def test_faults_every_five_seconds_cost_at_most_half_a_second_each_while_words_come(seed):
    backoff = Backoff(random.Random(seed))
    for n in range(50):
        backoff.begun(5.0 * n)
        backoff.proved()
        assert backoff.ended(5.0 * n + 2.0, at_most_s=LONGEST_S) <= 0.5


@pytest.mark.parametrize("seed", range(20))
def test_after_a_long_refusal_the_first_session_that_is_lost_is_followed_by_another_at_once(seed):
    backoff = Backoff(random.Random(seed))
    knocks(backoff, 100)
    backoff.begun(100.0)
    assert backoff.ended(101.0, at_most_s=LONGEST_S) <= 0.5


def test_the_service_may_ask_for_a_longer_wait():
    for seed in range(20):
        assert 30.0 <= Backoff(random.Random(seed)).ended(0.0, at_most_s=LONGEST_S, at_least_s=30.0) <= 31.2
        assert 30.0 <= Backoff(random.Random(seed)).shut(at_most_s=KNOCK_S, at_least_s=30.0) <= 31.2


def test_gateways_that_the_service_lets_wait_do_not_come_back_in_step():
    assert len({Backoff(random.Random(seed)).shut(at_most_s=KNOCK_S, at_least_s=30.0) for seed in range(20)}) == 20


def test_an_end_that_is_no_failure_costs_nothing_once():
    backoff = Backoff(random.Random(1))
    backoff.begun(0.0)
    assert backoff.ended(100.0, at_most_s=LONGEST_S, at_once=True) == 0.0
    assert backoff.ended(101.0, at_most_s=LONGEST_S, at_once=True) == 0.0
    assert backoff.ended(102.0, at_most_s=LONGEST_S, at_once=True) > 0.0, (
        "a service that ends each session at once is not hammered"
    )


def test_an_end_in_good_order_forgets_what_was_before():
    backoff = Backoff(random.Random(1))
    waits(backoff, 6)
    backoff.begun(10.0)
    backoff.finished()
    assert backoff.tries == 0
    assert backoff.ended(11.0, at_most_s=LONGEST_S) <= 0.5


def test_who_waits_for_the_local_engine_does_so_for_five_seconds_at_most():
    backoff = Backoff(random.Random(1))
    waits(backoff, 10)
    assert 2.5 <= backoff.ended(10.0, at_most_s=5.0) <= 5.0


def test_no_number_of_failures_overflows():
    assert waits(Backoff(random.Random(1)), 5000)[-1] <= 30
    assert knocks(Backoff(random.Random(1)), 5000)[-1] <= 1


def test_a_door_that_does_not_open_is_tried_again_within_a_second_however_often():
    backoff = Backoff(random.Random(1))
    waits(backoff, 6)
    for wait_s, longest_s in zip(knocks(backoff, 5), [0.5, 1, 1, 1, 1], strict=True):
        assert longest_s / 2 <= wait_s <= longest_s


def test_a_door_that_did_not_open_forgives_no_session():
    backoff = Backoff(random.Random(1))
    waits(backoff, 5)
    knocks(backoff, 10)
    assert backoff.ended(100.0, at_most_s=LONGEST_S) >= 8.0
    assert backoff.tries == 6
