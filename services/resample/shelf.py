"""A journal that goes on when the disk is full."""

from __future__ import annotations

import contextlib
import errno
import os
from collections import deque
from collections.abc import Callable
from pathlib import Path

from causal.errors import Code
from causal.journal import JournalWriter
from causal.journal_record import RECORD_BYTES, Recorded, Samples, lost
from causal.messages import Chunk
from causal.messages.control import Fault

from .reserve import Reserve

CAPACITY = 3000
"""Chunks: 5 minutes, 10 MB."""
TRY_EVERY_S = 1.0
AT_ONCE = 600
"""Chunks written in one go when there is room again; the live ones must not wait for longer."""
MARK = "held"
NOTE_EVERY = 50
"""The mark is written anew after so many chunks."""
NOTE_BYTES = 20
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Shelf:
    """Writes chunks into a stream's journal; what the disk does not take waits in memory, in order.

    Holds `capacity` chunks. When full, the oldest go and are counted in `dropped`; in the journal they stand as
    nothing heard, so that no index is missing. What waits in memory dies with the process; a file beside the journal
    says so to the next one, and how far they went. One writer, one thread.
    """

    def __init__(
        self, folder: Path, stream: str, sync: Callable[[int], None], reserve: Reserve, capacity: int = CAPACITY
    ) -> None:
        """The shelves of a process share a `reserve`: for them the disk is full where that begins. Raises `OSError`
        when there is a journal, and it cannot be opened."""
        self.capacity = capacity
        self.dropped = 0
        self.fault: Fault | None = None
        """What keeps the disk from taking chunks."""
        self._folder = folder
        self._stream = stream
        self._sync = sync
        self._reserve = reserve
        self._held: deque[Recorded] = deque()
        self._tried_s = 0.0
        self._writer: JournalWriter | None = None
        self._mark = folder / MARK
        self._marked = self._mark.exists()
        self._noted = 0
        """The index behind the newest chunk of which the mark knows."""
        try:
            self._writer = JournalWriter(folder, stream, sync)
        except OSError as error:
            if folder.exists():
                raise
            self.fault = self._explained(error)
        self.outran = self._passed_on() if self._marked else 0
        """Up to so many chunks were passed on by a process that died, and are not in the journal."""

    @property
    def last(self) -> Chunk | None:
        """The newest chunk, written or held."""
        if self._held:
            return self._held[-1].chunk
        return self._writer.last if self._writer else None

    @property
    def depth(self) -> int:
        """Chunks that wait in memory."""
        return len(self._held)

    def keep(self, chunk: Chunk, samples: Samples) -> None:
        """Writes a chunk, or holds it. Indexes that were left out are written as nothing heard."""
        self._held.append(Recorded(chunk, samples))
        if self.fault is None or len(self._held) == 1:
            self._write_held(AT_ONCE)
        if self._held:
            self._set_mark(chunk.index)
        if len(self._held) > self.capacity:
            self._held.popleft()
            self.dropped += 1

    def tick(self, now_s: float) -> None:
        """Writes what waits, if there is room again."""
        if self._writer is not None:
            self._writer.tick(now_s)
        self._reserve.tick(now_s)
        if self._held and (self.fault is None or now_s - self._tried_s >= TRY_EVERY_S):
            self._tried_s = now_s
            self._write_held(AT_ONCE)

    def close(self) -> None:
        """Writes what waits, if there is room; what then is left is lost."""
        self._write_held(len(self._held) + self.dropped, last_words=True)
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_held(self, limit: int, last_words: bool = False) -> None:
        try:
            if self._writer is None:
                self._writer = JournalWriter(self._folder, self._stream, self._sync)
            for _ in range(limit):
                if not self._held:
                    break
                if not self._reserve.take(RECORD_BYTES, last_words):
                    raise OSError(errno.ENOSPC, "what room is left on this disk is kept for the transcript")
                self._write_next(self._writer)
            self.fault = None
            if self._marked and not self._held:
                self._mark.unlink(missing_ok=True)
                self._marked = False
        except OSError as error:
            self.fault = self._explained(error)

    def _set_mark(self, index: int) -> None:
        if self._marked and index < self._noted + NOTE_EVERY:
            return
        with contextlib.suppress(OSError):  # a disk that has no room for a name either
            fd = os.open(self._mark, os.O_WRONLY | os.O_CREAT, 0o600)
            self._marked = True
            try:
                os.write(fd, b"%*d" % (NOTE_BYTES, index + 1))  # over the old one, so it needs no new room
            finally:
                os.close(fd)
        self._noted = index + 1

    def _write_next(self, writer: JournalWriter) -> None:
        oldest = self._held[0]
        if writer.next_index < oldest.chunk.index:
            writer.append(*lost(writer.next_index, oldest.chunk))
        else:
            writer.append(*oldest)
            self._held.popleft()

    def _passed_on(self) -> int:
        try:
            noted = int(self._mark.read_bytes())
        except (OSError, ValueError):  # there was no room for it
            return self.capacity
        return max(0, noted + NOTE_EVERY - (self._writer.next_index if self._writer else 0))

    def _explained(self, error: OSError) -> Fault:
        code: Code = "disk-full" if error.errno in FULL else "internal"
        return Fault(
            code=code,
            message=f"the journal in {self._folder} cannot be written: {error.strerror or error}",
            hint="Make room on this disk, or set CAUSAL_DATA_DIR to another. The last 5 minutes are kept in memory.",
            retrying=True,
        )
