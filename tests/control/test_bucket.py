import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from causal.control.bucket import Bucket
from causal.messages.control import Wish


def live(name: str) -> Wish:
    return Wish(id=name, live=True)


def late(name: str) -> Wish:
    return Wish(id=name, live=False)


def test_so_many_sessions_a_minute_are_granted_and_the_next_one_a_minute_later():
    bucket = Bucket(2)
    assert bucket.grant([live("a"), live("b"), live("c")], 0.0) == ("a", "b")
    assert bucket.grant([live("c")], 60.0) == ()
    assert bucket.grant([live("c")], 61.0) == ("c",)


def test_a_grant_whose_answer_was_lost_is_given_again_and_counts_once():
    bucket = Bucket(2)
    assert bucket.grant([live("a")], 0.0) == bucket.grant([live("a")], 1.0) == ("a",)
    assert bucket.grant([live("b")], 1.0) == ("b",)


def test_grants_of_another_start_of_the_machine_which_seem_to_lie_ahead_do_not_count():
    bucket = Bucket(1, {"before": 500_000.0})
    assert bucket.grant([live("a")], 10.0) == ("a",)
    assert bucket.granted_s == {"a": 10.0}


def test_live_goes_before_backlog_in_one_poll():
    assert Bucket(2).grant([late("old"), live("new")], 0.0) == ("new",)


def test_live_goes_before_backlog_of_another_gateway():
    bucket = Bucket(2)
    bucket.grant([live("a"), live("b")], 0.0)
    assert bucket.grant([live("c")], 60.5) == ()
    assert bucket.grant([late("old")], 61.0) == (), "somebody waits with live speech"
    assert bucket.grant([live("c")], 61.5) == ("c",)


def test_a_live_wish_that_is_not_told_any_more_holds_nobody_up():
    bucket = Bucket(3)
    bucket.grant([live("a"), live("b"), live("c"), live("gone")], 0.0)
    assert bucket.grant([late("old")], 61.0) == ("old",)


def test_the_last_grant_of_a_minute_is_kept_for_live_speech():
    bucket = Bucket(3)
    assert bucket.grant([late("a"), late("b"), late("c")], 0.0) == ("a", "b")
    assert bucket.grant([live("d")], 1.0) == ("d",)


def test_with_one_session_a_minute_a_backlog_gets_it_when_nobody_else_wants_it():
    assert Bucket(1).grant([late("a")], 0.0) == ("a",)


@given(st.integers(0, 10**6), st.integers(1, 10))
def test_no_minute_sees_more_sessions_than_are_allowed(seed, per_minute):
    chance, bucket = random.Random(seed), Bucket(per_minute)
    waiting: list[Wish] = []
    granted: list[tuple[float, str]] = []
    now_s = 0.0
    for n in range(200):
        now_s += chance.expovariate(1.0)
        waiting.append(Wish(id=str(n), live=chance.random() < 0.5))
        polled = chance.sample(waiting, min(len(waiting), 4))
        got = bucket.grant(polled, now_s)
        granted += [(now_s, name) for name in got]
        waiting = [wish for wish in waiting if wish.id not in got]
    times_s = [at_s for at_s, _ in granted]
    for at_s in times_s:
        assert sum(at_s <= other_s < at_s + 60 for other_s in times_s) <= per_minute
    assert len({name for _, name in granted}) == len(granted)


@pytest.mark.parametrize("per_minute", [1, 2, 5])
def test_everybody_gets_a_turn_in_the_end(per_minute):
    bucket = Bucket(per_minute)
    waiting = [live("a"), live("b"), late("c"), late("d"), late("e")]
    for minute in range(10):
        got = bucket.grant(waiting, 61.0 * minute)
        waiting = [wish for wish in waiting if wish.id not in got]
    assert waiting == []
