"""The capture clock on Windows."""

import subprocess
import sys

from causal import clock


def test_the_clock_is_fine_enough_for_sound():
    first_ns = clock.now_ns()
    while (next_ns := clock.now_ns()) == first_ns:
        pass
    assert next_ns - first_ns < clock.NS_PER_MS


def test_all_processes_read_the_same_clock():
    before_ns = clock.now_ns()
    read = subprocess.run(
        [sys.executable, "-c", "from causal import clock; print(clock.now_ns())"], capture_output=True, check=True
    )
    assert before_ns < int(read.stdout) < clock.now_ns()


def test_a_machine_that_is_awake_has_not_slept():
    before_ns = clock.slept_ns()
    until_ns = clock.now_ns() + clock.NS_PER_S
    most_ns = 0
    while clock.now_ns() < until_ns:
        most_ns = max(most_ns, abs(clock.slept_ns() - before_ns))
    assert most_ns < 50 * clock.NS_PER_MS
