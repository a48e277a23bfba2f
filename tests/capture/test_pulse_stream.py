"""What a stream makes of libpulse's callbacks; the library is told what to answer. `tests/live/test_pulse.py` has it
with a real server."""

import ctypes
import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from causal import clock
from causal.capture import libpulse
from causal.capture.intake import Intake
from causal.capture.portion import Portion
from causal.capture.pulse_stream import PulseStream
from causal.capture.ring import Held, Ring

RATE_HZ = 48_000
BLOCK = RATE_HZ // 4
STREAM = 1
TIMING_WITHIN_BLOCKS = 20
"""Until the stream does not wait any more for the server to say how late it is."""


class Library:
    """Answers 1 to whatever it is not told about."""

    def __init__(self) -> None:
        self.suspended = 0
        self.waiting = np.zeros(0, np.float32)

    def stream_is_suspended(self, _stream: int) -> int:
        return self.suspended

    def stream_readable_size(self, _stream: int) -> int:
        return self.waiting.nbytes

    def stream_peek(self, _stream: int, data: Any, size: Any) -> int:
        ctypes.cast(data, ctypes.POINTER(ctypes.c_void_p))[0] = self.waiting.ctypes.data
        ctypes.cast(size, ctypes.POINTER(ctypes.c_size_t))[0] = self.waiting.nbytes
        return 0

    def stream_drop(self, _stream: int) -> None:
        self.waiting = np.zeros(0, np.float32)

    def __getattr__(self, name: str) -> Callable[..., int]:
        return lambda *_: 1


@pytest.fixture
def library(monkeypatch) -> Library:
    fake = Library()
    monkeypatch.setattr(libpulse, "library", lambda: fake)
    return fake


def answered(at_s: int, after_ms: int) -> SimpleNamespace:
    """A server's answer: at that time of the wall clock a second of sound had come. It took so long to arrive."""
    return SimpleNamespace(
        seconds=at_s,
        microseconds=0,
        write_index=4 * RATE_HZ,
        read_index=0,
        source_usec=0,
        transport_usec=after_ms * 1000,
        sink_usec=0,
    )


class Machine:
    """A stream that hears a block whenever `deliver` is called, and what its ring made of it."""

    def __init__(self, library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
        self.library = library
        self.slept_ns = 0
        now_ns = itertools.count(10 * clock.NS_PER_S, 50 * clock.NS_PER_MS)
        monkeypatch.setattr(clock, "now_ns", lambda: next(now_ns) + self.slept_ns)
        monkeypatch.setattr(clock, "slept_ns", lambda: self.slept_ns)
        intake, self.ring = Intake(lambda: None), Ring()
        self.stream = PulseStream("microphone", intake, 50, on_suspended=lambda _: None)
        self.stream._spec.rate, self.stream._spec.channels = RATE_HZ, 1
        self.stream._scratch = np.zeros((RATE_HZ, 1), np.float32)
        self.stream._scratch_address = self.stream._scratch.ctypes.data
        self.stream._portion = Portion(RATE_HZ)
        self.stream._start.ns = 10 * clock.NS_PER_S
        intake.on_format(RATE_HZ, 1)
        intake.attach(self.ring)

    def suspend(self, suspended: bool) -> None:
        self.library.suspended = int(suspended)
        self.stream._suspended(STREAM, None)

    def deliver(self) -> None:
        self.library.waiting = np.ones(BLOCK, np.float32)
        for _ in range(TIMING_WITHIN_BLOCKS):
            self.stream._samples_came(STREAM, self.library.waiting.nbytes, None)

    def segments(self) -> list[tuple[int, str]]:
        return [(block.segment, block.gap_reason) for block in self.blocks()]

    def blocks(self) -> list[Held]:
        held = [self.ring.held(n) for n in range(self.ring.head)]
        return [block for block in held if len(block.samples)]


@pytest.fixture
def machine(library, monkeypatch) -> Machine:
    return Machine(library, monkeypatch)


def test_what_comes_after_a_suspension_does_not_follow_what_was_on_its_way_when_it_began(machine):
    machine.deliver()
    machine.suspend(True)
    machine.deliver()
    machine.suspend(False)
    machine.deliver()
    assert machine.segments() == [(0, ""), (1, "suspended"), (2, "suspended")]


@pytest.mark.parametrize("slept_s", [3, 3600])
def test_what_comes_after_the_machine_s_sleep_begins_anew_at_once(machine, slept_s):
    machine.deliver()
    machine.slept_ns += slept_s * clock.NS_PER_S
    machine.deliver()
    assert machine.segments() == [(0, ""), (1, "suspended")]
    before, after = machine.blocks()
    assert after.captured_ns - before.captured_ns > slept_s * clock.NS_PER_S


def test_one_wrong_answer_of_the_server_about_its_latency_is_outvoted(machine, monkeypatch):
    starts_ms = [1000, 1003, 1001, 1001, 957, 1002, 1030, 1030]
    answers = iter(starts_ms)
    monkeypatch.setattr(machine.stream, "_start_by", lambda _: next(answers) * clock.NS_PER_MS)
    machine.library.stream_get_timing_info = lambda _: ctypes.pointer(ctypes.c_int())
    found_ms = []
    for _ in starts_ms:
        machine.stream._timing_came(STREAM, 1, None)
        found_ms.append(machine.stream._start.ns // clock.NS_PER_MS)
    assert found_ms == [1000, 1000, 1000, 1001, 1001, 1001, 1002, 1030]


def test_a_machine_that_is_awake_hears_in_one_piece(machine):
    machine.deliver()
    machine.deliver()
    assert machine.segments() == [(0, ""), (0, "")]


@pytest.mark.parametrize("after_ms", [0, 1, 80])
def test_an_answer_that_took_long_says_the_same_time(machine, monkeypatch, after_ms):
    monkeypatch.setattr(clock, "now_ns", lambda: 30 * clock.NS_PER_S + after_ms * clock.NS_PER_MS)
    monkeypatch.setattr(time, "time_ns", lambda: 1000 * clock.NS_PER_S + after_ms * clock.NS_PER_MS)
    assert machine.stream._start_by(answered(at_s=1000, after_ms=after_ms)) == 29 * clock.NS_PER_S


@pytest.mark.parametrize("set_by_s", [-86_400, -3, 7, 86_400])
def test_a_wall_clock_that_is_set_between_an_answer_and_its_reading_moves_nothing(machine, monkeypatch, set_by_s):
    """The stamp of an answer is wall-clock time; its age would be wrong by what the clock was set."""
    monkeypatch.setattr(clock, "now_ns", lambda: 30 * clock.NS_PER_S)
    monkeypatch.setattr(time, "time_ns", lambda: (1000 + set_by_s) * clock.NS_PER_S + 2_000_000)
    answer = answered(at_s=1000, after_ms=0)
    before_ns = machine.stream._start.ns
    assert machine.stream._start_by(answer) == before_ns
    monkeypatch.setattr(time, "time_ns", lambda: 1000 * clock.NS_PER_S + 2_000_000)
    assert machine.stream._start_by(answer) == 29 * clock.NS_PER_S - 2_000_000
