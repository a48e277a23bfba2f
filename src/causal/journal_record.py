"""How a chunk lies on disk: fixed-size records, so that an index gives file and offset by arithmetic.

folder  DATA_DIR/journal/<session>/<source>/
file    NNNNNN.chunks, 6000 records (10 minutes): chunk `index` is record `index % 6000` of file `index // 6000`
record  header of 48 bytes, little-endian, then 1600 samples (3200 bytes, int16)

header  magic           4 bytes  b"CJ2\\n"
        flags           u16      1 active, 2 end, 4 mid_segment
        valid           u16      samples that were heard
        segment_chunk   u32      chunks of the same unbroken run before this one
        index           u64
        position        i64      where it begins on the session's time line, in samples at 16 kHz
        captured_ns     i64      capture clock at the first sample, with the device's drift taken out
        run_started_ns  i64      capture clock at the run's first sample: names the run
        crc32           u32      of the header up to here, and the samples
"""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from causal.messages import Chunk, StreamName
from causal.messages.audio import CHUNK_RATE_HZ, CHUNK_SAMPLES

Samples = npt.NDArray[np.int16]
"""int16, shape `(1600,)`."""

SUFFIX = ".chunks"
RECORDS_PER_FILE = 6000
SAMPLE_NS = 1_000_000_000 // CHUNK_RATE_HZ

_FIELDS = struct.Struct("<4sHHIQqqq")
_CRC = struct.Struct("<I")
_MAGIC = b"CJ2\n"
_ACTIVE, _END, _MID_SEGMENT = 1, 2, 4

HEADER_BYTES = _FIELDS.size + _CRC.size
RECORD_BYTES = HEADER_BYTES + 2 * CHUNK_SAMPLES

_PART_OF_A_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Recorded(NamedTuple):
    """A chunk and its samples."""

    chunk: Chunk
    samples: Samples


class Place(NamedTuple):
    """Where a record lies: the file's number, and the byte in it."""

    file: int
    offset: int


def folder_of(root: Path, stream: str) -> Path:
    """A stream's folder under `root`. Raises `ValueError` for a name that is no pair of plain words."""
    name = StreamName.parse(stream)
    for part in name:
        if not _PART_OF_A_NAME.fullmatch(part):
            raise ValueError(f"{part!r} cannot be a folder's name: letters, digits, dot, dash, underscore are allowed")
    return root / name.session / name.source


def place_of(index: int) -> Place:
    """The place of chunk `index`."""
    file, record = divmod(index, RECORDS_PER_FILE)
    return Place(file, record * RECORD_BYTES)


def file_of(folder: Path, number: int) -> Path:
    """The file `number` of a stream."""
    return folder / f"{number:06d}{SUFFIX}"


def file_numbers(folder: Path) -> list[int]:
    """The numbers of the files in `folder`, in order; none when there is no folder."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())


def encode(chunk: Chunk, samples: Samples) -> bytes:
    """One record of `RECORD_BYTES`."""
    if samples.shape != (CHUNK_SAMPLES,):
        raise ValueError(f"a chunk has {CHUNK_SAMPLES} samples, this one has the shape {samples.shape}")
    flags = (_ACTIVE if chunk.active else 0) | (_END if chunk.end else 0) | (_MID_SEGMENT if chunk.mid_segment else 0)
    times = (chunk.position, chunk.captured_ns, chunk.run_started_ns)
    fields = _FIELDS.pack(_MAGIC, flags, chunk.valid, chunk.segment_chunk, chunk.index, *times)
    sound = samples.astype("<i2", copy=False).tobytes()
    return b"".join((fields, _CRC.pack(zlib.crc32(sound, zlib.crc32(fields))), sound))


def decode(record: bytes, index: int, stream: str) -> Recorded | None:
    """The chunk `index` of `stream`, if `record` is it, whole and undamaged; else None."""
    if len(record) != RECORD_BYTES:
        return None
    magic, flags, valid, segment_chunk, own_index, *times = _FIELDS.unpack_from(record)
    (crc,) = _CRC.unpack_from(record, _FIELDS.size)
    sound = memoryview(record)[HEADER_BYTES:]
    if magic != _MAGIC or own_index != index or crc != zlib.crc32(sound, zlib.crc32(record[: _FIELDS.size])):
        return None
    position, captured_ns, run_started_ns = times
    chunk = Chunk(
        stream=stream,
        index=index,
        position=position,
        captured_ns=captured_ns,
        valid=valid,
        segment_chunk=segment_chunk,
        run_started_ns=run_started_ns,
        mid_segment=bool(flags & _MID_SEGMENT),
        active=bool(flags & _ACTIVE),
        end=bool(flags & _END),
    )
    return Recorded(chunk, np.frombuffer(sound, "<i2"))


def lost(index: int, following: Chunk) -> Recorded:
    """What stands for chunk `index` when its record is damaged for good: nothing heard, its place reckoned back
    from a later chunk that is whole."""
    missing = following.index - index
    chunk = Chunk(
        stream=following.stream,
        index=index,
        position=following.position - missing * CHUNK_SAMPLES,
        captured_ns=following.captured_ns - missing * CHUNK_SAMPLES * SAMPLE_NS,
        run_started_ns=following.run_started_ns,
        valid=0,
        active=False,
    )
    return Recorded(chunk, np.zeros(CHUNK_SAMPLES, np.int16))
