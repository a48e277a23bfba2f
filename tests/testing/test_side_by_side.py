"""Tests that run beside each other, in a small suite of their own."""

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import threading
from contextlib import contextmanager
import pytest
from causal.testing.side_by_side import SideBySide

beside = SideBySide(at_once=2)
both = threading.Barrier(2, timeout=20)
open_stacks, most = set(), []

@contextmanager
def stack():
    mine = object()
    open_stacks.add(mine)
    most.append(len(open_stacks))
    try:
        yield mine
    finally:
        open_stacks.remove(mine)

@pytest.mark.parametrize("number", [1, 2])
@beside(stack)
def test_each_meets_the_other(stack, number):
    assert stack in open_stacks
    assert number in (1, 2)
    both.wait()

@beside(stack)
def test_that_fails(stack):
    assert stack is None, "what was found is told"

def test_all_stacks_are_closed_and_never_were_there_more_than_two():
    assert (open_stacks, max(most), len(most)) == (set(), 2, 3)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(SUITE)
    return pytester


def test_they_meet_each_tells_its_own_outcome_and_not_too_many_run_at_once(suite: pytest.Pytester) -> None:
    result = suite.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*what was found is told*", "FAILED *::test_that_fails*"])


def test_only_those_that_were_selected_run(suite: pytest.Pytester) -> None:
    result = suite.runpytest("-p", "no:cacheprovider", "-k", "fails or closed")
    result.assert_outcomes(failed=2, deselected=2)
    result.stdout.fnmatch_lines(["*(set(), 1, 1)*"])
