"""How long journals are kept: for some hours after the session, and not so long when the disk is full."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from causal.journal import JournalReader
from causal.journal_record import SUFFIX
from causal.messages import StreamName

LAST_WORDS_S = 60.0
"""What has just ended may still be read, for its recording."""


@dataclass(frozen=True)
class _Session:
    folder: Path
    written_s: float
    """Wall clock of the last write."""


def delete_finished(
    root: Path,
    older_than_s: float,
    now_s: float,
    *,
    live: frozenset[str] = frozenset(),
    is_full: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Deletes whole session folders under `root`, oldest first, and returns their names.

    A session goes when nothing was written to it for `older_than_s`; one that has ended goes before its time while
    the disk is full, which `is_full` is asked anew each time. `live` sessions stay. `now_s` is the wall clock.
    """
    sessions = sorted((_look_at(path) for path in _folders(root)), key=lambda session: session.written_s)
    deleted = []
    for session in sessions:
        if session.folder.name in live:
            continue
        age_s = now_s - session.written_s
        if age_s > older_than_s or (age_s > LAST_WORDS_S and _has_ended(session.folder) and is_full()):
            shutil.rmtree(session.folder, ignore_errors=True)
            deleted.append(session.folder.name)
    return deleted


def _folders(path: Path) -> list[Path]:
    return [entry for entry in path.iterdir() if entry.is_dir()] if path.is_dir() else []


def _look_at(folder: Path) -> _Session:
    written_s = [path.stat().st_mtime for path in folder.glob(f"*/*{SUFFIX}")]
    return _Session(folder, max(written_s, default=folder.stat().st_mtime))


def _has_ended(session: Path) -> bool:
    """Whether all its streams have their end mark."""
    return all(_has_end_mark(source) for source in _folders(session))


def _has_end_mark(source: Path) -> bool:
    with JournalReader(source, str(StreamName(source.parent.name, source.name))) as reader:
        newest = reader.read(reader.next_index - 1) if reader.next_index else None
    return newest is not None and newest.chunk.end
