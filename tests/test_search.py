"""Finding words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from causal.errors import CausalError
from causal.messages import SessionStatus, TranscriptFinal
from causal.search import MARK_BEGIN, MARK_END, default_database, marked, match_of, search, since_of, words_of
from causal.sink.sink import SinkOptions
from causal.sink.sqlite import SqliteSink


@pytest.fixture
def database(tmp_path: Path) -> Path:
    sink = SqliteSink(SinkOptions(tmp_path))
    sink.open()
    sink.write(SessionStatus(session="a", seq=1, label="talk", state="running", sources=("mic",)))
    texts = ["Thank you all for coming.", "I don't know.", "You know what? Thanks."]
    for n, text in enumerate(texts):
        sink.write(
            TranscriptFinal(
                session="ab"[n // 2],
                source=("mic", "system")[n % 2],
                seq=n + 2,
                turn=str(n),
                revision=0,
                text=text,
                start_ms=n * 1000,
                end_ms=n * 1000 + 900,
                started_at=f"2026-01-3{n % 2}T12:00:0{n}.000Z",
            )
        )
    sink.flush()
    sink.close()
    return default_database(tmp_path)


def found(database: Path, words: str, **more: str) -> list[str]:
    return [hit.text for hit in search(database, words, **more)]  # type: ignore[arg-type]


def test_all_words_have_to_be_there_in_any_order(database: Path) -> None:
    assert found(database, "all THANK") == ["Thank you all for coming."]
    assert found(database, "thank know") == []


def test_the_newest_comes_first(database: Path) -> None:
    assert found(database, "know") == ["I don't know.", "You know what? Thanks."]


def test_quoted_words_have_to_be_in_this_order(database: Path) -> None:
    assert found(database, '"you know"') == ["You know what? Thanks."]
    assert found(database, '"know you"') == []


def test_a_star_stands_for_any_ending(database: Path) -> None:
    assert len(found(database, "thank*")) == 2


@pytest.mark.parametrize("words", ["don't", "know)", '"', "NEAR(", "text:x AND", "a OR", "-know", "*"])
def test_nothing_a_person_types_is_an_error_of_the_database(database: Path, words: str) -> None:
    try:
        found(database, words)
    except CausalError as error:
        assert error.message == "there is no word to look for"


def test_source_and_time_narrow_it(database: Path) -> None:
    assert found(database, "know", source="mic") == ["You know what? Thanks."]
    assert found(database, "know", since="2026-01-31") == ["I don't know."]


def test_a_hit_says_where_and_marks_the_words(database: Path) -> None:
    (hit,) = search(database, "thank all")
    assert (hit.session, hit.label, hit.source, hit.start_ms) == ("a", "talk", "mic", 0)
    assert marked(hit.snippet, "[", "]") == "[Thank] you [all] for coming."
    assert search(database, "what")[0].label == ""


def test_marks_do_not_let_control_characters_through() -> None:
    assert marked(f"a\x1b {MARK_BEGIN}b{MARK_END}", "<", ">") == "a  <b>"


def test_a_missing_database_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(CausalError) as caught:
        search(tmp_path / "none.sqlite", "word")
    assert "none.sqlite" in caught.value.message
    assert caught.value.hint.endswith("Start this, and leave it running: causal-sink sqlite --from start")


def test_another_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database" * 100)
    with pytest.raises(CausalError, match="cannot be searched"):
        search(tmp_path / "x", "word")


def test_times_that_a_person_gives() -> None:
    now = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
    assert since_of("2h", now) == "2026-01-31T10:00:00.000Z"
    assert since_of("3d", now) == "2026-01-28T12:00:00.000Z"
    assert since_of("2026-01-30T12:00+02:00", now) == "2026-01-30T10:00:00.000Z"
    assert since_of("2026-01-30", now) == since_of("2026-01-30T00:00", now)
    with pytest.raises(ValueError, match="is no time"):
        since_of("yesterday", now)


def test_what_a_shell_has_parted() -> None:
    assert words_of(["thank you"]) == "thank you"
    assert words_of(["thank you", "all"]) == '"thank you" all'
    assert match_of('say "thank you" al*') == '"say" "thank you" "al"*'
