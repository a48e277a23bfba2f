"""What the page looks back on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from causal.messages import CaptureError, Event, Gap, SessionStatus, TranscriptFinal, Word
from causal.sink.web_history import History, for_page, match_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web" / "history.sqlite"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    history = History(path)
    yield history
    history.close()


def session(seq: int, name: str = "s", **fields: str) -> SessionStatus:
    known = {"label": "", "state": "running", "sources": ("mic",), "started_at": f"2026-01-31T12:00:{seq:02}.000Z"}
    return SessionStatus(session=name, seq=seq, **(known | fields))  # type: ignore[arg-type]


def final(seq: int, text: str, name: str = "s", **fields: object) -> TranscriptFinal:
    word = Word(text=text, start_ms=seq, end_ms=seq, confidence=1.0)
    known = {"turn": str(seq), "revision": 1, "start_ms": seq, "end_ms": seq, "started_at": "", "words": (word,)}
    return TranscriptFinal(session=name, source="mic", seq=seq, text=text, **(known | fields))  # type: ignore[arg-type]


def add(history: History, *events: Event) -> None:
    for event in events:
        history.add(event)


def found(history: History, text: str) -> list[str]:
    return [hit["turn"] for hit in history.search(text)]


def test_a_session_is_told_in_order_without_its_words(history: History) -> None:
    gap = Gap(session="s", source="mic", seq=3, start_ms=0, length_ms=5, reason="overflow")
    error = CaptureError(session="s", source="mic", seq=4, code="internal", message="m", hint="h", retrying=False)
    add(history, session(1), final(2, "tea"), gap, error, final(5, "elsewhere", "other"))
    told = [json.loads(event) for event in history.events("s")]
    assert [(event["type"], event["seq"]) for event in told] == [
        ("transcript-final", 2),
        ("gap", 3),
        ("capture-error", 4),
    ]
    assert "words" not in told[0]


def test_only_what_is_new_is_told(history: History) -> None:
    add(history, final(1, "one"), final(2, "two"))
    assert [json.loads(event)["seq"] for event in history.events("s", after=1)] == [2]
    assert history.events("s", after=2) == []


def test_export_has_all_words(history: History) -> None:
    add(history, final(1, "tea"))
    assert history.full_events("s") == [final(1, "tea")]


def test_it_goes_on_where_it_was(path: Path, history: History) -> None:
    add(history, session(1), final(2, "tea"))
    again = History(path)
    assert (again.seq, again.log) == (2, history.log)
    assert again.events("s") == history.events("s")
    again.close()


def test_another_log_begins_anew(history: History) -> None:
    add(history, session(1), final(2, "old words"))
    former = history.log
    add(history, session(1, "t"), final(2, "new words", "t"))
    assert history.log != former
    assert [row["session"] for row in history.sessions()] == ["t"]
    assert found(history, "words") == ["2"]
    assert history.events("s") == []


def test_sessions_come_newest_first_with_their_last_state_and_first_words(history: History) -> None:
    add(history, session(1, "a"), session(2, "b", label="tea"), final(3, "first", "a"), final(4, "second", "a"))
    add(history, session(5, "a", state="ended", reason="stopped", started_at="2026-01-31T12:00:01.000Z"))
    rows = history.sessions()
    assert [(row["session"], row["state"], row["preview"]) for row in rows] == [
        ("b", "running", ""),
        ("a", "ended", "first"),
    ]
    assert [row["session"] for row in history.sessions(before=rows[0]["started_at"])] == ["a"]
    assert history.session("b") == session(2, "b", label="tea")
    assert history.session("nobody") is None


def test_all_words_have_to_be_there_and_the_newest_comes_first(history: History) -> None:
    add(history, final(1, "green tea"), final(2, "black tea"), final(3, "Tea, again, in green cups"))
    assert found(history, "tea green") == ["3", "1"]
    assert found(history, "coffee") == []


def test_a_word_finds_what_begins_with_it_and_accents_do_not_matter(history: History) -> None:
    add(history, final(1, "Café au lait"), final(2, "Decaffeinated"))
    assert found(history, "caf") == ["1"]


def test_words_in_quotes_follow_each_other(history: History) -> None:
    add(history, final(1, "tea time"), final(2, "time for tea"))
    assert found(history, '"time for"') == ["2"]


def test_what_was_found_is_marked(history: History) -> None:
    add(history, final(1, "a cup of tea"))
    assert history.search("cup")[0]["snippet"] == "a \x02cup\x03 of tea"


@pytest.mark.parametrize("text", ["", "  ", '"', "*", "( ) : ^ -", '"" \' ;', "--"])
def test_a_search_without_words_finds_nothing(history: History, text: str) -> None:
    add(history, final(1, "tea"))
    assert history.search(text) == []


@pytest.mark.parametrize("text", ["tea OR NOT", "NEAR(tea", "text:tea", 'te"a', "tea*", "тea)"])
def test_no_search_is_an_error(history: History, text: str) -> None:
    add(history, final(1, "tea"))
    history.search(text)


def test_operators_are_words_like_others() -> None:
    assert match_of('tea OR "in the" cup') == '"tea"* "OR"* "in the" "cup"*'


def test_a_damaged_file_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this was never a database" * 100)
    history = History(path)
    add(history, final(1, "tea"))
    assert (history.seq, found(history, "tea")) == (1, ["1"])
    history.close()


def test_a_file_of_another_release_is_made_anew(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE events (something TEXT)")
        db.execute("CREATE VIRTUAL TABLE texts USING fts5 (other)")
        db.execute("PRAGMA user_version = 99")
    db.close()
    history = History(path)
    add(history, final(1, "tea"))
    assert found(history, "tea") == ["1"]
    history.close()


def test_without_a_file_it_is_kept_in_memory() -> None:
    history = History(None)
    add(history, final(1, "tea"))
    assert found(history, "tea") == ["1"]
    history.close()


def test_the_page_gets_what_the_jsonl_sink_writes_but_for_the_words() -> None:
    fields = json.loads(for_page(final(1, "tea", speaker="A")))
    assert fields["type"] == "transcript-final"
    assert fields["speaker"] == "A"
    assert "words" not in fields
