"""`start --record`: a file that any player plays, whatever happens to who writes it."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from causal.journal import JournalWriter
from causal.messages import Chunk
from causal.resample.recording import REST_STEPS, Recording
from causal.resample.reserve import Reserve, room_of
from causal.testing.small_disk import SmallDisk
from causal.testing.stack import Stack

pytestmark = pytest.mark.live


@pytest.fixture
def stack(procfile: Path) -> Iterator[Stack]:
    with Stack(procfile, ["broker", "control", "capture", "resample", "stt"]) as stack:
        yield stack


def played(path: Path) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16000
    return samples


def length(path: Path) -> int:
    """Samples that can be played; 0 in the file's first moment, when its head is being written."""
    try:
        return len(played(path))
    except (soundfile.LibsndfileError, ValueError):
        return 0


def check(path: Path) -> None:
    """The reference decoder finds nothing wrong. It warns that an unfinished file has no checksum."""
    subprocess.run(["flac", "--silent", "--test", str(path)], check=True)


def test_a_killed_resampler_leaves_a_file_that_plays_and_the_next_makes_it_whole(stack: Stack, samples: Path) -> None:
    talk = samples / "jfk.wav"
    spoken, _ = soundfile.read(talk, dtype="int16")
    started = stack.ctl("start", "--record", f"file:{talk}?speed=4")
    session = started.stdout.strip()
    path = stack.paths.data / "recordings" / session / "file.flac"
    assert f"the sound is kept in {path.parent}" in started.stderr
    stack.until(lambda: length(path) > 16000, what="more than a second on the disk")

    psutil.Process(stack.pid("resample")).kill()
    check(path)
    before = played(path)
    assert np.array_equal(before, spoken[: len(before)])

    stack.until(lambda: length(path) == len(spoken), what="all of it")
    check(path)
    assert np.max(np.abs(played(path).astype(int) - spoken)) <= 1
    assert [entry.name for entry in path.parent.iterdir()] == ["file.flac"]


def test_a_full_disk_is_a_fault_that_passes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(-32768, 32768, (600, 1600), dtype=np.int16)
    with SmallDisk(tmp_path / "disk", 10) as disk:
        if disk.missing:
            pytest.skip(disk.missing)
        path = disk.folder / "s1" / "mic.flac"
        reserve = Reserve(lambda: room_of(path))
        recording = Recording(tmp_path / "journal", "s1/mic", path, reserve)
        with JournalWriter(tmp_path / "journal", "s1/mic") as writer:
            for index, samples in enumerate(noise):
                writer.append(Chunk(stream="s1/mic", index=index, position=1600 * index, captured_ns=0), samples)
                if index == 200:
                    recording.step()
                    disk.fill()
        recording.step()
        assert recording.fault is not None
        assert recording.fault.code == "disk-full"
        before = played(path)
        assert np.array_equal(before, noise.ravel()[: len(before)])
        assert len(before) > 190 * 1600

        disk.make_room()
        for _ in range(REST_STEPS + 1):
            recording.step()
        assert recording.fault is None
        recording.close()
        check(path)
        assert np.array_equal(played(path), noise.ravel())
