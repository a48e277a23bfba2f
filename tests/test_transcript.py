"""The transcript of a session, from events in whatever order."""

from __future__ import annotations

from causal.messages import Gap, SessionStatus, TranscriptFinal
from causal.transcript import clock_text, collect, not_heard, voice


def final(start_ms: int, text: str = "Hello.", source: str = "mic", **fields: str | int) -> TranscriptFinal:
    return TranscriptFinal(
        **{  # type: ignore[arg-type]
            "session": "s",
            "source": source,
            "turn": f"{source}{start_ms}",
            "revision": 0,
            "text": text,
            "start_ms": start_ms,
            "end_ms": start_ms + 900,
            "started_at": "2026-01-31T12:00:05.000Z",
        }
        | fields
    )


def gap(start_ms: int, seq: int | None = None) -> Gap:
    return Gap(session="s", source="mic", seq=seq, start_ms=start_ms, length_ms=3200, reason="device-lost")


def status(state: str, seq: int) -> SessionStatus:
    return SessionStatus(session="s", seq=seq, label="talk", state=state, sources=("mic", "system"))  # type: ignore[arg-type]


def test_entries_are_in_the_order_of_time_whatever_the_order_of_events() -> None:
    events = [final(9000, seq=1), gap(5000, 2), final(100, seq=3)]
    assert [entry.start_ms for entry in collect(events).entries] == [100, 5000, 9000]
    assert collect(events).session == "s"


def test_a_turn_and_a_gap_that_are_told_twice_are_there_once() -> None:
    found = collect([final(1), final(1), gap(5), gap(5)])
    assert (len(found.finals), len(found.gaps)) == (1, 1)


def test_the_newest_status_counts_even_if_it_comes_first() -> None:
    found = collect([status("ended", 7), status("running", 1)])
    assert found.status is not None
    assert found.status.state == "ended"


def test_a_transcript_that_was_joined_late_knows_its_start_from_its_finals() -> None:
    assert collect([final(5000)]).started_at == "2026-01-31T12:00:00.000Z"
    assert collect([final(5000, started_at="soon")]).started_at == ""


def test_a_final_without_words_is_not_shown() -> None:
    assert collect([final(1, text="")]).entries == []


def test_one_source_without_speakers_has_one_voice() -> None:
    assert collect([final(1), gap(5)]).has_one_voice
    assert not collect([final(1), final(2, source="system")]).has_one_voice
    assert not collect([final(1, speaker="A"), final(2, speaker="B")]).has_one_voice
    assert not collect([status("running", 1), final(2)]).has_one_voice


def test_words_for_people() -> None:
    assert voice(final(1, speaker="A")) == "mic A"
    assert not_heard(gap(1)) == "3.2 s not heard: device-lost"
    assert clock_text(3_723_004) == "01:02:03"
    assert clock_text(3_723_004, ",") == "01:02:03,004"
    assert clock_text(100 * 3_600_000) == "100:00:00"
