"""Finding words in the database that the sink `sqlite` writes. Any program may read it while it is written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from causal import wire
from causal.errors import CausalError
from causal.messages import Message
from causal.screen import clean

MARK_BEGIN, MARK_END = "\x02", "\x03"
"""Around what was found, in `Hit.snippet`."""
SNIPPET_WORDS = 24
WAIT_S = 2.0

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

QUERY = f"""
SELECT finals.session, coalesce(sessions.label, '') AS label, finals.source, finals.speaker,
       finals.start_ms, finals.end_ms, finals.started_at, finals.text,
       snippet(finals_text, 0, '{MARK_BEGIN}', '{MARK_END}', '…', {SNIPPET_WORDS}) AS snippet
FROM finals_text
JOIN finals ON finals.id = finals_text.rowid
LEFT JOIN sessions ON sessions.session = finals.session
WHERE finals_text MATCH :words AND finals.started_at >= :since AND (:source IS NULL OR finals.source = :source)
ORDER BY finals.started_at DESC, finals.id DESC
LIMIT :limit
"""


class Hit(Message):
    """A final in which the words were found."""

    session: str
    label: str
    source: str
    speaker: str | None
    start_ms: int
    end_ms: int
    started_at: str
    """UTC, ISO 8601."""
    text: str
    snippet: str
    """The part around the words, which stand between `MARK_BEGIN` and `MARK_END`."""


def default_database(data: Path) -> Path:
    """Where the sink `sqlite` writes unless told otherwise."""
    return data / "transcripts" / "transcript.sqlite"


def search(database: Path, words: str, *, since: str = "", source: str | None = None, limit: int = 50) -> list[Hit]:
    """The finals that have all words, the newest first. `since` is UTC, ISO 8601.

    Raises `CausalError` when there is no such database, or it cannot be read.
    """
    asked = {"words": match_of(words), "since": since, "source": source, "limit": limit}
    if not asked["words"]:
        raise CausalError("bad-request", "there is no word to look for", "Give one or more: causal-ctl search thanks")
    if not database.is_file():
        hint = "Nothing writes it yet. Start this, and leave it running: causal-sink sqlite --from start"
        raise CausalError("no-database", f"there is no database {database}", hint)
    try:
        with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=WAIT_S)) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute(QUERY, asked).fetchall()
    except sqlite3.Error as error:
        text = f"{database} cannot be searched: {error}"
        raise CausalError("no-database", text, "Is it the database of causal-sink sqlite?") from error
    return [wire.convert(dict(row), Hit) for row in rows]


def match_of(words: str) -> str:
    """The words in the language of FTS5: each, or what stands in double quotes, a phrase; `*` at its end stays."""
    phrases = [quoted or plain for quoted, plain in re.findall(r'"([^"]*)"|([^\s"]+)', words)]
    return " ".join(_phrase(phrase) for phrase in phrases if re.search(r"\w", phrase))


def since_of(text: str, now: datetime) -> str:
    """`2h`, `3d`, `2026-01-31` or `2026-01-31T12:00` as UTC, ISO 8601. A time without zone is the computer's.

    Raises `ValueError` for anything else.
    """
    if found := re.fullmatch(r"(\d{1,6})([mhdw])", text):
        moment = now - timedelta(**{UNITS[found[2]]: int(found[1])})
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"{text!r} is no time; expected 2h, 3d, 2026-01-31 or 2026-01-31T12:00") from None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def marked(snippet: str, begin: str, end: str) -> str:
    """The snippet as one line with other marks."""
    marks = {MARK_BEGIN: begin, MARK_END: end}
    parts = re.split(f"([{MARK_BEGIN}{MARK_END}])", snippet)
    return "".join(marks[part] if part in marks else clean(part) for part in parts)


def _phrase(text: str) -> str:
    escaped = text.rstrip("*").replace('"', '""')
    return f'"{escaped}"{"*" if text.endswith("*") else ""}'


def words_of(arguments: Iterable[str]) -> str:
    """What a shell has parted: an argument with spaces in it, among several, was quoted."""
    given = list(arguments)
    if len(given) == 1:
        return given[0]
    return " ".join(f'"{one}"' if re.search(r"\s", one) and '"' not in one else one for one in given)
