"""What the journal of one stream costs, beside a plain file, and what a recording adds.

    python bench/journal.py                        # some seconds; writes bench/results/journal.md

The ways are measured in turn, several times, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import soundfile

from causal.journal import JournalWriter
from causal.journal_record import Samples
from causal.messages import Chunk
from causal.resample.recording import Recording
from causal.resample.reserve import Reserve, room_of

RESULTS = Path(__file__).parent / "results" / "journal.md"
JFK = Path(__file__).parents[1] / "samples" / "jfk.wav"
STREAM = "bench/mic"
LENGTH_S = 60
ROUNDS = 9
CHUNKS_A_SECOND = 10


def plain(folder: Path, chunks: list[Samples]) -> None:
    """The samples, appended to a file; fsync once a second."""
    with (folder / "plain").open("ab", buffering=0) as file:
        for index, samples in enumerate(chunks):
            file.write(samples.tobytes())
            if index % CHUNKS_A_SECOND == 0:
                os.fsync(file.fileno())


def journal(folder: Path, chunks: list[Samples]) -> None:
    """The journal as the resampler writes it: a checked record for each chunk, fsync once a second."""
    with JournalWriter(folder, STREAM) as writer:
        for index, samples in enumerate(chunks):
            writer.append(_chunk(index), samples)
            writer.tick(index / CHUNKS_A_SECOND)


def recorded(folder: Path, chunks: list[Samples]) -> None:
    """The journal, and the FLAC file that follows it once a second."""
    recording = Recording(folder / "journal", STREAM, folder / "mic.flac", Reserve(lambda: room_of(folder)))
    with JournalWriter(folder / "journal", STREAM) as writer:
        for index, samples in enumerate(chunks):
            writer.append(_chunk(index), samples)
            writer.tick(index / CHUNKS_A_SECOND)
            if index % CHUNKS_A_SECOND == 0:
                recording.step()
    recording.close()


WAYS: dict[str, Callable[[Path, list[Samples]], None]] = {"plain": plain, "journal": journal, "recorded": recorded}


@click.command()
def main() -> None:
    """Measures all ways."""
    speech, _ = soundfile.read(JFK, dtype="int16")
    sound = np.resize(speech, LENGTH_S * 16000)
    chunks = list(sound.reshape(-1, 1600))
    share: dict[str, list[float]] = {name: [] for name in WAYS}
    rate: dict[str, float] = {}
    for _ in range(ROUNDS):
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
                began_s = time.process_time()
                way(Path(folder), chunks)
                share[name].append((time.process_time() - began_s) / LENGTH_S * 100)
                rate[name] = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file()) / LENGTH_S / 1000
    lines = [
        "# The journal of one stream, measured",
        "",
        "    python bench/journal.py",
        "",
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}; load before {os.getloadavg()[0]:.1f}.",
        f"The median of {ROUNDS} rounds over {LENGTH_S} s of speech, the ways in turn.",
        "",
        "| way | % of a core | kB/s | what it is |",
        "|---|---|---|---|",
        *(
            f"| {name} | {statistics.median(share[name]):.2f} | {rate[name]:.1f} | {(way.__doc__ or '').strip()} |"
            for name, way in WAYS.items()
        ),
        "",
    ]
    RESULTS.write_text("\n".join(lines))
    click.echo(RESULTS.read_text())


def _chunk(index: int) -> Chunk:
    return Chunk(stream=STREAM, index=index, position=1600 * index, captured_ns=100_000_000 * index)


if __name__ == "__main__":
    main()
