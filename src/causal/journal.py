"""The chunk journal: what a stream said, on disk, for whoever missed it. `journal_record` has the layout.

One process writes a stream's journal, any number read it. It outlives `kill -9` of its writer: what was torn is cut
off when it is opened again. It is made for the death of processes, not for power cuts: fsync once a second.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from causal.journal_record import (
    RECORD_BYTES,
    RECORDS_PER_FILE,
    Recorded,
    Samples,
    decode,
    encode,
    file_numbers,
    file_of,
    lost,
    place_of,
)
from causal.messages import Chunk

SYNC_EVERY_S = 1.0


class JournalWriter:
    """Appends a stream's chunks. What is left of a torn record is cut off on opening. One per stream, one thread.

    Raises `OSError` when the disk is full or the folder cannot be written; the journal is then as before.
    """

    def __init__(self, folder: Path, stream: str, sync: Callable[[int], None] = os.fsync) -> None:
        """`sync` gets a descriptor; one that works elsewhere keeps a slow disk from stopping this thread."""
        self._folder = folder
        self._sync = sync
        self._synced_s = 0.0
        self._dirty = False
        self._file: FileIO | None = None
        self._file_number = -1
        folder.mkdir(parents=True, exist_ok=True)
        self.last: Chunk | None = _cut_tail(folder, stream)
        """The newest chunk."""

    @property
    def next_index(self) -> int:
        """The index that the next chunk must have."""
        return self.last.index + 1 if self.last else 0

    def append(self, chunk: Chunk, samples: Samples) -> None:
        """Writes one record, in one call."""
        if chunk.index != self.next_index:
            raise ValueError(f"chunk {chunk.index} of {chunk.stream} does not follow {self.next_index - 1}")
        number, offset = place_of(chunk.index)
        file = self._opened(number)
        size = os.fstat(file.fileno()).st_size
        if size != offset:
            raise OSError(f"{file.name} has {size} bytes instead of {offset}: does another process write it?")
        try:
            written = file.write(encode(chunk, samples))
            if written != RECORD_BYTES:
                raise OSError(errno.ENOSPC, f"only {written} of {RECORD_BYTES} bytes fit into {file.name}")
        except OSError:
            file.truncate(offset)
            raise
        self._dirty = True
        self.last = chunk

    def tick(self, now_s: float) -> None:
        """Makes the written chunks survive a power cut too, once a second."""
        if self._dirty and self._file is not None and now_s - self._synced_s >= SYNC_EVERY_S:
            self._sync(self._file.fileno())
            self._dirty = False
            self._synced_s = now_s

    def close(self) -> None:
        if self._file is not None:
            if self._dirty:
                self._sync(self._file.fileno())
            self._file.close()
            self._file = None
            self._file_number = -1

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, number: int) -> FileIO:
        if self._file is None or number != self._file_number:
            self.close()
            self._file = FileIO(file_of(self._folder, number), "ab")
            self._file_number = number
        return self._file


class JournalReader:
    """Reads a stream's chunks while another process writes them. Keeps one file open; one thread.

    The folder, or the next file, may appear later than the reader.
    """

    def __init__(self, folder: Path, stream: str) -> None:
        self._folder = folder
        self._stream = stream
        self._file: FileIO | None = None
        self._file_number = -1

    @property
    def first_index(self) -> int:
        """The first chunk that was not deleted; 0 for an empty journal."""
        return next(iter(file_numbers(self._folder)), 0) * RECORDS_PER_FILE

    @property
    def next_index(self) -> int:
        """The index behind the newest whole record, damaged or not; 0 for an empty journal."""
        for number in reversed(file_numbers(self._folder)):
            if records := self._records(number):
                return number * RECORDS_PER_FILE + records
        return 0

    def read(self, index: int) -> Recorded | None:
        """Chunk `index`; None when it is not there yet.

        A record that was damaged (a power cut), or deleted, comes as a chunk without valid samples, at its place.
        """
        recorded = self._record(index)
        if recorded is None and index < self.next_index - 1:
            return self._instead_of(index)
        return recorded

    def read_range(self, first: int, stop: int) -> Iterator[Recorded]:
        """The chunks from `first` up to, not including, `stop`; ends early at the first that is not there yet."""
        for index in range(first, stop):
            recorded = self.read(index)
            if recorded is None:
                return
            yield recorded

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._file_number = -1

    def __enter__(self) -> JournalReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self, index: int) -> Recorded | None:
        number, offset = place_of(index)
        if number != self._file_number:
            self.close()
            try:
                self._file = FileIO(file_of(self._folder, number), "rb")
            except FileNotFoundError:
                return None
            self._file_number = number
        assert self._file is not None
        self._file.seek(offset)
        return decode(self._file.read(RECORD_BYTES), index, self._stream)

    def _records(self, number: int) -> int:
        """How many a file has; none when it was just deleted."""
        try:
            return file_of(self._folder, number).stat().st_size // RECORD_BYTES
        except FileNotFoundError:
            return 0

    def _instead_of(self, index: int) -> Recorded | None:
        for number in file_numbers(self._folder):
            first = number * RECORDS_PER_FILE
            for later in range(max(index + 1, first), first + self._records(number)):
                if (recorded := self._record(later)) is not None:
                    return lost(index, recorded.chunk)
        return None


def _cut_tail(folder: Path, stream: str) -> Chunk | None:
    """Cuts off whatever follows the last good record, and returns that one's chunk."""
    for number in reversed(file_numbers(folder)):
        path = file_of(folder, number)
        size = path.stat().st_size
        with path.open("r+b") as file:
            for record in range(size // RECORD_BYTES - 1, -1, -1):
                file.seek(record * RECORD_BYTES)
                found = decode(file.read(RECORD_BYTES), number * RECORDS_PER_FILE + record, stream)
                if found is not None:
                    file.truncate((record + 1) * RECORD_BYTES)
                    return found.chunk
            file.truncate(0)
    return None
