"""Events as people read them."""

from __future__ import annotations

import os
from datetime import UTC

import pytest

from causal.messages import (
    CaptureError,
    CaptureStatus,
    Event,
    Gap,
    SessionStatus,
    TranscriptFinal,
    TranscriptPartial,
    TranscriptVoid,
)
from causal.rendering import Renderer, View, view_for


def started(session: str = "s-1a", label: str = "", sources: tuple[str, ...] = ("mic",)) -> SessionStatus:
    return SessionStatus(
        session=session,
        label=label,
        state="running",
        sources=sources,
        started_at="2026-01-31T12:00:00.000Z",
        engine="local",
    )


def ended(session: str = "s-1a", reason: str = "stopped") -> SessionStatus:
    return SessionStatus(session=session, label="", state="ended", sources=("mic",), reason=reason)


def said(
    kind: type[TranscriptPartial | TranscriptFinal],
    text: str,
    turn: str = "1",
    *,
    source: str = "mic",
    session: str = "s-1a",
    at_s: int = 1,
    speaker: str | None = None,
) -> Event:
    return kind(
        session=session,
        source=source,
        turn=turn,
        revision=0,
        text=text,
        start_ms=at_s * 1000,
        end_ms=at_s * 1000 + 500,
        started_at=f"2026-01-31T12:{at_s // 60:02}:{at_s % 60:02}.000Z",
        speaker=speaker,
    )


@pytest.fixture
def renderer() -> Renderer:
    return Renderer(colour=False, zone=UTC)


def told(renderer: Renderer, *events: Event) -> list[str]:
    return [line for event in events for line in renderer.lines(event)]


def test_a_session_reads_from_top_to_bottom(renderer: Renderer) -> None:
    assert told(
        renderer,
        started(label="stand-up", sources=("mic", "system")),
        said(TranscriptFinal, "Good morning."),
        said(TranscriptFinal, "Morning.", source="system", at_s=2, speaker="A"),
        Gap(session="s-1a", source="mic", start_ms=3000, length_ms=1250, reason="device-lost"),
        ended(),
    ) == [
        '12:00:00 --      session s-1a "stand-up" listens to mic, system, heard by local',
        "12:00:01 mic     Good morning.",
        "12:00:02 system  A: Morning.",
        "12:00:03 mic     ~ 1.2 s were not heard: device-lost",
        "         --      session s-1a has ended: stopped",
    ]


def test_an_error_has_its_hint_and_whether_it_is_tried_again(renderer: Renderer) -> None:
    error = CaptureError(
        session="s-1a",
        source="mic",
        code="device-lost",
        message="the microphone is gone",
        hint="Plug it in again.",
        retrying=True,
    )
    assert told(renderer, error) == [
        "         mic  ! device-lost: the microphone is gone. Plug it in again. (trying again)"
    ]


def test_a_final_that_comes_long_after_newer_ones_is_told_as_late(renderer: Renderer) -> None:
    lines = told(renderer, said(TranscriptFinal, "new", "2", at_s=60), said(TranscriptFinal, "old", "1", at_s=5))
    assert lines == ["12:01:00 mic  new", "12:00:05 mic  (late) old"]


def test_a_final_that_comes_twice_is_told_once(renderer: Renderer) -> None:
    assert len(told(renderer, said(TranscriptFinal, "once"), said(TranscriptFinal, "once"))) == 1


def test_a_final_without_words_leaves_no_line(renderer: Renderer) -> None:
    assert told(renderer, said(TranscriptFinal, "")) == []


def test_with_several_sessions_running_a_line_says_whose_it_is(renderer: Renderer) -> None:
    lines = told(
        renderer,
        started("s-1a", "talk"),
        started("s-2b"),
        said(TranscriptFinal, "one", session="s-1a"),
        said(TranscriptFinal, "two", session="s-2b"),
        ended("s-1a"),
        said(TranscriptFinal, "three", "2", session="s-2b"),
    )
    assert lines[2:4] == ["12:00:01 mic@talk  one", "12:00:01 mic@2b    two"]
    assert lines[5].split() == ["12:00:01", "mic", "three"]


def test_each_source_has_its_own_changing_line(renderer: Renderer) -> None:
    told(
        renderer,
        said(TranscriptPartial, "so I"),
        said(TranscriptPartial, "what do", source="system"),
        said(TranscriptPartial, "so I said"),
    )
    assert renderer.bottom(40) == ["mic     so I said", "system  what do"]


def test_a_partial_ends_with_its_final_or_when_it_is_taken_back(renderer: Renderer) -> None:
    told(renderer, said(TranscriptPartial, "so"), said(TranscriptFinal, "So."))
    assert renderer.bottom(40) == []
    told(renderer, said(TranscriptPartial, "and", "2", at_s=2))
    told(renderer, TranscriptVoid(session="s-1a", source="mic", turn="2"))
    assert renderer.bottom(40) == []


def test_a_partial_that_nobody_took_back_goes_with_the_next_final(renderer: Renderer) -> None:
    told(renderer, said(TranscriptPartial, "lost", "1", at_s=1), said(TranscriptFinal, "Found.", "2", at_s=4))
    assert renderer.bottom(40) == []


def test_the_newest_of_two_partials_of_a_source_is_shown(renderer: Renderer) -> None:
    told(renderer, said(TranscriptPartial, "live", "2", at_s=60), said(TranscriptPartial, "backlog", "1", at_s=5))
    assert renderer.bottom(40) == ["mic  live"]


def test_of_a_long_partial_the_end_is_shown_in_one_row(renderer: Renderer) -> None:
    told(renderer, said(TranscriptPartial, "it goes on and on"))
    assert renderer.bottom(16) == ["mic  …on and on"]


def test_trouble_of_a_source_is_shown_until_it_is_over(renderer: Renderer) -> None:
    def status(state: str, speech: str = "live") -> CaptureStatus:
        return CaptureStatus(session="s-1a", source="mic", device="d", state=state, speech=speech)

    told(renderer, status("muted"))
    assert renderer.bottom(40) == ["mic  (muted)"]
    told(renderer, status("capturing", "reconnecting"))
    assert renderer.bottom(60) == ["mic  (connecting again; what is said is kept)"]
    told(renderer, status("capturing"))
    assert renderer.bottom(40) == []


def test_a_short_gap_is_told_in_milliseconds(renderer: Renderer) -> None:
    gaps = (Gap(session="s-1a", source="mic", start_ms=0, length_ms=ms, reason="device-lost") for ms in (54, 2140))
    assert [line.split("~ ")[1] for line in told(renderer, *gaps)] == [
        "54 ms were not heard: device-lost",
        "2.1 s were not heard: device-lost",
    ]


def test_advice_on_a_source_is_a_line_once_and_another_when_it_is_over(renderer: Renderer) -> None:
    def status(state: str, hint: str = "") -> CaptureStatus:
        return CaptureStatus(session="s-1a", source="mic", device="d", state=state, speech="live", hint=hint)

    muted = status("muted", "Mic is muted: pactl set-source-mute mic 0")
    assert told(renderer, status("capturing"), muted, muted, status("capturing"), status("capturing")) == [
        "         mic  ~ muted: Mic is muted: pactl set-source-mute mic 0",
        "         mic  ~ capturing",
    ]
    assert told(renderer, muted, status("failed"))[1:] == []


def test_an_ended_session_leaves_nothing_at_the_bottom(renderer: Renderer) -> None:
    told(renderer, started(), said(TranscriptPartial, "so"), ended())
    assert renderer.bottom(40) == []


def test_words_cannot_steer_the_terminal(renderer: Renderer) -> None:
    told(renderer, said(TranscriptPartial, "a\x1b[2Jb", "2"))
    assert "\x1b" not in renderer.bottom(40)[0]
    assert "\x1b" not in told(renderer, said(TranscriptFinal, "a\x1b[2J\nb"))[0]


def test_colours_mark_the_source_and_only_where_wanted() -> None:
    line = Renderer(colour=True, zone=UTC).lines(said(TranscriptFinal, "hi"))[0]
    assert line == "\x1b[2m12:00:01\x1b[0m \x1b[36mmic\x1b[0m  hi"


def test_a_pipe_gets_whole_lines_only(renderer: Renderer) -> None:
    view = View(renderer, None)
    assert view.on(said(TranscriptPartial, "so")) == ""
    assert view.on(said(TranscriptFinal, "So.")) == "12:00:01 mic  So.\n"
    assert view.say("bye") == "bye\n"
    assert view.end() == ""


def test_a_terminal_gets_what_changes_too(renderer: Renderer) -> None:
    view = View(renderer, lambda: 40)
    assert view.on(said(TranscriptPartial, "so")).endswith("mic  so\x1b[K")
    assert "12:00:01 mic  So.\n" in view.on(said(TranscriptFinal, "So."))
    view.on(said(TranscriptPartial, "and", "2", at_s=2))
    assert view.end() == "\r\x1b[J"


@pytest.mark.parametrize(
    ("environ", "colour", "in_place"),
    [
        ({"TERM": "xterm"}, True, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, True),
        ({"TERM": "dumb"}, False, False),
    ],
)
def test_what_a_terminal_can_do_is_asked_of_its_environment(
    environ: dict[str, str], colour: bool, in_place: bool
) -> None:
    reader, writer = pytest.importorskip("pty").openpty()
    try:
        view = view_for(writer, environ)
        text = view.on(said(TranscriptPartial, "so"))
        assert (("\x1b[36m" in text), bool(text)) == (colour, in_place)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_pipe_has_no_colour() -> None:
    reader, writer = os.pipe()
    try:
        assert "\x1b" not in view_for(writer, {"TERM": "xterm"}).on(said(TranscriptFinal, "So."))
    finally:
        os.close(reader)
        os.close(writer)
