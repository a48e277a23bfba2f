"""A stream's sound as one FLAC file, made from its journal.

DATA_DIR/recordings/<session>/<source>.flac is 16 kHz mono, 16 bit. Its time is the session's: silence stands where
nothing was heard, so word times of the transcript fit. What a device's clock is fast or slow is left out of a quiet
chunk, or put into it; whatever is louder than the room is kept to the sample. A writer that was killed leaves a file
that plays to about its last second; the next one makes a whole one beside it, from the journal, and puts it in its
place. Where the disk's last room begins, the file waits, and goes on when there is more.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from causal.journal import JournalReader
from causal.journal_record import Recorded, Samples
from causal.messages.audio import CHUNK_RATE_HZ
from causal.messages.control import Fault

from .reserve import Reserve

log = logging.getLogger("causal.resample")

AT_ONCE = 3000
"""Chunks in one step: 5 minutes, about 0.3 s of work. The same thread makes the journals safe, and must get to that."""
LONGEST_SILENCE = CHUNK_RATE_HZ * 60
"""Samples written in one go."""
REST_STEPS = 10
"""After a failure: a full disk is not emptied by trying."""

BLOCK_SIZE_AT = 10
TOTAL_AT = 21
"""Bytes of a FLAC file: the largest block size (16 bits), and the total of samples, whose upper 4 bits share their byte
(RFC 9639, section 8.2)."""


class Recording:
    """Follows a stream's journal with a FLAC file. One thread steps it; others may read `finished` and `fault`."""

    def __init__(self, journal: Path, stream: str, path: Path, reserve: Reserve) -> None:
        """`reserve` is that of the disk with `path`, and for this recording alone."""
        self.path = path
        self.finished = False
        """All that was said is in the file, which is closed. There is none when nothing was said."""
        self.fault: Fault | None = None
        self._reserve = reserve
        self._reader = JournalReader(journal, stream)
        self._take: _Take | None = None
        self._next_index = 0
        self._rest = 0

    def step(self) -> None:
        """Writes what is new; much of it takes several steps. Call it once a second."""
        if self._rest:
            self._rest -= 1
        elif not self.finished:
            with self._failing_softly():
                self._write()

    def close(self) -> None:
        """Writes what is new, and closes the file, which says then how long it is. One that has not come as far as the
        older one is given up: the next writer makes it again."""
        self.step()
        with self._failing_softly():
            if self._take is not None and not self._take.is_in_place:
                self._give_up()
            self._finish()
        self._reader.close()

    def _write(self) -> None:
        stop = self._next_index + AT_ONCE
        has_room = self._add_until(stop)
        if self.finished:
            self._finish()
        elif self._take is not None:
            self._take.show()
            if has_room and self._next_index < stop:
                self._take.put_in_place()
        if not has_room and self.fault is None:
            log.warning("the recording %s waits for room on the disk", self.path)
        self.fault = None if has_room else self._explained("what room is left on this disk is kept for the transcript")

    def _add_until(self, stop: int) -> bool:
        """Adds what is there. False where the disk's last room begins: FLAC needs less than what is asked for."""
        self._reserve.look()
        for recorded in self._reader.read_range(self._next_index, stop):
            if recorded.chunk.valid:
                if not self._reserve.take(2 * recorded.chunk.valid):
                    return False
                self._opened().add(recorded)
            self._next_index += 1
            if recorded.chunk.end:
                self.finished = True
                break
        return True

    def _opened(self) -> _Take:
        if self._take is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._take = _Take(self.path)
        return self._take

    def _finish(self) -> None:
        if self._take is not None:
            self._take.close()
            self._take.put_in_place()
            self._take = None

    def _give_up(self) -> None:
        if self._take is not None:
            self._take.abandon()
            self._take = None

    @contextlib.contextmanager
    def _failing_softly(self) -> Iterator[None]:
        try:
            yield
        except (OSError, AssertionError, soundfile.LibsndfileError) as error:  # soundfile asserts that all was written
            why = getattr(error, "strerror", None) or "only a part of the sound was taken; the disk may be full"
            log.warning("the recording %s: %s", self.path, why)
            self.fault = self._explained(why)
            self._rest = REST_STEPS
            self._next_index = 0
            self.finished = False
            self._give_up()

    def _explained(self, why: str) -> Fault:
        return Fault(
            code="disk-full",
            message=f"the recording {self.path} cannot be written: {why}",
            hint="Make room on this disk. The recording is then made whole, from the journal.",
            retrying=True,
        )


class _Take:
    """One try at the whole file. While an older one is there, this one grows beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = path.with_name(path.name + ".new") if path.exists() else path
        self._file = soundfile.SoundFile(self._own, "w", CHUNK_RATE_HZ, 1, "PCM_16", format="FLAC")
        self._samples = 0

    @property
    def is_in_place(self) -> bool:
        """Whether it stands under its own name."""
        return self._own == self._path

    def add(self, recorded: Recorded) -> None:
        """The chunk's sound at its place on the time line."""
        chunk, samples = recorded
        missing = chunk.position - self._samples
        if chunk.active and (missing < 0 or chunk.segment_chunk):
            missing = 0
        surplus = min(max(0, -missing), chunk.valid)
        while missing > 0:
            part = min(missing, LONGEST_SILENCE)
            self._write(np.zeros(part, np.int16))
            missing -= part
        self._write(samples[surplus : chunk.valid])

    def show(self) -> None:
        """Says in the file's head how much of it can be played by now: many players believe a length of 0."""
        with self._own.open("r+b", buffering=0) as file:
            file.seek(BLOCK_SIZE_AT)
            block = int.from_bytes(file.read(2), "big")
            playable = max(0, self._samples - 1) // block * block
            file.seek(TOTAL_AT)
            upper = file.read(1)[0] & 0xF0
            file.seek(TOTAL_AT)
            file.write((upper << 32 | playable).to_bytes(5, "big"))

    def put_in_place(self) -> None:
        """It has what the older one has, and more."""
        if not self.is_in_place:
            self._own.replace(self._path)
            self._own = self._path

    def close(self) -> None:
        self._file.close()

    def abandon(self) -> None:
        """What was written beside an older one is deleted; otherwise it stays, for it can be played."""
        with contextlib.suppress(OSError, soundfile.LibsndfileError):
            self._file.close()
        if not self.is_in_place:
            self._own.unlink(missing_ok=True)

    def _write(self, samples: Samples) -> None:
        self._file.write(samples)
        self._samples += len(samples)
