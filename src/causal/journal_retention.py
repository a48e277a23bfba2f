"""How long journals are kept: finished sessions for a day, and no more than a day of sound in all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from causal.journal import JournalReader
from causal.journal_record import RECORD_BYTES, SUFFIX
from causal.messages import StreamName

DAY_S = 24 * 3600.0
RECORD_S = 0.1


@dataclass(frozen=True)
class _Session:
    folder: Path
    written_s: float
    """Wall clock of the last write."""
    sound_s: float
    ended: bool
    """All its streams have their end mark."""


def delete_finished(
    root: Path, older_than_s: float, now_s: float, *, keep_s: float = DAY_S, live: frozenset[str] = frozenset()
) -> list[str]:
    """Deletes whole session folders under `root`, oldest first, and returns their names.

    A session goes when nothing was written to it for `older_than_s`, or when it has ended and all journals together
    hold more than `keep_s` seconds of sound. `live` sessions stay. `now_s` is the wall clock.
    """
    sessions = sorted((_look_at(path) for path in _folders(root)), key=lambda session: session.written_s)
    total_s = sum(session.sound_s for session in sessions)
    deleted = []
    for session in sessions:
        if session.folder.name in live:
            continue
        too_much = session.ended and total_s > keep_s
        if too_much or now_s - session.written_s > older_than_s:
            shutil.rmtree(session.folder, ignore_errors=True)
            total_s -= session.sound_s
            deleted.append(session.folder.name)
    return deleted


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def _look_at(folder: Path) -> _Session:
    stats = [path.stat() for path in folder.glob(f"*/*{SUFFIX}")]
    return _Session(
        folder,
        written_s=max((stat.st_mtime for stat in stats), default=folder.stat().st_mtime),
        sound_s=sum(stat.st_size for stat in stats) / RECORD_BYTES * RECORD_S,
        ended=all(_has_ended(source) for source in _folders(folder)),
    )


def _has_ended(source: Path) -> bool:
    with JournalReader(source, str(StreamName(source.parent.name, source.name))) as reader:
        newest = reader.read(reader.next_index - 1) if reader.next_index else None
    return newest is not None and newest.chunk.end
