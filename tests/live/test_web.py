"""The web page in a real browser, beside a real broker and controller; where it matters, on the whole stack."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from causal.messages import (
    CaptureError,
    CaptureStatus,
    Gap,
    SessionStatus,
    TranscriptFinal,
    TranscriptPartial,
    TranscriptVoid,
    Word,
)
from causal.testing.browser import Chromium
from causal.testing.fake_controller import FakeController
from causal.testing.one_loop import OneLoop
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

STARTED = "2026-01-31T12:00:00.000Z"
MAX_WEIGHT_BYTES = 150_000
LONGEST_TASK_MS = 400
PHONE = {"width": 390, "height": 780}

expect.set_options(timeout=20_000)  # a process may have to start again, on a busy machine


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    if not shutil.which("chromium"):
        pytest.skip("not installed: chromium")
    with Chromium() as running:
        yield running


@pytest.fixture(autouse=True)
def no_script_fails(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "chromium" in request.fixturenames:
        errors = request.getfixturevalue("chromium").errors
        assert errors == []


@pytest.fixture
def stack(procfile: Path) -> Iterator[Stack]:
    """A broker, a controller and the page's sink; the test says what happens."""
    with Stack(procfile, ["broker", "control"]) as running:
        running.launch("causal-sink", "web")
        running.until(running.paths.page_file.exists, 20.0, "the page's address")
        yield running


@pytest.fixture
def whole_stack(procfile: Path, speech_model: None) -> Iterator[Stack]:
    with Stack(procfile, services(procfile)) as running:
        running.launch("causal-sink", "web")
        yield running


@pytest.fixture
def publisher(stack: Stack) -> Iterator[OneLoop]:
    with OneLoop(stack.paths) as publisher:
        yield publisher


def services(procfile: Path) -> list[str]:
    """The lines of the Procfile that are no sinks."""
    lines = [line.split(": ") for line in procfile.read_text().splitlines()]
    return [name for name, command in lines if "causal-sink" not in command]


def session(name: str = "s", **fields: Any) -> SessionStatus:
    known = {"label": "Tea", "state": "running", "sources": ("mic", "system"), "started_at": STARTED, "engine": "local"}
    return SessionStatus(session=name, **(known | fields))


def words(n: int, text: str = "", **fields: Any) -> dict[str, Any]:
    """Of the `n`th turn of a session; one a second."""
    text = text or f"Words of turn {n}."
    known = {"session": "s", "source": "mic", "turn": str(n), "revision": 0, "text": text}
    return known | {"start_ms": n * 1000, "end_ms": n * 1000 + 900, "started_at": STARTED} | fields


def final(n: int, text: str = "", **fields: Any) -> TranscriptFinal:
    known = words(n, text, **fields)
    word = Word(text=known["text"], start_ms=known["start_ms"], end_ms=known["end_ms"], confidence=0.9)
    return TranscriptFinal(words=(word,), **known)


def status(source: str = "mic", **fields: Any) -> CaptureStatus:
    known = {"device": f"pulse:{source}", "state": "capturing", "speech": "live"}
    numbers = {"captured_ms": 9000, "sent_ms": 8800, "final_ms": 6000, "rms_dbfs": -30.0, "peak_dbfs": -15.0}
    return CaptureStatus(session="s", source=source, **(known | numbers | fields))


def texts(page: Page) -> list[str]:
    """The words on the page, from top to bottom."""
    return page.locator("#transcript li .text").all_text_contents()


def wait_for_texts(page: Page, wanted: list[str]) -> None:
    expect(page.locator("#transcript li .text")).to_have_text(wanted)


def worker(stack: Stack) -> int:
    """The pid of the page's sink, which may just have been killed."""

    def find() -> int:
        pids = (pid for name, pid in stack.alive().items() if name.startswith("sink.web-"))
        return next(filter(psutil.pid_exists, pids), 0)

    return stack.until(find, what="the sink")


# --- what a person does ---


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
    procfile: Path, speech_model: None, pulse: PrivatePulse, chromium: Chromium, samples: Path
) -> None:
    with Stack(procfile, services(procfile), environment={"PULSE_SERVER": pulse.server}) as stack:
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


# --- what it shows ---


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


@pytest.mark.parametrize("format", ["txt", "md", "srt", "vtt", "json", "csv"])
def test_every_format_is_saved(stack: Stack, publisher: OneLoop, chromium: Chromium, format: str) -> None:
    publisher.publish(session(), final(1, "Green tea."))
    page = chromium.let_in(stack)
    wait_for_texts(page, ["Green tea."])
    with page.expect_download() as download:
        page.get_by_role("button", name=format, exact=True).click()
    assert download.value.suggested_filename == f"s.{format}"
    assert "Green tea." in download.value.path().read_text()


def test_saving_an_unknown_session_says_so(stack: Stack, chromium: Chromium) -> None:
    page = chromium.let_in(stack)
    page.evaluate("location.hash = '#s=nobody'")
    page.get_by_role("button", name="txt").click()
    expect(page.locator("#session-error")).to_contain_text("There is no session 'nobody'")


# --- again, and nothing twice ---


def test_a_reload_in_the_middle_shows_the_same_again(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1), final(2))
    page = chromium.let_in(stack)
    publisher.emit(TranscriptPartial(**words(3, "green")))
    expect(page.locator(".partial")).to_have_count(1)
    before = texts(page)
    page.reload()
    wait_for_texts(page, before)
    expect(page.locator(".partial")).to_have_count(1)
    publisher.publish(final(3, "Green tea."))
    wait_for_texts(page, [*before[:2], "Green tea."])


def test_a_killed_sink_costs_the_page_nothing(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1))
    page = chromium.let_in(stack)
    for n in range(2, 8, 2):
        os.kill(worker(stack), signal.SIGKILL)
        publisher.publish(final(n))
        publisher.publish(final(n + 1))
        wait_for_texts(page, [f"Words of turn {k}." for k in range(1, n + 2)])
    expect(page.locator("#connection")).to_have_class("open")


def test_a_sink_that_is_stopped_and_started_finds_its_pages_again(procfile: Path, chromium: Chromium) -> None:
    with Stack(procfile, ["broker", "control"]) as stack, OneLoop(stack.paths) as publisher:
        sink = stack.launch("causal-sink", "web")
        publisher.publish(session(), final(1))
        page = chromium.let_in(stack)
        sink.send_signal(signal.SIGTERM)
        sink.wait(10)
        expect(page.locator("#problems")).to_contain_text("lost its connection")
        publisher.publish(final(2))
        stack.launch("causal-sink", "web")
        wait_for_texts(page, ["Words of turn 1.", "Words of turn 2."])
        expect(page.locator("#problems")).to_be_empty()


def test_a_killed_broker_costs_the_page_nothing(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    publisher.publish(session(), final(1))
    page = chromium.let_in(stack)
    os.kill(stack.pid("broker"), signal.SIGKILL)
    publisher.publish(final(2))
    wait_for_texts(page, ["Words of turn 1.", "Words of turn 2."])


def test_without_a_file_for_the_history_the_page_works_all_the_same(procfile: Path, chromium: Chromium) -> None:
    with Stack(procfile, ["broker", "control"]) as stack, OneLoop(stack.paths) as publisher:
        (stack.paths.data / "web").write_text("in the way")
        stack.launch("causal-sink", "web")
        publisher.publish(session(), final(1))
        page = chromium.let_in(stack)
        wait_for_texts(page, ["Words of turn 1."])
        assert "kept in memory" in stack.log()


def test_five_thousand_finals_do_not_make_it_slow(stack: Stack, publisher: OneLoop, chromium: Chromium) -> None:
    many = [final(n, f"Turn {n} of a long meeting about tea, water and who makes it.") for n in range(5000)]
    publisher.publish(session(), *(many[:1]))
    for n in range(1, 5000, 500):
        publisher.publish(*many[n : n + 500])
    page = chromium.new_page()
    page.add_init_script(
        "window.tasks = [];"
        "new PerformanceObserver(list => window.tasks.push(...list.getEntries().map(entry => entry.duration)))"
        ".observe({type: 'longtask', buffered: true})"
    )
    chromium.let_in(stack, page)
    expect(page.locator("#transcript li")).to_have_count(5000, timeout=30_000)
    expect(page.locator("#transcript li").last).to_be_in_viewport()
    assert max(page.evaluate("tasks"), default=0) < LONGEST_TASK_MS
    page.evaluate("tasks.length = 0")
    for n in range(5000, 5050):
        publisher.emit(TranscriptPartial(**words(n)))
        publisher.publish(final(n))
        publisher.emit(status())
    expect(page.locator("#transcript li")).to_have_count(5050)
    expect(page.locator("#transcript li").last).to_be_in_viewport()
    assert page.evaluate("tasks.filter(ms => ms > 100)") == [], "live words cost no jank"


def test_who_reads_above_is_left_there_and_told_of_what_comes(
    stack: Stack, publisher: OneLoop, chromium: Chromium
) -> None:
    publisher.publish(session(), *map(final, range(100)))
    page = chromium.let_in(stack)
    expect(page.locator("#transcript li").last).to_be_in_viewport()
    page.locator("#scroll").evaluate("scroll => scroll.scrollTop = 0")
    expect(page.locator("#transcript li").first).to_be_in_viewport()
    publisher.publish(final(100))
    page.get_by_role("button", name="Latest words").click()
    expect(page.locator("#transcript li").last).to_have_text(re.compile("turn 100"))
    expect(page.locator("#transcript li").last).to_be_in_viewport()


# --- for everybody ---


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
