import importlib.util
import sys
import time

import pytest

from causal import clock


@pytest.mark.parametrize(("system", "name"), [("linux", "CLOCK_BOOTTIME"), ("darwin", "CLOCK_MONOTONIC_RAW")])
def test_the_capture_clock_counts_sleep(monkeypatch, system, name):
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(time, name, 77, raising=False)
    monkeypatch.setattr(time, "clock_gettime_ns", {77: 123}.__getitem__, raising=False)
    assert fresh_clock().now_ns() == 123


def test_on_windows_it_is_the_performance_counter(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 456)
    assert fresh_clock().now_ns() == 456


def test_a_process_that_stands_still_between_two_clocks_has_not_slept(monkeypatch):
    ticks = iter([0, 900_000_000, 900_000_100, 900_000_200])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(ticks))
    with_sleep = iter([5_400_000_000, 5_900_000_150])
    monkeypatch.setattr(clock, "now_ns", lambda: next(with_sleep))
    assert clock.slept_ns() == 5_000_000_050


def fresh_clock():
    """The module as another system would load it."""
    spec = importlib.util.spec_from_file_location("fresh_clock", clock.__file__)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
