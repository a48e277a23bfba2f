"""A FLAC file that follows a journal, and can be played at any moment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from causal.journal import JournalWriter
from causal.journal_record import Samples
from causal.messages import Chunk
from causal.resample.recording import AT_ONCE, REST_STEPS, Recording
from causal.resample.reserve import RESERVE_BYTES, Reserve, Room

STREAM = "s1/mic"
BLOCK = 4096
"""Samples that libFLAC codes together."""


def sound(index: int) -> Samples:
    return np.random.default_rng(index).integers(-3000, 3000, 1600, dtype=np.int16)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal" / "s1" / "mic"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "recordings" / "s1" / "mic.flac"


def say(journal: Path, count: int, later: int = 0, end: bool = False, valid: int = 1600) -> None:
    """Appends `count` chunks, `later` samples behind where they would follow; the last has `valid` samples."""
    with JournalWriter(journal, STREAM) as writer:
        position = writer.last.position + writer.last.valid if writer.last else 0
        position += later
        for number in range(count):
            index, heard = writer.next_index, valid if number == count - 1 else 1600
            chunk = Chunk(stream=STREAM, index=index, position=position, captured_ns=0, valid=heard)
            writer.append(chunk, sound(index))
            position += heard
        if end:
            chunk = Chunk(
                stream=STREAM,
                index=writer.next_index,
                position=position,
                captured_ns=0,
                valid=0,
                end=True,
                active=False,
            )
            writer.append(chunk, np.zeros(1600, np.int16))


class LargeDisk:
    """What is free on a large disk; it is told, not measured."""

    def __init__(self, free_bytes: int = 1 << 30) -> None:
        self.free_bytes = free_bytes

    def __call__(self) -> Room:
        return Room(1 << 40, self.free_bytes)


def opened(journal: Path, path: Path, look: LargeDisk | None = None) -> Recording:
    return Recording(journal, STREAM, path, Reserve(look or LargeDisk()))


def played(path: Path) -> Samples:
    samples, rate_hz = soundfile.read(path, dtype="int16")
    assert rate_hz == 16000
    return samples


def said(count: int) -> Samples:
    return np.concatenate([sound(index) for index in range(count)])


def test_the_file_is_the_journal_to_the_sample(journal, path):
    say(journal, 25, end=True)
    recording = opened(journal, path)
    recording.step()
    assert recording.finished
    assert np.array_equal(played(path), said(25))


def test_it_can_be_played_while_it_grows(journal, path):
    recording = opened(journal, path)
    for seconds in range(1, 4):
        say(journal, 10)
        recording.step()
        heard = played(path)
        assert len(heard) >= seconds * 16000 - BLOCK
        assert np.array_equal(heard, said(10 * seconds)[: len(heard)])
    assert not recording.finished


def test_nothing_but_silence_stands_where_nothing_was_heard(journal, path):
    say(journal, 3, later=800, valid=700)
    say(journal, 2, later=2_000_000, end=True)
    opened(journal, path).step()
    first = [np.zeros(800, np.int16), sound(0), sound(1), sound(2)[:700]]
    assert np.array_equal(played(path), np.concatenate([*first, np.zeros(2_000_000, np.int16), sound(3), sound(4)]))


@pytest.mark.parametrize("step", [16, -16])
def test_drift_is_taken_out_in_quiet_chunks_and_what_is_said_is_kept_to_the_sample(journal, path, step):
    """Ten chunks, each 1 ms later or earlier than it would follow; the sixth is quiet, and so is the last."""
    with JournalWriter(journal, STREAM) as writer:
        for index in range(10):
            quiet, position = index in (5, 9), index * (1600 + step)
            chunk = Chunk(
                stream=STREAM, index=index, position=position, captured_ns=0, segment_chunk=index, active=not quiet
            )
            writer.append(chunk, sound(index))
    opened(journal, path).close()
    heard, off = played(path), 5 * step
    assert np.array_equal(heard[: 5 * 1600], said(5))
    assert np.array_equal(heard[off + 6 * 1600 : off + 9 * 1600], np.concatenate([sound(6), sound(7), sound(8)]))
    assert len(heard) == 9 * (1600 + step) + 1600


def test_a_closed_one_has_all_that_was_said(journal, path):
    say(journal, 7)
    recording = opened(journal, path)
    recording.close()
    assert np.array_equal(played(path), said(7))
    assert not recording.finished


def test_the_next_writer_makes_it_whole_and_leaves_the_old_one_until_then(journal, path):
    say(journal, AT_ONCE + 5)
    first = opened(journal, path)
    first.step()
    before = played(path)
    assert len(before) >= AT_ONCE * 1600 - BLOCK

    second = opened(journal, path)
    second.step()
    assert np.array_equal(played(path), before), "the new one has not caught up yet"
    second.step()
    assert len(played(path)) > len(before)
    say(journal, 0, end=True)
    second.step()
    assert np.array_equal(played(path), said(AT_ONCE + 5))
    assert [entry.name for entry in path.parent.iterdir()] == ["mic.flac"]


def test_a_writer_that_ends_before_it_has_caught_up_leaves_the_longer_one(journal, path):
    say(journal, 2 * AT_ONCE + 5)
    first = opened(journal, path)
    for _ in range(3):
        first.step()
    before = played(path)

    second = opened(journal, path)
    second.close()
    assert np.array_equal(played(path), before)
    assert [entry.name for entry in path.parent.iterdir()] == ["mic.flac"]


def test_a_stream_without_a_sound_leaves_no_file(journal, path):
    recording = opened(journal, path)
    recording.step()
    say(journal, 0, end=True)
    recording.step()
    assert recording.finished
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_a_fault_that_passes(journal, path):
    say(journal, 5)
    path.parent.parent.mkdir()
    path.parent.write_text("a file where the folder should be")
    recording = opened(journal, path)
    recording.step()
    assert recording.fault is not None
    assert str(path) in recording.fault.message

    path.parent.unlink()
    for _ in range(REST_STEPS):
        recording.step()
        assert recording.fault is not None, "it rests"
    recording.step()
    assert recording.fault is None
    recording.close()
    assert np.array_equal(played(path), said(5))


def test_the_last_room_on_a_disk_is_not_for_sound_and_the_file_goes_on_from_there(journal, path):
    large = LargeDisk(RESERVE_BYTES + 32_000)
    recording = opened(journal, path, large)
    say(journal, 25)
    recording.step()
    assert recording.fault is not None
    assert recording.fault.code == "disk-full"
    assert "kept for the transcript" in recording.fault.message

    large.free_bytes = RESERVE_BYTES
    say(journal, 5, end=True)
    recording.step()
    assert not recording.finished
    heard = played(path)
    assert len(heard) >= 10 * 1600 - BLOCK
    assert np.array_equal(heard, said(30)[: len(heard)])
    written = path.stat().st_ino

    large.free_bytes = 1 << 30
    recording.step()
    assert (recording.finished, recording.fault) == (True, None)
    assert np.array_equal(played(path), said(30))
    assert path.stat().st_ino == written, "it was not made again"


def test_a_file_that_is_made_again_keeps_what_it_has_while_the_disk_is_full(journal, path):
    say(journal, 20)
    opened(journal, path).close()
    large = LargeDisk(RESERVE_BYTES + 32_000)
    second = opened(journal, path, large)
    second.step()
    assert second.fault is not None
    assert np.array_equal(played(path), said(20))

    large.free_bytes = RESERVE_BYTES + 32_000
    second.step()
    assert second.fault is None, "the other half fits"
    second.close()
    assert np.array_equal(played(path), said(20))
