"""A lane: the chunks of a stream that one connection transcribes, one after the other.

It knows which chunk goes next, where on the stream's time line the service's milliseconds lie, and which chunks each
final covers. The finals' chunks are tiles: each begins where the one before ended, so whoever takes the lane up again
begins at the last tile's end, and neither repeats nor loses a word. Hence a tile must end in silence, between its last
word and the next one. The service's own edges are too coarse for that (a last word may end 240 ms late, a first one
start a second early), so the seam lies in the first silence of the audio near the last word's end.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

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
KEPT_CHUNKS = 600
"""So many chunks before the coverage's end stay known, for words that are said to start early."""


@dataclass(frozen=True)
class Tile:
    """The chunks that one final covers: `from_chunk` up to, and without, `to_chunk`."""

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

    def end_ms(self, row: int) -> int:
        """Where on the stream's time line a chunk's last heard sample lies."""
        return (self.positions[row] + self.valid[row]) // SAMPLES_PER_MS


class Lane:
    """The state of one lane, on one connection after the other.

    Holds a few numbers for each chunk sent and not yet covered, and for a minute before that.
    """

    def __init__(self, name: str, covered_to: int) -> None:
        self.name = name
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
        self._sent = _Sent()

    def begin_connection(self) -> None:
        """A new connection: its time starts at zero, with the first chunk that no final covers."""
        self.next_index = self._base = self._begin = self.promised_to
        self._sent = _Sent()

    def sent(self, chunk: Chunk, samples: npt.NDArray[np.int16]) -> None:
        """The next chunk went out. Raises `ValueError` for any other: the mapping would be wrong for ever."""
        if chunk.index != self.next_index:
            raise ValueError(f"chunk {chunk.index} was sent, expected {self.next_index}")
        self._sent.append(chunk.position, chunk.valid, level(samples))
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
        tile = Tile(self.promised_to, min(max(seam, self.promised_to + 1), max(self.next_index, self.promised_to)))
        self.promised_to = tile.to_chunk
        return tile

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
        return round((self._sent.positions[row] + min(max(offset, 0), self._sent.valid[row])) / SAMPLES_PER_MS)

    def _seam(self, start_ms: int, end_ms: int) -> int:
        """The chunk in the middle of the silence behind a last word. The search begins inside that word, where it has
        more than a chunk, since its end may be late."""
        low = self._row(max(end_ms - LATE_END_MS, min(start_ms + CHUNK_MS, end_ms)))
        high = self._row(end_ms + SEARCH_MS)
        levels = self._sent.levels[low:high]
        if not levels:
            return self._base + low
        floor = min(self._sent.levels[max(0, low - FLOOR_CHUNKS) : high])
        silent = [value <= max(SILENT_LEVEL, SILENT_RATIO * floor) for value in levels]
        if any(silent):
            first = silent.index(True)
            last = next((row for row in range(first, len(silent)) if not silent[row]), len(silent))
            return self._base + low + (first + last) // 2
        near = levels[: max(1, 2 * LATE_END_MS // CHUNK_MS)]  # no silence: the speech was cut, so cut it near there
        return self._base + low + near.index(min(near))

    def _row(self, service_ms: int) -> int:
        return min(max(service_ms // CHUNK_MS - (self._base - self._begin), 0), len(self._sent))


def level(samples: npt.NDArray[np.int16]) -> float:
    """How loud a chunk is: the root mean square."""
    wide = samples.astype(np.float32)
    return float(np.sqrt(np.mean(wide * wide))) if len(wide) else 0.0
