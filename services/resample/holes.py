"""The gaps of a stream, read from its journal: what was told before a restart need not be remembered elsewhere."""

from __future__ import annotations

from causal.journal import JournalReader
from causal.messages import Chunk

from .timeline import SAMPLES_PER_MS, Hole


def holes_before(last: Chunk, reader: JournalReader) -> list[Hole]:
    """The holes between the runs up to the chunk `last`, newest first. Reads two records for each."""
    holes = []
    while (begin := last.index - last.segment_chunk) > 0:
        first, before = reader.read(begin), reader.read(begin - 1)
        if first is None or before is None:
            break
        position, end = first.chunk.position, before.chunk.position + before.chunk.valid
        if (length_ms := (position - end) // SAMPLES_PER_MS) > 0:
            holes.append(Hole(end // SAMPLES_PER_MS, length_ms))
        last = before.chunk
    return holes
