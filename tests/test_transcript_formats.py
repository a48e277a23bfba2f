"""What the formats look like, and that other programs can read them."""

from __future__ import annotations

import csv
import html
import io
import json

import pytest
import srt
import webvtt

from causal.messages import Event, Gap, SessionStatus, TranscriptFinal, Word
from causal.transcript import collect
from causal.transcript_formats import CSV_HEADER, FORMATS


def final(start_ms: int, text: str, source: str, speaker: str | None = None) -> TranscriptFinal:
    words = tuple(
        Word(text=word, start_ms=start_ms + 300 * n, end_ms=start_ms + 300 * n + 250, confidence=0.9)
        for n, word in enumerate(text.split())
    )
    return TranscriptFinal(
        session="20260131-120000-abcd",
        source=source,
        seq=start_ms,
        turn=f"{source}-{start_ms}",
        revision=0,
        text=text,
        start_ms=start_ms,
        end_ms=start_ms + 300 * len(words),
        started_at="2026-01-31T12:00:01.000Z",
        words=words,
        speaker=speaker,
        engine="local",
    )


EVENTS: list[Event] = [
    final(62_000, "Me too, “thank you”.", "system", "A"),
    SessionStatus(
        session="20260131-120000-abcd",
        seq=1,
        label="Weekly *talk* --> <b>",
        state="running",
        sources=("mic", "system"),
        started_at="2026-01-31T12:00:00.000Z",
        engine="local",
    ),
    Gap(session="20260131-120000-abcd", source="mic", seq=3, start_ms=10_000, length_ms=3200, reason="device-lost"),
    final(1000, "Good morning & welcome <b>all</b> to this talk --> it is a long one, so we begin at once.", "mic"),
]


def told(kind: str, events: list[Event] = EVENTS) -> str:
    return FORMATS[kind](collect(events))


def test_txt() -> None:
    assert told("txt") == (
        "Session 20260131-120000-abcd\n"
        "Label: Weekly *talk* --> <b>\n"
        "Started: 2026-01-31T12:00:00.000Z\n"
        "Sources: mic, system\n"
        "Heard by: local\n"
        "\n"
        "[00:00:01] mic: Good morning & welcome <b>all</b> to this talk --> it is a long one, so we begin at once.\n"
        "[00:00:10] mic: ~ 3.2 s not heard: device-lost\n"
        "[00:01:02] system A: Me too, “thank you”.\n"
    )


def test_md_takes_no_mark_from_what_was_said() -> None:
    lines = told("md").splitlines()
    assert lines[0] == "# Weekly \\*talk\\* --\\> \\<b\\>"
    assert "- Session: 20260131-120000-abcd" in lines
    assert "**mic** `00:00:10` *3.2 s not heard: device-lost*" in lines
    assert lines[-1] == "**system A** `00:01:02` Me too, “thank you”."
    assert "\\& welcome \\<b\\>all" in told("md")


def test_srt_is_what_a_library_reads() -> None:
    subtitles = list(srt.parse(told("srt"), ignore_errors=False))
    assert [subtitle.index for subtitle in subtitles] == list(range(1, len(subtitles) + 1))
    assert subtitles[0].start.total_seconds() == 1.0
    assert subtitles[0].content.startswith("mic: Good morning & welcome <b>all</b>")
    assert subtitles[-2].content == "mic: [3.2 s not heard: device-lost]"
    assert subtitles[-1].content == "system A: Me too, “thank you”."
    text = " ".join(" ".join(subtitle.content.replace("mic: ", "").split()) for subtitle in subtitles[:-2])
    assert text == "Good morning & welcome <b>all</b> to this talk --> it is a long one, so we begin at once."


def test_vtt_is_what_a_library_reads() -> None:
    captions = list(webvtt.from_string(told("vtt")))
    assert captions[0].start == "00:00:01.000"
    assert [caption.voice for caption in captions][-2:] == ["mic", "system A"]
    assert html.unescape(captions[-1].text) == "Me too, “thank you”."
    text = " ".join(" ".join(html.unescape(caption.text).split()) for caption in captions[:-2])
    assert text == "Good morning & welcome <b>all</b> to this talk --> it is a long one, so we begin at once."
    assert told("vtt").count("-->") == len(captions)


def test_json_has_every_field_of_every_event() -> None:
    fields = json.loads(told("json"))
    assert fields["label"] == "Weekly *talk* --> <b>"
    assert fields["sources"] == ["mic", "system"]
    assert [entry["start_ms"] for entry in fields["finals"]] == [1000, 62_000]
    assert fields["finals"][1]["words"][0] == {"text": "Me", "start_ms": 62_000, "end_ms": 62_250, "confidence": 0.9}
    assert fields["gaps"][0]["reason"] == "device-lost"


def test_csv_is_a_table() -> None:
    header, *rows = list(csv.reader(io.StringIO(told("csv"), newline="")))
    assert tuple(header) == CSV_HEADER
    assert [row[0] for row in rows] == ["final", "gap", "final"]
    assert dict(zip(header, rows[1], strict=True))["end_ms"] == "13200"
    assert dict(zip(header, rows[2], strict=True))["text"] == "Me too, “thank you”."


@pytest.mark.parametrize("kind", FORMATS)
def test_a_session_in_which_nothing_was_said_is_a_file_all_the_same(kind: str) -> None:
    text = told(kind, EVENTS[1:2])
    assert kind == "srt" or text.endswith("\n")
    if kind == "vtt":
        assert list(webvtt.from_string(text)) == []
    assert kind != "srt" or text == ""


@pytest.mark.parametrize("kind", FORMATS)
def test_the_order_of_events_changes_nothing(kind: str) -> None:
    assert told(kind) == told(kind, EVENTS[::-1])
