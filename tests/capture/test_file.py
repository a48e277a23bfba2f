import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from causal.capture.file import FileBackend, parse
from causal.errors import SourceError
from causal.testing.waiting import until

RATE_HZ = 8000
S = 1_000_000_000
FORMATS = {
    "wav": {"subtype": "FLOAT"},
    "flac": {"subtype": "PCM_24"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "mp3": {},
}
ROUNDING = {"wav": 0, "flac": 0, "ogg": 0, "mp3": 1e-6}
"""An MP3 decoder rounds the last bits by where a read begins."""


class Listener:
    """Keeps what it hears; `room` says for how many frames there is room."""

    def __init__(self, start_ns: int = 0, room: float = float("inf")) -> None:
        self.origin_ns = 7 * S
        self.start_ns = start_ns
        self.room = room
        self.over = threading.Event()
        self.format: tuple[int, int] | None = None
        self.blocks: list[np.ndarray] = []
        self.stamps_ns: list[int] = []
        self.error: SourceError | None = None

    def on_format(self, rate_hz: int, channels: int) -> None:
        self.format = (rate_hz, channels)

    def on_samples(self, samples: np.ndarray, captured_ns: int) -> None:
        self.room -= len(samples)
        self.blocks.append(samples.copy())
        self.stamps_ns.append(captured_ns)

    def on_end(self) -> None:
        self.over.set()

    def on_lost(self, error: SourceError) -> None:
        self.error = error
        self.over.set()

    def has_room(self, frames: int) -> bool:
        return frames <= self.room

    def run_frames(self) -> int:
        return 0

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.blocks)


def sound_file(folder: Path, kind: str = "wav", seconds: float = 2.0, channels: int = 2) -> Path:
    path = folder / f"sound.{kind}"
    noise = np.random.default_rng(3).normal(0, 0.1, (round(seconds * RATE_HZ), channels))
    soundfile.write(path, noise, RATE_HZ, **FORMATS[kind])
    return path


def played(device_id: str, listener: Listener | None = None) -> Listener:
    listener = listener or Listener()
    stream = FileBackend(50).open(device_id, listener)
    assert listener.over.wait(10)
    stream.close()
    return listener


@pytest.mark.parametrize("kind", FORMATS)
def test_every_sample_of_a_file_is_heard_once(tmp_path, kind):
    path = sound_file(tmp_path, kind)
    heard = played(f"file:{path}?speed=max")
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert heard.error is None
    assert heard.format == (RATE_HZ, 2)
    assert len(whole) == 2 * RATE_HZ
    assert np.allclose(heard.sound, whole, rtol=0, atol=ROUNDING[kind])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_goes_on_where_it_was(tmp_path, kind):
    path = sound_file(tmp_path, kind)
    heard = played(f"file:{path}?speed=max", Listener(start_ns=700_000_000))
    whole, _ = soundfile.read(path, dtype="float32", always_2d=True)
    assert np.allclose(heard.sound, whole[5600:], rtol=0, atol=ROUNDING[kind])
    assert heard.stamps_ns[0] == 7_700_000_000


def test_a_place_after_the_end_is_the_end(tmp_path):
    heard = played(f"file:{sound_file(tmp_path)}?speed=max", Listener(start_ns=99 * S))
    assert heard.blocks == []
    assert heard.error is None


def test_stamps_count_from_the_sessions_start_whatever_the_speed(tmp_path):
    heard = played(f"file:{sound_file(tmp_path)}?speed=max")
    assert heard.stamps_ns == [7 * S + n * 50_000_000 for n in range(40)]


def test_real_time_is_kept(tmp_path):
    path = sound_file(tmp_path, seconds=0.5)
    began_s = time.monotonic()
    played(f"file:{path}")
    assert time.monotonic() - began_s >= 0.5


def test_a_speed_is_kept(tmp_path):
    path = sound_file(tmp_path, seconds=20.0)
    began_s = time.monotonic()
    played(f"file:{path}?speed=40")
    assert 0.5 <= time.monotonic() - began_s < 10.0


def test_a_file_waits_for_room_and_loses_nothing(tmp_path):
    path, listener = sound_file(tmp_path), Listener(room=1000)
    stream = FileBackend(50).open(f"file:{path}?speed=max", listener)
    until(lambda: sum(map(len, listener.blocks)) >= 800)
    assert not listener.over.wait(0.2)
    assert sum(map(len, listener.blocks)) == 800
    listener.room = float("inf")
    assert listener.over.wait(10)
    stream.close()
    assert np.array_equal(listener.sound, soundfile.read(path, dtype="float32", always_2d=True)[0])


def test_closing_a_file_that_waits_ends_it_at_once(tmp_path):
    listener = Listener(room=0)
    stream = FileBackend(50).open(f"file:{sound_file(tmp_path)}?speed=max", listener)
    began_s = time.monotonic()
    stream.close()
    assert time.monotonic() - began_s < 10.0
    assert not listener.over.is_set()


def test_a_missing_file_is_not_found(tmp_path):
    error = played(f"file:{tmp_path}/none.wav").error
    assert error.code == "device-not-found"
    assert "none.wav" in error.message


def test_a_folder_is_no_file(tmp_path):
    assert played(f"file:{tmp_path}").error.code == "device-not-found"


@pytest.mark.parametrize("content", [b"", b"hello, this is text\n" * 50, bytes(5000)])
def test_what_is_no_sound_is_said_to_be_none(tmp_path, content):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    error = played(f"file:{path}").error
    assert error.code == "format-unsupported"
    assert "WAV, FLAC, OGG and MP3" in error.hint


def test_a_file_without_samples_is_said_to_be_empty(tmp_path):
    path = tmp_path / "x.wav"
    soundfile.write(path, np.zeros((0, 1)), RATE_HZ)
    assert "no samples" in played(f"file:{path}").error.message


@pytest.mark.parametrize("kind", ["flac", "mp3"])
def test_a_file_that_is_cut_short_is_heard_so_far_and_then_said_to_be(tmp_path, kind):
    path = sound_file(tmp_path, kind, seconds=5.0)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    heard = played(f"file:{path}?speed=max")
    assert heard.error.code == "format-unsupported"
    assert len(heard.sound) > RATE_HZ


def test_the_path_may_hold_anything(tmp_path):
    path = tmp_path / "what? é=max.wav"
    sound_file(tmp_path).rename(path)
    assert len(played(f"file:{path}?speed=max").sound) == 2 * RATE_HZ


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "", "nan"])
def test_a_speed_that_is_none_is_refused(speed):
    with pytest.raises(SourceError, match="is no speed"):
        parse(f"file:/x.wav?speed={speed}")


def test_a_relative_path_is_refused():
    with pytest.raises(SourceError, match="absolute"):
        parse("file:x.wav")
