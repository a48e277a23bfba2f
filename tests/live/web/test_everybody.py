"""The web page for everybody: with a screen reader, on a phone, in the dark."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from causal.messages import CaptureError, Gap, TranscriptPartial
from causal.testing.browser import Chromium
from causal.testing.one_loop import OneLoop
from causal.testing.page_bench import final, session, status, words
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.usefixtures("no_script_fails")]

PHONE = {"width": 390, "height": 780}


def test_axe_finds_nothing_in_any_state(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    shown = {"light": chromium.let_in(stack), "dark": chromium.let_in(stack, color_scheme="dark")}
    shown["phone"] = chromium.let_in(stack, viewport=PHONE)
    shown["refused"] = chromium.new_page()
    shown["refused"].goto(shown["light"].url)

    def check(state: str) -> None:
        for name, page in shown.items():
            found = Axe().run(page).response["violations"]
            assert [(name, state, v["id"], [n["target"] for n in v["nodes"]]) for v in found] == []

    check("empty")
    trouble = CaptureError(session="s", source="mic", code="internal", message="m", hint="h", retrying=False)
    gap = Gap(session="s", source="mic", start_ms=100, length_ms=10, reason="overflow")
    publisher.publish(session(), final(1), final(2, source="system"), gap, trouble)
    publisher.publish(session("old", state="ended", started_at="2026-01-30T12:00:00.000Z"))
    publisher.emit(status())
    publisher.emit(status("system", state="failed", speech="failed"))
    publisher.emit(TranscriptPartial(**words(3, source="file")))
    for name in ("light", "dark", "phone"):
        expect(shown[name].locator(".partial")).to_have_count(1)
        shown[name].get_by_text("Options").evaluate("summary => summary.click()")
    check("a session")
    shown["phone"].locator("#menu").click()
    expect(shown["phone"].get_by_role("button", name="Start")).to_be_visible()
    check("a menu")
    for name in ("light", "dark"):
        shown[name].get_by_role("button", name="Start").click()
        expect(shown[name].locator("#start-error .error")).to_have_count(1)
        shown[name].get_by_label("Search all transcripts").fill("words")
        expect(shown[name].locator("#found mark")).not_to_have_count(0)
    check("search and errors")


def test_it_fits_a_phone(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1, "Word" * 60))
    publisher.emit(status())
    page = chromium.let_in(stack, viewport=PHONE)
    expect(page.locator("#transcript li")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.locator("#scroll").evaluate("scroll => scroll.scrollWidth <= scroll.clientWidth")
    expect(page.get_by_role("button", name="Start")).to_be_hidden()
    page.get_by_role("button", name="Sources and sessions").click()
    expect(page.get_by_role("button", name="Start")).to_be_in_viewport()
    page.get_by_role("link", name="Tea").click()
    expect(page.locator("#transcript")).to_be_in_viewport()


def test_colours_are_chosen_and_kept(stack: Stack, chromium: Chromium) -> None:
    page = chromium.let_in(stack, color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(colour)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(colour)
    assert dark != light
    page.get_by_role("button", name="Colours: auto").click()
    assert page.evaluate(colour) == light
    page.reload()
    assert page.evaluate(colour) == light
    page.get_by_role("button", name="Colours: light").click()
    assert page.evaluate(colour) == dark
