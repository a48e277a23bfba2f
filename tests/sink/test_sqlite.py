"""The database: what is in it is there once, and others can read it while it is written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from causal.errors import CausalError, ConfigError
from causal.messages import Event, Gap, SessionStatus, TranscriptFinal, TranscriptPartial, Word
from causal.sink.sink import SinkOptions
from causal.sink.sqlite import SqliteSink


def final(seq: int | None, text: str, turn: str | None = None, kind: type[Any] = TranscriptFinal) -> Any:
    return kind(
        session="s",
        source="mic",
        seq=seq,
        turn=turn or str(seq),
        revision=0,
        text=text,
        start_ms=(seq or 0) * 1000,
        end_ms=(seq or 0) * 1000 + 900,
        started_at="2026-01-31T12:00:00.000Z",
        words=tuple(Word(text=word, start_ms=n, end_ms=n + 1, confidence=0.5) for n, word in enumerate(text.split())),
    )


RUNNING = SessionStatus(session="s", seq=1, label="talk", state="running", sources=("mic", "system"))
GAP = Gap(session="s", source="mic", seq=3, start_ms=500, length_ms=1200, reason="moved")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "t.sqlite"


def opened(path: Path) -> tuple[SqliteSink, int | None]:
    sink = SqliteSink(SinkOptions(path.parent, str(path)))
    return sink, sink.open()


def told(sink: SqliteSink, *events: Event) -> None:
    for event in events:
        sink.write(event)
    sink.flush()


def rows(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def test_all_that_was_told_is_in_its_table_and_read_while_it_is_written(path: Path) -> None:
    sink, position = opened(path)
    assert position is None
    told(sink, RUNNING, final(2, "Grüß Gott."), GAP, final(None, "Partial", kind=TranscriptPartial))
    assert rows(path, "SELECT session, label, state, sources FROM sessions") == [
        ("s", "talk", "running", '["mic", "system"]')
    ]
    assert rows(path, "SELECT source, turn, text, start_ms FROM finals") == [("mic", "2", "Grüß Gott.", 2000)]
    assert rows(path, "SELECT number, text, start_ms, end_ms, confidence FROM words ORDER BY number") == [
        (0, "Grüß", 0, 1, 0.5),
        (1, "Gott.", 1, 2, 0.5),
    ]
    assert rows(path, "SELECT source, start_ms, length_ms, reason FROM gaps") == [("mic", 500, 1200, "moved")]
    assert rows(path, "SELECT seq FROM position") == [(3,)]
    sink.close()


def test_it_goes_on_where_it_was(path: Path) -> None:
    first, _ = opened(path)
    told(first, RUNNING, final(2, "One."))
    first.close()
    second, position = opened(path)
    assert position == 2
    told(second, final(3, "Two."))
    second.close()
    assert rows(path, "SELECT text FROM finals ORDER BY id") == [("One.",), ("Two.",)]


def test_what_was_only_collected_is_not_in_the_position(path: Path) -> None:
    killed, _ = opened(path)
    told(killed, final(1, "One."))
    killed.write(final(2, "Two."))
    killed.close()
    assert opened(path)[1] == 1


def test_a_turn_that_is_told_twice_is_stored_once(path: Path) -> None:
    sink, _ = opened(path)
    told(sink, final(1, "One two."), final(7, "One two.", turn="1"), GAP, GAP)
    sink.close()
    assert rows(path, "SELECT count(*) FROM finals") == [(1,)]
    assert rows(path, "SELECT count(*) FROM words") == [(2,)]
    assert rows(path, "SELECT count(*) FROM gaps") == [(1,)]


def test_a_session_that_was_joined_late_has_a_row_which_its_status_fills(path: Path) -> None:
    sink, _ = opened(path)
    told(sink, final(1, "One."))
    assert rows(path, "SELECT session, label, state FROM sessions") == [("s", "", None)]
    told(sink, RUNNING)
    assert rows(path, "SELECT session, label, state FROM sessions") == [("s", "talk", "running")]
    sink.close()


def test_words_are_found_without_case_and_accents(path: Path) -> None:
    sink, _ = opened(path)
    told(sink, final(1, "Café au lait"), final(2, "Tea"))
    assert rows(path, "SELECT text FROM finals_text WHERE finals_text MATCH 'CAFE'") == [("Café au lait",)]
    sink.close()


def test_a_final_that_somebody_deletes_leaves_neither_words_nor_index(path: Path) -> None:
    sink, _ = opened(path)
    told(sink, final(1, "Secret words"))
    sink.close()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM finals")
    assert rows(path, "SELECT count(*) FROM words") == [(0,)]
    assert rows(path, "SELECT count(*) FROM finals_text WHERE finals_text MATCH 'secret'") == [(0,)]


def test_another_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE mine (x)")
    with pytest.raises(ConfigError, match="is another database"):
        opened(path)
    assert rows(path, "SELECT name FROM sqlite_schema") == [("mine",)]


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("Dear diary, this is not a database. " * 50)
    with pytest.raises(ConfigError, match="not a database"):
        opened(path)
    assert path.read_text().startswith("Dear diary")


def test_a_second_sink_is_refused(path: Path) -> None:
    first, _ = opened(path)
    with pytest.raises(ConfigError, match="another sink writes"):
        opened(path)
    first.close()


def test_a_program_that_holds_the_database_is_a_fault_and_nothing_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("causal.sink.sqlite.WAIT_S", 0.05)
    sink, _ = opened(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(CausalError, match="locked"):
            told(sink, final(1, "One."))
        other.execute("ROLLBACK")
    sink.close()
    assert opened(path)[1] is None  # so it is told again


def test_choices_have_databases_of_their_own(tmp_path: Path) -> None:
    for source in (None, "mic"):
        sink = SqliteSink(SinkOptions(tmp_path, source=source))
        sink.open()
        sink.close()
    names = {path.name for path in (tmp_path / "transcripts").iterdir() if path.suffix == ".sqlite"}
    assert names == {"transcript.sqlite", "transcript-mic.sqlite"}


def test_only_this_user_may_read_it(path: Path) -> None:
    sink, _ = opened(path)
    sink.close()
    assert path.stat().st_mode & 0o777 == 0o600
