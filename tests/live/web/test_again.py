"""The web page after a reload, a killed sink or broker, thousands of turns: everything again, and nothing twice."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import expect

from causal.messages import TranscriptPartial
from causal.testing.browser import Chromium
from causal.testing.one_loop import OneLoop
from causal.testing.page_bench import final, session, status, texts, wait_for_texts, words
from causal.testing.stack import Stack

pytestmark = [pytest.mark.live, pytest.mark.timeout(120), pytest.mark.usefixtures("no_script_fails")]

LONGEST_TASK_MS = 400


def worker(stack: Stack) -> int:
    """The pid of the page's sink, which may just have been killed."""

    def find() -> int:
        pids = (pid for name, pid in stack.alive().items() if name.startswith("sink.web-"))
        return next(filter(psutil.pid_exists, pids), 0)

    return stack.until(find, what="the sink")


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
