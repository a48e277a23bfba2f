import select

import pytest

from causal.waker import Waker


@pytest.fixture
def waker():
    made = Waker()
    yield made
    made.close()


def is_readable(waker):
    return bool(select.select([waker.fd], [], [], 0)[0])


def test_it_sleeps_until_it_is_woken(waker):
    assert not is_readable(waker)
    waker.wake()
    assert is_readable(waker)


def test_a_hundred_thousand_calls_are_one(waker):
    for _ in range(100_000):
        waker.wake()
    waker.rest()
    assert not is_readable(waker)


def test_after_a_rest_it_can_be_woken_again(waker):
    waker.wake()
    waker.rest()
    waker.wake()
    assert is_readable(waker)


def test_resting_without_having_been_woken_does_not_wait(waker):
    waker.rest()


def test_waking_after_the_end_is_harmless():
    waker = Waker()
    waker.close()
    waker.wake()
