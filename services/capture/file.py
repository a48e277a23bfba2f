"""Sound files, played as if they were devices: WAV, FLAC, OGG, MP3, and what else libsndfile reads.

file:<absolute path>               in real time
file:<absolute path>?speed=4       four times as fast
file:<absolute path>?speed=max     as fast as the ring is emptied
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import Device

from .backend import Listener, Samples, Stream

if TYPE_CHECKING:
    import soundfile

ROOM_CHECK_S = 0.01
FORMATS = "WAV, FLAC, OGG and MP3 are read; ffmpeg converts others."


class FileSource(NamedTuple):
    path: Path
    speed: float
    """Infinite for `max`."""


def parse(device_id: str) -> FileSource:
    """What a `file:` id means. Raises `SourceError`."""
    text, mark, speed = device_id.removeprefix("file:").rpartition("?speed=")
    if not mark:
        text, speed = speed, "1"
    try:
        factor = float("inf") if speed == "max" else float(speed)
    except ValueError:
        factor = 0.0
    if not factor > 0:
        raise SourceError("bad-config", f"speed={speed} is no speed", "Give a number above 0, or max.")
    if not Path(text).is_absolute():
        raise SourceError("device-not-found", f"{text!r} is not an absolute path", "Write file:/the/whole/path.")
    return FileSource(Path(text), factor)


class FileBackend:
    """Each stream has a file of its own: its position and its pace belong to one session."""

    live = False

    def __init__(self, block_ms: int = 50) -> None:
        self._block_ms = block_ms

    def devices(self) -> list[Device]:
        """None: files are not listed, they are named."""
        return []

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Plays from `listener.start_ns` on. Raises `SourceError` for an id that is none."""
        return FileStream(parse(device_id), listener, self._block_ms)

    def watch(self, on_change: Callable[[], None]) -> Stream | None:
        return None


class FileStream:
    """A file that is playing on a thread of its own."""

    def __init__(self, source: FileSource, listener: Listener, block_ms: int) -> None:
        self._source = source
        self._listener = listener
        self._block_ms = block_ms
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"file {source.path.name}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            with open_sound(self._source.path) as file:
                self._play(file)
        except SourceError as error:
            self._listener.on_lost(error)

    def _play(self, file: soundfile.SoundFile) -> None:
        rate_hz, channels, listener = file.samplerate, file.channels, self._listener
        frame = min(listener.start_ns * rate_hz // NS_PER_S, file.frames)
        buffer = np.zeros((max(1, rate_hz * self._block_ms // 1000), channels), np.float32)
        listener.on_format(rate_hz, channels)
        began_ns, began_frame = time.monotonic_ns(), frame
        if frame:
            file.seek(frame)
        while frame < file.frames:
            block = _read(file, buffer, self._source.path)
            if not len(block):
                raise _cut_short(self._source.path, frame / rate_hz, file.frames / rate_hz)
            # Like a device: a block comes when its last sample is over. The schedule is absolute, so it never drifts; a
            # sleep of the machine does not count.
            due_ns = began_ns + (frame + len(block) - began_frame) * NS_PER_S / (rate_hz * self._source.speed)
            if not self._wait_until(due_ns) or not self._wait_for_room(len(block)):
                return
            listener.on_samples(block, listener.origin_ns + frame * NS_PER_S // rate_hz)
            frame += len(block)
        listener.on_end()

    def _wait_until(self, due_ns: float) -> bool:
        """False when closing."""
        left_s = (due_ns - time.monotonic_ns()) / NS_PER_S
        return not (self._closing.wait(left_s) if left_s > 0 else self._closing.is_set())

    def _wait_for_room(self, frames: int) -> bool:
        while not self._listener.has_room(frames):
            if self._closing.wait(ROOM_CHECK_S):
                return False
        return True


def open_sound(path: Path) -> soundfile.SoundFile:
    """The file, open. Raises `SourceError` saying whether it is missing, forbidden, or no sound."""
    try:
        import soundfile
    except OSError as error:
        raise SourceError(
            "format-unsupported",
            f"libsndfile cannot be loaded ({error})",
            "Install it: libsndfile1 on Debian and Ubuntu, libsndfile on Fedora and Arch.",
        ) from error
    try:
        with path.open("rb") as probe:
            probe.read(1)
    except PermissionError as error:
        raise SourceError("permission-denied", f"{path} may not be read", "Change its mode or its owner.") from error
    except OSError as error:
        raise SourceError(
            "device-not-found", f"{path} cannot be opened ({error.strerror})", "Check the path."
        ) from error
    try:
        file = soundfile.SoundFile(path)
    except soundfile.SoundFileError as error:
        raise SourceError(
            "format-unsupported", f"{path} is no sound file that can be read ({error})", FORMATS
        ) from error
    if not file.frames:
        file.close()
        raise SourceError("format-unsupported", f"{path} has no samples", "Is it complete?")
    return file


def _read(file: soundfile.SoundFile, buffer: Samples, path: Path) -> Samples:
    import soundfile

    try:
        block: Samples = file.read(out=buffer)
        return block
    except soundfile.SoundFileError as error:
        raise SourceError("format-unsupported", f"{path} is damaged ({error})", "Is it complete?") from error


def _cut_short(path: Path, found_s: float, promised_s: float) -> SourceError:
    return SourceError(
        "format-unsupported",
        f"{path} ends after {found_s:.1f} s, its header promises {promised_s:.1f} s",
        "Is it complete? What was there has been heard.",
    )
