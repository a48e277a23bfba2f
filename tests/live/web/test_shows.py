"""What the web page shows, beside a real broker and controller."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from causal.messages import CaptureError, Gap, TranscriptPartial, TranscriptVoid
from causal.testing.browser import Chromium
from causal.testing.one_loop import OneLoop
from causal.testing.page_bench import final, session, status, wait_for_texts, words
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.usefixtures("no_script_fails")]


def test_partials_settle_into_finals_where_they_stand(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1))
    page = chromium.let_in(stack)
    wait_for_texts(page, ["Words of turn 1."])
    publisher.emit(TranscriptPartial(**words(2, "green")))
    publisher.emit(TranscriptPartial(**words(3, "yes", source="system")))
    expect(page.locator(".partial")).to_have_count(2)
    turn = page.locator("[data-turn='2']").element_handle()
    before = turn.bounding_box()
    publisher.emit(TranscriptPartial(**words(2, "Green tea. And.")))
    expect(page.locator("[data-turn='2'] .text")).to_have_text("Green tea. And")
    publisher.publish(final(2, "Green tea."))
    expect(page.locator("[data-turn='2'].partial")).to_have_count(0)
    assert turn.text_content() is not None and "Green tea." in str(turn.text_content()), "the same element"
    assert turn.bounding_box() == before
    publisher.emit(TranscriptVoid(session="s", source="system", turn="3"))
    wait_for_texts(page, ["Words of turn 1.", "Green tea."])


def test_voices_gaps_and_errors_stand_in_the_order_of_time(
    stack: Stack, publisher: OneLoop, chromium: Chromium
) -> None:
    gap = Gap(session="s", source="mic", start_ms=2500, length_ms=1200, reason="device-lost")
    lost = {"session": "s", "source": "mic", "code": "device-lost", "retrying": False}
    error = CaptureError(**lost, message="the microphone is gone", hint="plug it in again")
    publisher.publish(session(), final(2, source="system"), final(4, speaker="B", source="system"), error)
    publisher.publish(final(1), gap)
    page = chromium.let_in(stack)
    wait_for_texts(
        page,
        [
            "Words of turn 1.",
            "Words of turn 2.",
            "1.2 s not heard: the device was gone",
            "Words of turn 4.",
            "The microphone is gone. Plug it in again.",
        ],
    )
    assert page.locator("#transcript .turn .who").all_text_contents() == ["Me", "Them", "Them · B"]


def test_lights_levels_and_delays_are_those_of_the_stream(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session())
    page = chromium.let_in(stack)
    expect(page.locator("#session-title")).to_have_text("Tea")
    publisher.emit(status())
    publisher.emit(status("system", state="stalled", speech="reconnecting", lost_ms=1500, hint="wake it so"))
    mine, theirs = page.locator("#streams .me"), page.locator("#streams .them")
    expect(mine.locator(".light").nth(0)).to_have_text("Sound: listening")
    expect(mine.locator(".light").nth(1)).to_have_text("Words: live")
    expect(mine.locator(".numbers")).to_have_text("heard 9.0 s · sent 0.2 s behind · last words 3.0 s ago")
    expect(theirs.locator(".light.bad")).to_have_text("Sound: nothing is delivered")
    expect(theirs.locator(".light.wait")).to_contain_text("connecting again; what is said is kept")
    expect(theirs.locator(".hint")).to_have_text("wake it so")
    expect(mine.locator(".hint")).to_be_hidden()
    expect(theirs.locator(".numbers")).to_contain_text("1.5 s missed")
    assert mine.locator(".bar").evaluate("bar => bar.style.transform") == "scaleX(0.5)"


def test_before_a_start_it_says_whether_the_sound_leaves_the_computer(stack: Stack, chromium: Chromium) -> None:
    page = chromium.let_in(stack)
    expect(page.locator("#hearer")).to_have_text("Heard by this computer: no sound leaves it.")
    page.get_by_text("Options").click()
    page.get_by_label("Who hears the room").select_option("AssemblyAI")
    expect(page.locator("#hearer")).to_have_text("Heard by AssemblyAI: the sound goes there.")
    page.get_by_label("Who hears the room").select_option("as set up")
    expect(page.locator("#hearer")).to_have_text("Heard by this computer: no sound leaves it.")


def test_a_silent_or_muted_microphone_is_told_and_a_silent_output_is_at_rest(
    stack: Stack, publisher: OneLoop, chromium: Chromium
) -> None:
    publisher.publish(session())
    page = chromium.let_in(stack)
    expect(page.locator("#session-title")).to_have_text("Tea")
    publisher.emit(status(state="silent"))
    publisher.emit(status("system", state="silent", final_ms=0))
    expect(page.locator("#streams .me .light.wait")).to_have_text("Sound: only silence comes")
    publisher.emit(status(state="muted", hint="Microphone is muted: pactl set-source-mute microphone 0"))
    expect(page.locator("#streams .me .light.wait")).to_have_text("Sound: muted")
    expect(page.locator("#streams .me .hint")).to_contain_text("pactl set-source-mute")
    expect(page.locator("#streams .them .light.off")).to_have_text("Sound: nothing is played")
    expect(page.locator("#streams .them .numbers")).to_contain_text("no words yet")


def test_text_is_text_whatever_it_looks_like(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    nasty = "<img src=x onerror=alert(1)> & <b>bold</b>"
    publisher.publish(session(label=nasty), final(1, nasty, speaker=nasty))
    page = chromium.let_in(stack)
    wait_for_texts(page, [nasty])
    expect(page.locator("#session-title")).to_have_text(nasty)
    page.get_by_label("Search all transcripts").fill("bold")
    expect(page.locator("#found .text")).to_have_text(nasty)
    assert page.locator("img[src=x]").count() == 0


def test_history_leads_to_other_sessions_and_a_new_one_is_shown_when_it_begins(
    stack: Stack, publisher: OneLoop, chromium: Chromium
) -> None:
    old = {"state": "ended", "reason": "stopped", "started_at": "2026-01-30T09:00:00.000Z"}
    publisher.publish(session("old", label="", **old), final(1, "Long ago.", session="old"))
    publisher.publish(session(state="ended", reason="stopped"), final(1))
    page = chromium.let_in(stack)
    wait_for_texts(page, ["Words of turn 1."])
    page.get_by_role("link", name="Long ago.").click()
    wait_for_texts(page, ["Long ago."])
    page.reload()
    wait_for_texts(page, ["Long ago."])
    publisher.publish(session("new", label="Now", started_at="2026-02-01T12:00:00.000Z"))
    expect(page.locator("#session-title")).to_have_text("Now")
    assert page.title() == "● Now – Causal"


def test_every_format_is_saved(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1, "Green tea."))
    page = chromium.let_in(stack)
    wait_for_texts(page, ["Green tea."])
    for kind in ("txt", "md", "srt", "vtt", "json", "csv"):
        with page.expect_download() as download:
            page.get_by_role("button", name=kind, exact=True).click()
        assert download.value.suggested_filename == f"s.{kind}"
        assert "Green tea." in download.value.path().read_text(), kind


def test_saving_an_unknown_session_says_so(stack: Stack, chromium: Chromium) -> None:
    page = chromium.let_in(stack)
    page.evaluate("location.hash = '#s=nobody'")
    page.get_by_role("button", name="txt").click()
    expect(page.locator("#session-error")).to_contain_text("There is no session 'nobody'")
