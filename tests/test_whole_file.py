"""Files that are written anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from causal.whole_file import create, replace


def test_the_text_is_there_as_it_is_and_for_nobody_else(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    replace(path, "a\r\nb\n")
    assert path.read_bytes() == b"a\r\nb\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_reader_of_the_old_file_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    replace(path, "old")
    with path.open() as reader:
        replace(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_what_cannot_be_put_in_place_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.mkdir()
    with pytest.raises(OSError):
        replace(path, "new")
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert create(path, "first")
    assert not create(path, "second")
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
