"""A lane: the chunks of a stream that one connection transcribes, one after the other.

It knows which chunk goes next, where on the stream's time line the service's milliseconds lie, and which chunks each
final covers. The finals' chunks are tiles: each begins where the one before ended, so whoever takes the lane up again
begins at the last tile's end, and neither repeats nor loses a word. Hence a tile must end in silence, between its last
word and the next one. The service's own edges are too coarse for that (a last word may end 240 ms late, a first one
start a second early), so the seam lies in the first silence of the audio near the last word's end.

Lanes lie side by side too, but their seam may be in the middle of speech. So both are sent with a second of the other,
and a word belongs to the lane that holds its middle.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from causal.messages.audio import CHUNK_RATE_HZ, CHUNK_SAMPLES, Chunk

SAMPLES_PER_MS = CHUNK_RATE_HZ // 1000
CHUNK_MS = CHUNK_SAMPLES // SAMPLES_PER_MS

LATE_END_MS = 250
"""So much too late a last word may be said to end."""
SEARCH_MS = 1000
"""So far behind the last word's end its silence is looked for."""
FLOOR_CHUNKS = 50
"""The noise floor is that of so many chunks before the seam."""
SILENT_LEVEL = 32.0
"""A chunk below -60 dBFS is silent whatever the noise floor (as a root mean square of int16)."""
SILENT_RATIO = 2.0
"""A chunk within 6 dB of the floor is silent."""
OVERLAP_CHUNKS = 10
"""So much of its neighbour is sent with a lane, on either side."""
UNPROVED_MS = 10_000
"""So far behind what the service has processed a mark lies: a turn that is not told yet does not begin before it."""
MARK_CHUNKS = 50
"""A mark covers at least so much: each is a write."""
PAUSE_CHUNKS = 3
"""So many silent chunks are a pause."""
WORD_REACH_MS = 500
"""A word reaches over a gap up to so long."""
KEPT_CHUNKS = 600
"""So many chunks before the coverage's end stay known, for words that are said to start early."""


@dataclass(frozen=True)
class Tile:
    """The chunks that one final, or mark, covers: `from_chunk` up to, and without, `to_chunk`."""

    from_chunk: int
    to_chunk: int


class _Sent:
    """The chunks that went out on this connection, a row each, in 14 bytes. Grows by 0.5 MB an hour of silence."""

    def __init__(self) -> None:
        self.positions = array("q")
        self.valid = array("h")
        self.levels = array("f")

    def __len__(self) -> int:
        return len(self.positions)

    def append(self, position: int, valid: int, level: float) -> None:
        self.positions.append(position)
        self.valid.append(valid)
        self.levels.append(level)

    def drop(self, rows: int) -> None:
        """Forgets the oldest rows."""
        del self.positions[:rows], self.valid[:rows], self.levels[:rows]

    def length(self, row: int) -> int:
        """How much of the stream's time line a chunk has. The next one may begin before its last sample: the device's
        clock is fast, or another device was heard already."""
        follower = self.positions[row + 1] if row + 1 < len(self) else self.positions[row] + CHUNK_SAMPLES
        return min(self.valid[row], follower - self.positions[row])

    def parted(self, row: int) -> bool:
        """Whether there is a gap before a chunk that no word reaches over."""
        return self.positions[row] - self.positions[row - 1] - self.valid[row - 1] > WORD_REACH_MS * SAMPLES_PER_MS

    def end_ms(self, row: int) -> int:
        """Where on the stream's time line a chunk's last heard sample lies."""
        return (self.positions[row] + self.valid[row]) // SAMPLES_PER_MS


class Lane:
    """The state of one lane, on one connection after the other.

    Holds a few numbers for each chunk sent and not yet covered, and for a minute before that.
    """

    def __init__(self, name: str, covered_to: int, *, from_chunk: int = 0, to_chunk: int | None = None) -> None:
        self.name = name
        self.from_chunk = from_chunk
        self.to_chunk = to_chunk
        """The first chunk that is the next lane's; `None`: this is the last lane, and has all that is to come."""
        self.covered_to = covered_to
        """The first chunk that no stored final covers."""
        self.promised_to = covered_to
        """The first chunk that no final covers, stored or on its way."""
        self.next_index = covered_to
        """Which chunk goes next."""
        self.padding_samples = 0
        """Sent, but never heard."""
        self._base = covered_to
        """The index of the chunk in the first row of `_sent`."""
        self._begin = covered_to
        """The chunk that is the connection's zero."""
        self._own = covered_to
        """The first chunk whose words this connection shall tell."""
        self._sent = _Sent()

    def begin_connection(self) -> None:
        """A new connection: its time starts at zero, with the first chunk that no final covers, or a second before it
        where the lane before this one ends."""
        at_seam = self.promised_to == self.from_chunk
        self._own = self.promised_to
        self.next_index = self._base = self._begin = max(0, self._own - OVERLAP_CHUNKS * at_seam)
        self._sent = _Sent()

    @property
    def all_sent(self) -> bool:
        """Whether the lane's end, and a second of the next lane, were sent."""
        return self.to_chunk is not None and self.next_index >= self.to_chunk + OVERLAP_CHUNKS

    @property
    def all_promised(self) -> bool:
        """Whether the lane has an end, and everything before it is covered, stored or on its way."""
        return self.to_chunk is not None and self.promised_to >= self.to_chunk

    def sent(self, chunk: Chunk, samples: npt.NDArray[np.int16]) -> None:
        """The next chunk went out. Raises `ValueError` for any other: the mapping would be wrong for ever."""
        if chunk.index != self.next_index:
            raise ValueError(f"chunk {chunk.index} was sent, expected {self.next_index}")
        self._sent.append(chunk.position, chunk.valid, level(samples[: chunk.valid]))
        self.padding_samples += CHUNK_SAMPLES - chunk.valid
        self.next_index += 1

    @property
    def sent_ms(self) -> int:
        """How much audio this connection was given: its own clock."""
        return (self.next_index - self._begin) * CHUNK_MS

    @property
    def sent_to_ms(self) -> int:
        """Where on the stream's time line the last sent chunk ends; 0 as long as none was sent."""
        return self._sent.end_ms(-1) if self._sent else 0

    def stream_span(self, start_ms: int, end_ms: int, *, begins_turn: bool = False) -> tuple[int, int]:
        """Where on the stream's time line a word lies that the service heard from `start_ms` to `end_ms`.

        A word does not reach over a gap, which may be an hour long; it lies on the side with most of its sound. That is
        the first sound in it, or the last where the word `begins_turn`: such words start too early, and the last ones
        of turns end too late.
        """
        rows = range(self._row(start_ms) + 1, min(self._row(end_ms - 1) + 1, len(self._sent)))
        if gaps := [row for row in rows if self._sent.parted(row)]:
            first, last = self._loud_rows(start_ms, end_ms, early=begins_turn)
            sides = pairwise([rows.start - 1, *gaps, rows.stop])
            begin, end = max(sides, key=lambda side: min(side[1], last + 1) - max(side[0], first))
            start_ms = max(start_ms, self._service_ms(begin))
            end_ms = min(end_ms, self._service_ms(end))
        start_ms = self.stream_ms(start_ms)
        return start_ms, max(start_ms, self.stream_end_ms(end_ms))

    def stream_ms(self, service_ms: int) -> int:
        """Where on the stream's time line a word starts that the service heard at `service_ms`."""
        return self._map(service_ms * SAMPLES_PER_MS, at_end=False)

    def stream_end_ms(self, service_ms: int) -> int:
        """The same for a word's end: at a gap, the end lies before it and the start behind it."""
        return self._map(service_ms * SAMPLES_PER_MS, at_end=True)

    def tile(self, last_word_ms: tuple[int, int] | None) -> Tile:
        """The chunks of a final whose last word starts and ends there in the service's time (`None`: it does not say).
        Moves `promised_to`."""
        start_ms, end_ms = last_word_ms or (0, max(0, self.sent_ms - SEARCH_MS))
        seam = self._seam(min(start_ms, self.sent_ms), min(end_ms, self.sent_ms))
        return self._promise(min(max(seam, self.promised_to + 1), max(self.next_index, self.promised_to)))

    def mark(self, processed_ms: int) -> Tile | None:
        """What may be covered without a final, when the service has processed so much and no turn is open. Moves
        `promised_to`."""
        to_chunk = min(self._begin + (processed_ms - UNPROVED_MS) // CHUNK_MS, self.next_index)
        return self._promise(to_chunk) if to_chunk - self.promised_to >= MARK_CHUNKS else None

    def mark_to(self, to_chunk: int) -> Tile | None:
        """The same up to a chunk that is known to be done with, if it is not covered. Moves `promised_to`."""
        return self._promise(to_chunk) if to_chunk > self.promised_to else None

    def holds(self, start_ms: int, end_ms: int) -> bool:
        """Whether a word belongs to this lane, by its middle; it stands there in the service's time.

        An edge that the service misplaced lies in silence, mostly: only the last loud part of the word counts.
        """
        if start_ms >= (self._own - self._begin) * CHUNK_MS and self.to_chunk is None:
            return True
        start_ms, end_ms = self._loud_part(start_ms, end_ms)
        middle = self._begin + (start_ms + end_ms) // 2 // CHUNK_MS
        return self._own <= middle and (self.to_chunk is None or middle < self.to_chunk)

    @property
    def in_pause(self) -> bool:
        """Whether the last chunks that were sent are silent."""
        return len(self._sent) >= PAUSE_CHUNKS and all(self._silent(len(self._sent) - PAUSE_CHUNKS, len(self._sent)))

    def index_at(self, service_ms: int) -> int:
        """Which chunk has this moment of the service's time."""
        return self._begin + service_ms // CHUNK_MS

    def stored(self, tile: Tile) -> None:
        """The broker has the final. Raises `ValueError` when it is not the next one."""
        if tile.from_chunk != self.covered_to:
            raise ValueError(f"a final from chunk {tile.from_chunk} is stored, but {self.covered_to} is the next")
        self.covered_to = tile.to_chunk
        surplus = min(self.covered_to - KEPT_CHUNKS - self._base, len(self._sent))
        if surplus > KEPT_CHUNKS:  # not each time: an array is cut in one piece
            self._sent.drop(surplus)
            self._base += surplus

    def covered_to_ms(self) -> int | None:
        """Where on the stream's time line the coverage ends; `None` when that chunk was not sent here."""
        row = self.covered_to - 1 - self._base
        return self._sent.end_ms(row) if 0 <= row < len(self._sent) else None

    def _map(self, sample: int, *, at_end: bool) -> int:
        if not self._sent:
            return 0
        before = self._base - self._begin
        row = (sample - (1 if at_end and sample > 0 else 0)) // CHUNK_SAMPLES - before
        row = min(max(row, 0), len(self._sent) - 1)
        offset = sample - (before + row) * CHUNK_SAMPLES
        return round((self._sent.positions[row] + min(max(offset, 0), self._sent.length(row))) / SAMPLES_PER_MS)

    def _seam(self, start_ms: int, end_ms: int) -> int:
        """The chunk in the middle of the silence behind a last word. The search begins inside that word, where it has
        more than a chunk, since its end may be late."""
        low = self._row(max(end_ms - LATE_END_MS, min(start_ms + CHUNK_MS, end_ms)))
        high = self._row(end_ms + SEARCH_MS)
        levels = self._sent.levels[low:high]
        if not levels:
            return self._base + low
        silent = self._silent(low, high)
        if any(silent):
            first = silent.index(True)
            last = next((row for row in range(first, len(silent)) if not silent[row]), len(silent))
            return self._base + low + (first + last) // 2
        near = levels[: max(1, 2 * LATE_END_MS // CHUNK_MS)]  # no silence: the speech was cut, so cut it near there
        return self._base + low + near.index(min(near))

    def _silent(self, low: int, high: int) -> list[bool]:
        """Which of these rows are silent, by the noise floor up to there."""
        floor = min(self._sent.levels[max(0, low - FLOOR_CHUNKS) : high])
        return [value <= max(SILENT_LEVEL, SILENT_RATIO * floor) for value in self._sent.levels[low:high]]

    def _loud_part(self, start_ms: int, end_ms: int) -> tuple[int, int]:
        """The last part of a span without silence; all of it where nothing, or everything, is silent."""
        first, last = self._loud_rows(start_ms, end_ms)
        return max(start_ms, self._service_ms(first)), min(end_ms, self._service_ms(last + 1))

    def _loud_rows(self, start_ms: int, end_ms: int, *, early: bool = True) -> tuple[int, int]:
        """The first and the last row of a span's last part without silence, if its start may be told too `early`; else
        of its first part. All of it where nothing, or everything, is silent."""
        low, high = self._row(start_ms), self._row(end_ms - 1) + 1
        silent = self._silent(low, high) if low < min(high, len(self._sent)) else []
        if all(silent):
            return low, high - 1
        if early:
            last = max(n for n, quiet in enumerate(silent) if not quiet)
            first = next((n + 1 for n in range(last, -1, -1) if silent[n]), 0)
        else:
            first = silent.index(False)
            last = next((n - 1 for n in range(first, len(silent)) if silent[n]), len(silent) - 1)
        return low + first, low + last

    def _service_ms(self, row: int) -> int:
        """Where a row begins in the service's time."""
        return (self._base - self._begin + row) * CHUNK_MS

    def _promise(self, to_chunk: int) -> Tile:
        """The next tile; it does not end behind the lane."""
        end = to_chunk if self.to_chunk is None else min(to_chunk, self.to_chunk)
        tile = Tile(self.promised_to, max(end, self.promised_to))
        self.promised_to = tile.to_chunk
        return tile

    def _row(self, service_ms: int) -> int:
        return min(max(service_ms // CHUNK_MS - (self._base - self._begin), 0), len(self._sent))


def level(samples: npt.NDArray[np.int16]) -> float:
    """How loud samples are: their root mean square."""
    wide = samples.astype(np.float32)
    return math.sqrt(float(np.dot(wide, wide)) / len(wide)) if len(wide) else 0.0
