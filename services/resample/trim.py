"""What is deleted of the journal of a stream that goes on: files of ten minutes that are transcribed. What was lost in
them stays known."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from causal import whole_file
from causal.journal import JournalReader
from causal.journal_record import RECORDS_PER_FILE, file_numbers, file_of
from causal.messages import StreamName

from .holes import holes_before

log = logging.getLogger("causal.resample")

KEPT_CHUNKS = 600
"""So much before the end of what is transcribed may still be read."""
LOST_FILE = "lost_ms"
"""Beside a stream's chunks: the length of the gaps before the first of them, in milliseconds."""


def trim(
    needed_from: Mapping[Path, int],
    older_than_s: float,
    now_s: float,
    *,
    is_full: Callable[[], bool] = lambda: False,
) -> list[Path]:
    """Deletes the oldest files of streams, and returns their paths. What cannot be deleted is logged and left.

    `needed_from` has the folder of each stream, and its first chunk that is not transcribed. A file that lies well
    before that one goes when nothing was written to it for `older_than_s`, or before its time while the disk is full,
    which `is_full` is asked anew each time. `now_s` is the wall clock.
    """
    deleted = []
    left = dict(needed_from)
    while spare := sorted(_oldest_files(left)):
        written_s, path = spare[0]
        if now_s - written_s <= older_than_s and not is_full():
            break
        try:
            _delete(path)
        except OSError as error:
            log.warning("%s cannot be deleted, or its lost sound not be counted: %s", path, error)
            del left[path.parent]
        else:
            deleted.append(path)
    return deleted


def lost_before(folder: Path) -> int:
    """Length of the gaps in what was deleted of a stream's journal, in milliseconds."""
    try:
        return int((folder / LOST_FILE).read_text("ascii"))
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        log.warning("%s cannot be read, so status shows less lost sound than there was: %s", folder / LOST_FILE, error)
        return 0


def _oldest_files(needed_from: Mapping[Path, int]) -> Iterator[tuple[float, Path]]:
    """The first file of each stream where it is not needed, and when it was written. What is transcribed may be ahead
    of the journal, on a full disk; the journal's end stays."""
    for folder, index in needed_from.items():
        with _reader(folder) as reader:
            stop = min(index - KEPT_CHUNKS, reader.next_index - 1)
        number = next(iter(file_numbers(folder)), None)
        if number is not None and (number + 1) * RECORDS_PER_FILE <= stop:
            path = file_of(folder, number)
            yield path.stat().st_mtime, path


def _delete(path: Path) -> None:
    """Deletes the first file of a stream. The sum is written afterwards, for on a full disk there is room only then."""
    folder = path.parent
    lost_ms = lost_before(folder)
    with _reader(folder) as reader:
        following = reader.read((int(path.stem) + 1) * RECORDS_PER_FILE)
        if following is not None:
            lost_ms += sum(hole.length_ms for hole in holes_before(following.chunk, reader))
    path.unlink()
    whole_file.replace(folder / LOST_FILE, f"{lost_ms}")


def _reader(folder: Path) -> JournalReader:
    return JournalReader(folder, str(StreamName(folder.parent.name, folder.name)))
