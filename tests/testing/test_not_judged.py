"""Live tests that fail while the host takes the processors away, in a small suite of their own."""

import pytest

pytest_plugins = ["pytester"]

SUITE = """
from dataclasses import replace
import pytest
from causal import clock
from causal.testing import stolen_time
from causal.testing.side_by_side import SideBySide

taken_s = 0.0
now_ns, look = clock.now_ns, stolen_time.look

def with_a_host():  # and no other: what the real one takes would excuse the wrong ones
    found = look()
    return replace(found, all_s=found.all_s + 2 * taken_s, taken_s=1.8 * taken_s)

clock.now_ns = lambda: now_ns() + round(taken_s * clock.NS_PER_S)
stolen_time.look = with_a_host

def the_host_takes(seconds):
    global taken_s
    taken_s += seconds

beside = SideBySide()

class Stack:
    def __enter__(self):
        return self
    def __exit__(self, *_):
        pass
"""

TESTS = """
@pytest.mark.live
def test_that_fails_in_a_spell():
    the_host_takes(2.0)
    assert False, "what was found is told"

@pytest.mark.live
def test_that_fails_after_it():
    assert False

@pytest.mark.live
def test_that_passes_in_a_spell():
    the_host_takes(2.0)

def test_that_fails_in_a_spell_and_has_nothing_to_do_with_time():
    the_host_takes(2.0)
    assert False

@pytest.mark.live
def test_that_fails_in_half_a_second():
    the_host_takes(0.5)
    assert False
"""

STORIES = """
import threading
done = threading.Event()

@pytest.mark.live
@beside(Stack)
def test_that_waits_for_the_other(stack):
    done.wait(20)

@pytest.mark.live
@beside(Stack)
def test_that_fails_before_pytest_comes_to_it(stack):
    the_host_takes(2.0)
    done.set()
    assert False
"""


@pytest.fixture
def run(pytester):
    """Runs tests with the plug-in; `at_most` is how many may go unjudged."""

    def go(tests, at_most=12):
        pytester.makeini("[pytest]\nmarkers = live: real")
        pytester.makeconftest(
            f"from causal.testing.not_judged import NotJudged\n"
            f"def pytest_configure(config):\n    config.pluginmanager.register(NotJudged({at_most}))"
        )
        pytester.makepyfile(SUITE + tests)
        return pytester.runpytest_subprocess("-rs", "-p", "no:cacheprovider")

    return go


def test_a_live_test_that_fails_while_the_machine_stands_still_is_told_and_skipped_and_no_other_one(run):
    result = run(TESTS)
    result.assert_outcomes(passed=1, failed=3, skipped=1)
    result.stdout.fnmatch_lines(["*what was found is told*", "*not judged, the host of this machine took up to *"])
    assert result.ret == 1


def test_tests_beside_each_other_began_before_pytest_came_to_them(run):
    result = run(STORIES)
    result.assert_outcomes(passed=1, skipped=1)
    assert result.ret == 0


def test_a_run_in_which_much_was_not_judged_has_shown_nothing(run):
    result = run(STORIES, at_most=0)
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*1 tests were not judged: this run has shown nothing"])
    assert result.ret == 1
