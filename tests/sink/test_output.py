"""Output to a reader that reads slowly, not at all, or is gone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from causal.messages import QueueDepth
from causal.sink.output import Output, OutputBusy


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        try:
            os.close(fd)
        except OSError:
            continue


def test_what_is_written_arrives_in_order(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1])
    for n in range(100):
        output.write(b"%d\n" % n)
    output.flush()
    assert os.read(pipe[0], 10_000).split() == [b"%d" % n for n in range(100)]


def test_a_reader_that_does_not_read_is_reported_and_blocks_nothing(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1])
    taken = 0
    with pytest.raises(OutputBusy):
        while True:
            output.write(b"%06d" % taken + b"." * 9994)
            taken += 1
    assert taken >= Output.CAPACITY
    with pytest.raises(OutputBusy):
        output.check()
    assert output.queue() == QueueDepth(depth=Output.CAPACITY, capacity=Output.CAPACITY)
    read = b""
    while len(read) < taken * 10_000:
        read += os.read(pipe[0], 1 << 20)
    output.flush()
    output.check()
    assert [int(read[at : at + 6]) for at in range(0, len(read), 10_000)] == list(range(taken))


def test_a_reader_that_is_gone_is_a_broken_pipe_at_the_next_write(pipe: tuple[int, int]) -> None:
    output = Output(pipe[1])
    output.write(b"hello")
    output.flush()
    os.close(pipe[0])
    with pytest.raises(BrokenPipeError):
        output.write(b"anybody?")


def test_a_disk_that_is_full_is_told_at_the_next_write() -> None:
    fd = os.open("/dev/full", os.O_WRONLY)
    output = Output(fd)
    output.write(b"hello")
    output.flush()
    with pytest.raises(OSError, match="No space left"):
        output.write(b"again")
    os.close(fd)
