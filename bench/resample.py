"""What a chunk costs in the resampler, beside what anyone would write: soxr and astype in a loop.

    python bench/resample.py                       # about 1 min; writes bench/results/resample.md

The ways are measured in turn, several times, so that a busy machine is busy for all of them; the ratios count.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import soxr
from numpy.typing import NDArray

from causal import topics, wire
from causal.journal import JournalWriter
from causal.messages import Block
from causal.resample.stream import KeepChunk, Stream

RESULTS = Path(__file__).parent / "results" / "resample.md"
LENGTH_S = 60
ROUNDS = 15
STREAM = "bench/mic"
CASES = [(48000, 1, 20), (48000, 2, 20), (48000, 2, 50), (44100, 2, 50), (96000, 2, 50), (48000, 6, 50), (16000, 1, 50)]
"""Rate in Hz, channels, block in ms."""

Sound = NDArray[np.float32]
Messages = list[tuple[Block, Sound, list[bytes]]]


def plain(messages: Messages) -> int:
    """Mean of the channels, soxr, astype, cut: each block by itself."""
    first = messages[0][0]
    stream = soxr.ResampleStream(first.rate_hz, 16000, 1, "float32", "HQ")
    rest, chunks = np.zeros(0, np.int16), 0
    for _, samples, _ in messages:
        mono = samples.mean(axis=1)
        rest = np.concatenate([rest, (stream.resample_chunk(mono) * 32767).astype(np.int16)])
        while len(rest) >= 1600:
            rest[:1600].tobytes()
            rest, chunks = rest[1600:], chunks + 1
    return chunks


def core(messages: Messages) -> int:
    """The core: order, place, downmix, soxr, one rounding, activity, acknowledgement."""
    stream, chunks = Stream(STREAM, 0, None), 0
    for n, (block, samples, _) in enumerate(messages):
        chunks += len(stream.hear(block, samples.reshape(-1)))
        stream.tell(n * 0.02)
    return chunks


def whole(messages: Messages) -> int:
    """All that the process does between two sockets: unpack, core, journal, pack. ZeroMQ's own cost comes on top."""
    with tempfile.TemporaryDirectory() as folder, JournalWriter(Path(folder), STREAM, sync=lambda _: None) as journal:
        stream, chunks = Stream(STREAM, 0, None), 0
        for n, (_, _, parts) in enumerate(messages):
            block = wire.unpack(parts, Block)
            for action in stream.hear(block, np.frombuffer(parts[3], "<f4")):
                if isinstance(action, KeepChunk):
                    journal.append(action.chunk, action.samples)
                    wire.pack(topics.CHUNK, action.chunk, action.samples)
                    chunks += 1
            if (told := stream.tell(n * 0.02)) is not None:
                wire.pack(topics.next_block(STREAM), told)
        return chunks


WAYS: dict[str, Callable[[Messages], int]] = {"plain": plain, "core": core, "whole": whole}


@click.command()
def main() -> None:
    """Measures all ways for all cases."""
    lines = [
        "# A chunk in the resampler, measured",
        "",
        "    python bench/resample.py",
        "",
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}, soxr {soxr.__version__}; "
        f"load before {os.getloadavg()[0]:.1f}.",
        f"µs of CPU for each 100 ms chunk; the median of {ROUNDS} rounds over {LENGTH_S} s of noise, the ways in turn.",
        "",
        *(f"- *{name}*: {(way.__doc__ or '').splitlines()[0]}" for name, way in WAYS.items()),
        "",
        "| rate Hz | channels | block ms | plain | core | whole | core / plain | whole / plain |",
        "|---|---|---|---|---|---|---|---|",
        *(measured(*case) for case in CASES),
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines))
    click.echo(RESULTS.read_text())


def measured(rate_hz: int, channels: int, block_ms: int) -> str:
    """A line of the table."""
    messages = list(blocks(rate_hz, channels, rate_hz * block_ms // 1000))
    cost_us: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            began_s = time.process_time()
            chunks = way(messages)
            cost_us[name].append((time.process_time() - began_s) * 1e6 / chunks)
    plain_us, core_us, whole_us = (statistics.median(cost_us[name]) for name in WAYS)
    return (
        f"| {rate_hz} | {channels} | {block_ms} | {plain_us:.0f} | {core_us:.0f} | {whole_us:.0f} "
        f"| {core_us / plain_us:.2f} | {whole_us / plain_us:.2f} |"
    )


def blocks(rate_hz: int, channels: int, frames: int) -> Iterator[tuple[Block, Sound, list[bytes]]]:
    """The messages of one stream."""
    sound = (np.random.default_rng(1).standard_normal((rate_hz * LENGTH_S, channels)) * 0.1).astype(np.float32)
    for n in range(len(sound) // frames):
        samples = sound[n * frames : (n + 1) * frames]
        block = Block(
            stream=STREAM,
            epoch=1,
            n=n,
            captured_ns=n * frames * 10**9 // rate_hz,
            rate_hz=rate_hz,
            channels=channels,
            frames=frames,
            segment_frame=n * frames,
        )
        yield block, samples, wire.pack(topics.BLOCK, block, samples.tobytes())


if __name__ == "__main__":
    main()
