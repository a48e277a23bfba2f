"""The gaps of a stream, read from its journal: what was told before a restart need not be remembered elsewhere."""

from __future__ import annotations

from causal.journal import JournalReader
from causal.messages import Chunk

from .timeline import SAMPLES_PER_MS, Hole


def holes_before(last: Chunk, reader: JournalReader) -> list[Hole]:
    """The holes between the runs up to the chunk `last`, newest first, as far back as the journal goes. Reads two
    records for each, and those in between that stand for chunks that never came."""
    holes = []
    oldest = reader.first_index
    while (begin := last.index - last.segment_chunk) > oldest:
        first, before = reader.read(begin), _heard_before(begin, oldest, reader)
        if first is None or before is None:
            break
        position, end = first.chunk.position, before.position + before.valid
        if (length_ms := (position - end) // SAMPLES_PER_MS) > 0:
            holes.append(Hole(end // SAMPLES_PER_MS, length_ms))
        last = before
    return holes


def _heard_before(index: int, oldest: int, reader: JournalReader) -> Chunk | None:
    """The newest chunk before `index` of which something was heard; the very first, if there is none. Not known where
    it may be one before `oldest`, which is deleted."""
    for earlier in range(index - 1, oldest - 1, -1):
        recorded = reader.read(earlier)
        if recorded is None or recorded.chunk.valid or earlier == 0:
            return recorded.chunk if recorded else None
    return None
