"""The place of a sink: what the next worker of the same parent finds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from causal.sink.place import Place


def test_the_next_worker_of_a_parent_goes_on_where_the_killed_one_was(tmp_path: Path) -> None:
    place = Place(tmp_path, "console", os.getpid())
    assert place.last() is None
    for seq in (0, 9, 10, 123_456, 7):
        place.keep(seq)
        assert Place(tmp_path, "console", os.getpid()).last() == seq


def test_another_parent_or_sink_has_its_own(tmp_path: Path) -> None:
    Place(tmp_path, "console", os.getpid()).keep(5)
    assert Place(tmp_path, "console", os.getppid()).last() is None
    assert Place(tmp_path, "jsonl", os.getpid()).last() is None


def test_a_good_end_leaves_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, "console", os.getpid())
    place.keep(5)
    place.forget()
    assert list(tmp_path.iterdir()) == []


def test_what_a_dead_parent_left_is_cleared_away(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:
        pass
    Place(tmp_path, "console", dead.pid).keep(5)
    Place(tmp_path, "jsonl", os.getpid()).keep(6)
    assert [path.name for path in tmp_path.iterdir()] == [f"sink-jsonl.{os.getpid()}.place"]


def test_a_place_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path / "gone", "console", os.getpid())
    place.keep(5)
    assert place.last() is None
