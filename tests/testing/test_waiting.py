"""Waiting with a clock that is a number."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from causal.testing import waiting
from causal.testing.waiting import LOOK_EVERY_S, until, until_async


class Clock:
    """Stands in the place of `time` and of `asyncio.sleep`: a sleep is over at once, and has taken its time."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr(asyncio, "sleep", clock.sleep_async)
    return clock


@pytest.fixture(params=["until", "until_async"])
def wait(request: pytest.FixtureRequest, clock: Clock) -> Callable[..., Any]:
    if request.param == "until":
        return until
    return lambda *given: asyncio.run(until_async(*given))


def test_what_is_there_already_is_given_at_once(wait, clock):
    assert wait(lambda: "it") == "it"
    assert clock.now_s == 100.0


def test_the_first_result_that_is_true_is_given(wait, clock):
    looks = iter([None, 0, [], "it", "more"])
    assert wait(looks.__next__) == "it"
    assert clock.now_s == pytest.approx(100.0 + 3 * LOOK_EVERY_S)


def test_who_waits_in_vain_is_told_what_for_and_how_long(wait):
    with pytest.raises(TimeoutError, match=r"^not within 2\.5 s: the end$"):
        wait(lambda: False, 2.5, "the end")


def test_what_there_is_instead_is_asked_for_at_the_end(wait):
    seen: list[int] = []

    def look() -> bool:
        seen.append(1)
        return False

    with pytest.raises(TimeoutError, match=r"six looks; there were 6$"):
        wait(look, 4.5 * LOOK_EVERY_S, lambda: f"six looks; there were {len(seen)}")


def test_who_stood_still_over_the_time_looks_once_more(wait, clock):
    def look() -> bool:
        clock.now_s += 60.0
        return clock.now_s > 200.0

    assert wait(look, 10.0)
