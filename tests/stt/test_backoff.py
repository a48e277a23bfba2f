import random

from causal.stt.backoff import Backoff


def waits(backoff: Backoff, count: int) -> list[float]:
    return [backoff.ended(float(n)) for n in range(count)]


def test_waits_double_up_to_a_limit_and_chance_only_shortens_them():
    for wait_s, longest_s in zip(waits(Backoff(random.Random(1)), 8), [1, 2, 4, 8, 16, 30, 30, 30], strict=True):
        assert longest_s / 2 <= wait_s <= longest_s


def test_two_gateways_do_not_come_back_in_step():
    assert waits(Backoff(random.Random(1)), 5) != waits(Backoff(random.Random(2)), 5)
    assert waits(Backoff(random.Random(1)), 5) == waits(Backoff(random.Random(1)), 5)


def test_a_session_that_lasted_sets_it_back():
    backoff = Backoff(random.Random(1))
    waits(backoff, 6)
    backoff.begun(100.0)
    assert backoff.ended(110.0) <= 0.5
    assert backoff.tries == 0


def test_a_session_that_died_soon_after_its_begin_does_not():
    backoff = Backoff(random.Random(1))
    waits(backoff, 5)
    backoff.begun(100.0)
    assert backoff.ended(103.0) > 10
    assert backoff.tries == 6


def test_the_service_may_ask_for_a_longer_wait():
    assert Backoff(random.Random(1)).ended(0.0, at_least_s=30.0) == 30.0


def test_an_end_that_is_no_failure_costs_nothing_once():
    backoff = Backoff(random.Random(1))
    backoff.begun(0.0)
    assert backoff.ended(100.0, at_once=True) == 0.0
    assert backoff.ended(101.0, at_once=True) == 0.0
    assert backoff.ended(102.0, at_once=True) > 0.0, "a service that ends each session at once is not hammered"


def test_no_number_of_failures_overflows():
    assert waits(Backoff(random.Random(1)), 5000)[-1] <= 30


def test_a_door_that_costs_nothing_is_tried_again_soon():
    backoff = Backoff(random.Random(1))
    waits(backoff, 6)
    assert backoff.ended(10.0, at_most_s=2.0) <= 2.0
    assert backoff.ended(11.0, at_least_s=5.0, at_most_s=2.0) == 5.0
