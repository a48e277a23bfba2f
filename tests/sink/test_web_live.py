"""What a page is told that is opened in the middle."""

from __future__ import annotations

from typing import Any

from causal.messages import CaptureStatus, SessionStatus, TranscriptFinal, TranscriptPartial, TranscriptVoid
from causal.sink.web_live import PARTIALS_OF_A_STREAM, Live


def words(turn: str, start_ms: int = 0, **fields: Any) -> dict[str, Any]:
    known = {"session": "s", "source": "mic", "turn": turn, "revision": 0, "text": "tea", "start_ms": start_ms}
    return known | {"end_ms": start_ms + 100, "started_at": ""} | fields


def turns(live: Live, session: str = "s") -> list[str]:
    return [partial.turn for partial in live.partials(session)]


def test_a_turn_is_live_until_its_final() -> None:
    live = Live()
    live.on(TranscriptPartial(**words("1")))
    live.on(TranscriptPartial(**words("2", 500)))
    assert turns(live) == ["1", "2"]
    live.on(TranscriptFinal(**words("1")))
    assert turns(live) == ["2"]


def test_a_final_takes_away_what_nobody_took_back_before_it() -> None:
    live = Live()
    live.on(TranscriptPartial(**words("killed")))
    live.on(TranscriptPartial(**words("theirs", source="system")))
    live.on(TranscriptFinal(**words("next", 500)))
    assert turns(live) == ["theirs"]


def test_a_partial_that_was_taken_back_is_gone() -> None:
    live = Live()
    live.on(TranscriptPartial(**words("1")))
    live.on(TranscriptVoid(session="s", source="mic", turn="1"))
    assert turns(live) == []


def test_of_too_many_partials_the_earliest_go() -> None:
    live = Live()
    for n in range(PARTIALS_OF_A_STREAM + 1):
        live.on(TranscriptPartial(**words(str(n), n * 100)))
    assert turns(live) == [str(n) for n in range(1, PARTIALS_OF_A_STREAM + 1)]


def test_a_session_that_has_ended_is_forgotten() -> None:
    live = Live()
    for session in ("s", "other"):
        live.on(TranscriptPartial(**words("1", session=session)))
        live.on(CaptureStatus(session=session, source="mic", device="d", state="capturing", speech="live"))
    live.on(SessionStatus(session="s", label="", state="ended", sources=("mic",)))
    assert turns(live) == []
    assert turns(live, "other") == ["1"]
    assert [status.session for status in live.statuses()] == ["other"]
