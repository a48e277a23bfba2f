"""Room that is kept for the day on which the disk is full."""

from pathlib import Path

import pytest

from causal.broker import ballast as ballast_module
from causal.broker.ballast import Ballast

SIZE_BYTES = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.ballast"


@pytest.fixture
def ballast(path: Path) -> Ballast:
    return Ballast(path, SIZE_BYTES)


def test_the_story_of_a_ballast(ballast, path):
    ballast.lay()
    assert path.stat().st_size == SIZE_BYTES
    assert getattr(path.stat(), "st_blocks", SIZE_BYTES) * 512 >= SIZE_BYTES, "it really takes the room"
    assert not ballast.spent
    assert ballast.spend()
    assert not path.exists()
    assert ballast.spent
    assert not ballast.spend(), "there is only one"
    ballast.lay()
    assert path.stat().st_size == SIZE_BYTES
    assert not ballast.spent


def test_what_lies_there_already_is_left_alone(ballast, path):
    ballast.lay()
    laid = path.stat()
    ballast.lay()
    assert path.stat().st_mtime_ns == laid.st_mtime_ns


def test_what_was_laid_only_in_part_is_laid_anew(ballast, path):
    path.write_bytes(b"x")
    ballast.lay()
    assert path.stat().st_size == SIZE_BYTES


def test_it_is_not_laid_where_room_is_scarce(ballast, path, monkeypatch):
    monkeypatch.setattr(ballast_module, "PLENTY", 1 << 40)
    ballast.lay()
    assert not path.exists()
    assert not ballast.spend()
    assert not ballast.spent


def test_a_folder_that_is_gone_is_no_matter(tmp_path):
    ballast = Ballast(tmp_path / "gone" / "events.ballast", SIZE_BYTES)
    ballast.lay()
    assert not ballast.spend()
    assert not ballast.is_disk_full()
