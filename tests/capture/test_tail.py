"""What is kept of a pipe, with real pipes."""

import os

import pytest

from causal.capture.tail import KEPT_BYTES, Tail


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb", buffering=0) as end:
        yield Tail(os.fdopen(reading, "rb")), end


@pytest.mark.parametrize(
    ("written", "last"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"caf\xe9", "caf\N{REPLACEMENT CHARACTER}"),
        (b"x" * 1000, "x" * 200),
    ],
)
def test_the_last_line_is_told(pipe, written, last):
    tail, end = pipe
    end.write(written)
    end.close()
    assert tail.last_line() == last


def test_whoever_writes_without_end_never_waits_and_only_the_newest_is_kept(pipe):
    tail, end = pipe
    for n in range(1000):
        rest = memoryview(b"%d " % n + b"-" * 1000 + b"\n")
        while rest:
            rest = rest[end.write(rest) :]
    end.write(b"the end")
    end.close()
    assert tail.last_line() == "the end"
    assert len(tail._kept) == KEPT_BYTES


def test_a_pipe_that_somebody_holds_open_is_not_waited_for(pipe, monkeypatch):
    monkeypatch.setattr("causal.capture.tail.WITHIN_S", 0.01)
    tail, end = pipe
    assert tail.last_line() == ""
    end.write(b"late")
