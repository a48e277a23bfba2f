"""Services on one loop: how they are waited for."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.testing.one_loop import OneLoop


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[OneLoop]:
    with OneLoop(tmp_path) as stack:
        yield stack


def test_what_comes_true_is_found_however_long_the_process_stood_still(stack: OneLoop) -> None:
    looks = iter([False, False, True])

    def holds_in_the_end() -> bool:
        time.sleep(0.1)  # stands still
        return next(looks)

    stack.run_until(holds_in_the_end, within_s=0.05)


def test_what_does_not_come_true_is_given_up(stack: OneLoop) -> None:
    with pytest.raises(TimeoutError, match=r"not within 0\.1 s"):
        stack.run_until(lambda: False, within_s=0.1)


def test_it_may_be_waited_for_one_thing_after_the_other(stack: OneLoop) -> None:
    with pytest.raises(TimeoutError):
        stack.run_until(lambda: False, within_s=0.02)
    stack.run_until(lambda: True)
    with pytest.raises(TimeoutError):
        stack.run_until(lambda: False, within_s=0.02)
