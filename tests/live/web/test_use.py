"""What a person does with the web page: choose, start, stop, search, save; on the whole stack where it matters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from causal.testing.browser import Chromium
from causal.testing.fake_controller import FakeController
from causal.testing.one_loop import OneLoop
from causal.testing.page_bench import final, session, texts, wait_for_texts
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.usefixtures("no_script_fails")]


def test_a_file_is_chosen_started_seen_stopped_searched_and_saved(
    whole_stack: Stack, chromium: Chromium, samples: Path
) -> None:
    page = chromium.let_in(whole_stack)
    expect(page.locator("#welcome")).to_be_visible()
    page.get_by_label("Path of a sound file on this computer").fill(str(samples / "jfk.wav"))
    page.get_by_text("Options").click()
    page.get_by_label("Name of the session").fill("Inauguration")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#transcript .partial").first).to_be_visible()
    expect(page.locator("#streams")).to_contain_text("Sound: listening")
    expect(page.locator("#streams")).to_contain_text("Words: live")
    expect(page.locator("#transcript .turn:not(.partial)")).not_to_have_count(0)
    page.get_by_role("button", name="Stop").click()
    expect(page.locator("#session-about")).to_contain_text("stopped")
    expect(page.get_by_role("button", name="Stop")).to_be_hidden()
    expect(page.locator("#transcript .partial")).to_have_count(0)
    assert "fellow americans" in " ".join(texts(page)).lower()

    page.get_by_label("Search all transcripts").fill("fellow amer")
    expect(page.locator("#found mark").first).to_have_text("fellow")
    page.locator("#found a").first.click()
    expect(page.locator("#transcript .sought")).to_contain_text("fellow")

    with page.expect_download() as download:
        page.get_by_role("group", name="Save the transcript as").get_by_role("button", name="txt").click()
    saved = download.value.path().read_text()
    assert "Inauguration" in saved and "fellow" in saved
    assert re.fullmatch(r"[\w-]+\.txt", download.value.suggested_filename)


def test_what_is_spoken_into_a_sound_device_appears(
    procfile: Path, services: list[str], speech_model: None, pulse: PrivatePulse, chromium: Chromium, samples: Path
) -> None:
    with Stack(procfile, services, environment={"PULSE_SERVER": pulse.server}) as stack:
        stack.launch("causal-sink", "web")
        page = chromium.let_in(stack)
        page.get_by_role("checkbox", name="Default output").uncheck()
        page.get_by_role("checkbox", name="Default microphone").uncheck()
        page.get_by_role("checkbox", name="Monitor of Speakers", exact=True).check()
        page.get_by_role("button", name="Start").click()
        expect(page.locator("#streams")).to_contain_text("pulse:speakers.monitor")
        expect(page.locator("#streams")).to_contain_text("Words: live")
        player = pulse.play(samples / "jfk.wav")
        try:
            bar = page.locator('.device:has(input[value="pulse:speakers.monitor"]) .bar')
            page.wait_for_function("bar => parseFloat(bar.style.transform.slice(7)) > 0.2", arg=bar.element_handle())
            expect(page.locator("#transcript .them").first).to_contain_text(re.compile("and so", re.I))
        finally:
            player.terminate()
            player.wait()


def test_a_start_that_is_refused_says_why_and_what_to_do(stack: Stack, chromium: Chromium) -> None:
    page = chromium.let_in(stack)
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-error")).to_contain_text("Choose something")
    page.get_by_label("Path of a sound file on this computer").fill("/nowhere/talk.wav")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#start-error")).to_contain_text("no file /nowhere/talk.wav. Give the whole path")


def test_a_device_that_vanishes_between_list_and_start_is_told(procfile: Path, chromium: Chromium) -> None:
    device = {"id": "pulse:usb", "name": "Headset", "kind": "input", "backend": "pulse"}
    listed = {"ok": True, "devices": [device | {"default": True, "channels": 1, "rate_hz": 48_000}]}
    refusal = {"code": "device-not-found", "message": "there is no device for 'mic'", "hint": "Plug in a microphone."}

    def answer(request: dict[str, Any]) -> dict[str, Any] | None:
        match request["op"]:
            case "list":
                return listed
            case "start":
                return {"ok": False, "error": refusal}
        return {"ok": True, "engine": "local", "sessions": [], "services": []}

    with Stack(procfile, []) as stack:
        stack.paths.make()
        with FakeController(stack.paths, answer) as controller:
            stack.launch("causal-sink", "web")
            page = chromium.let_in(stack)
            expect(page.get_by_role("checkbox", name="Headset")).to_be_checked()
            page.get_by_role("button", name="Start").click()
            expect(page.locator("#start-error")).to_contain_text("There is no device for 'mic'. Plug in a microphone.")
            asked = next(request for request in controller.requests if request["op"] == "start")
            assert asked["sources"] == ["mic"]


def test_it_all_works_by_keyboard(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1, "Green tea."))
    page = chromium.let_in(stack)
    wait_for_texts(page, ["Green tea."])
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#scroll")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.type("green")
    expect(page.locator("#found mark")).to_have_text("Green")
    page.keyboard.press("Escape")
    expect(page.locator("#results")).to_be_hidden()
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
    assert {"file", "start", "scroll", "stop", "theme", "search", "srt"} <= reached
