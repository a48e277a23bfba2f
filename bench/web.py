"""How soon a final is on the web page, and what the page weighs.

    python bench/web.py            # about 90 s

Ten pages are open in Chromium, each with 1000 finals. Time is counted from before a final is handed to the broker to
the page's next frame after the words were put in. Writes bench/results/web.md.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import click
import numpy as np
import page
import psutil
from playwright.sync_api import Page

from causal.messages import CaptureStatus, SessionStatus, TranscriptFinal, TranscriptPartial
from causal.testing.browser import Chromium
from causal.testing.one_loop import OneLoop
from causal.testing.stack import Stack

PROCFILE = page.ROOT / "Procfile"
STARTED = "2026-01-31T12:00:00.000Z"
BEFORE = 1000
TEXT = "and what we said about the tea was that somebody has to make it"
LEVELS_PER_FINAL = 2

WATCH = """
window.seen = {};
new MutationObserver(() => {
  const turn = document.getElementById("transcript").lastElementChild.lastElementChild;
  if (turn.classList.contains("partial") || window.seen[turn.dataset.turn]) return;
  requestAnimationFrame(() => (window.seen[turn.dataset.turn] ??= performance.timeOrigin + performance.now()));
}).observe(document.getElementById("transcript"), {childList: true, subtree: true, attributes: true});
"""


@dataclass(frozen=True)
class Delays:
    """From publication to the page, of each final on each page."""

    ms: np.ndarray
    missing: int

    def at(self, percent: float) -> float:
        return float(np.percentile(self.ms, percent))


@click.command()
@click.option("--pages", default=10, show_default=True)
@click.option("--finals", default=100, show_default=True)
@click.option("--per-second", default=2.0, show_default=True)
def main(pages: int, finals: int, per_second: float) -> None:
    """Measures delay and weight."""
    processes = ["broker", "control", "web"]
    with Stack(PROCFILE, processes) as stack, OneLoop(stack.paths) as publisher, Chromium() as chromium:
        publisher.publish(
            SessionStatus(session="s", label="Tea", state="running", sources=("mic",), started_at=STARTED)
        )
        publisher.publish(*map(final, range(BEFORE)))
        opened = [chromium.let_in(stack) for _ in range(pages)]
        for one in opened:
            one.wait_for_function(f"() => document.querySelectorAll('#transcript li').length === {BEFORE}")
            one.evaluate(WATCH)
        sent_ms = publish(publisher, finals, per_second)
        delays = collect(opened, sent_ms)
        weight = weigh(stack, chromium)
        rss_mb = max(process.memory_info().rss for process in workers(stack)) / 1e6
    figures = [
        (f"a final on {pages} pages, p50, ms", delays.at(50), ""),
        (f"a final on {pages} pages, p99, ms", delays.at(99), "< 100"),
        (f"a final on {pages} pages, longest, ms", delays.at(100), ""),
        ("finals that were not on a page", float(delays.missing), "0"),
        ("weight of the page, all files, kB", weight / 1000, "< 150"),
        ("causal-sink web, resident, MB", rss_mb, "< 60"),
    ]
    text = (
        f"{finals} finals, {per_second:g} a second, each with a partial and {LEVELS_PER_FINAL} levels in its time; "
        f"{pages} pages open in one Chromium, each with {BEFORE} finals."
    )
    page.write(
        "web",
        "The web page, measured",
        "python bench/web.py",
        [text, page.table(["what", "measured", "target"], figures)],
    )


def words(n: int) -> dict[str, object]:
    known: dict[str, object] = {"session": "s", "source": "mic", "turn": str(n), "revision": 0, "text": f"{n}: {TEXT}"}
    return known | {"start_ms": n * 1000, "end_ms": n * 1000 + 900, "started_at": STARTED}


def final(n: int) -> TranscriptFinal:
    return TranscriptFinal(**words(n))  # type: ignore[arg-type]


def publish(publisher: OneLoop, finals: int, per_second: float) -> dict[str, float]:
    """Publishes turns at a steady rate: levels all the time, a partial, then the final. By turn, when the final was
    handed over, in ms of the wall clock."""
    level = CaptureStatus(session="s", source="mic", device="pulse:mic", state="capturing", speech="live")
    sent_ms = {}
    began_s = time.monotonic()

    def until(turn: float) -> None:
        time.sleep(max(0.0, began_s + turn / per_second - time.monotonic()))

    for n in range(finals):
        publisher.emit(TranscriptPartial(**words(BEFORE + n)))  # type: ignore[arg-type]
        for part in range(LEVELS_PER_FINAL):
            until(n + part / (LEVELS_PER_FINAL + 1))
            publisher.emit(level)
        until(n + LEVELS_PER_FINAL / (LEVELS_PER_FINAL + 1))
        sent_ms[str(BEFORE + n)] = time.time() * 1000
        publisher.publish(final(BEFORE + n))
        until(n + 1)
    return sent_ms


def collect(pages: list[Page], sent_ms: dict[str, float]) -> Delays:
    """What the pages have noted."""
    last = max(sent_ms, key=int)
    for one in pages:
        one.wait_for_function(f"() => window.seen[{last}]")
    seen = [one.evaluate("window.seen") for one in pages]
    delays = [noted[turn] - since for noted in seen for turn, since in sent_ms.items() if turn in noted]
    return Delays(np.array(delays), len(pages) * len(sent_ms) - len(delays))


def weigh(stack: Stack, chromium: Chromium) -> int:
    """All bytes that a browser fetches for the page, its headers left out."""
    sizes: list[int] = []
    one = chromium.new_page()
    chromium.let_in(stack, one)
    one.on("response", lambda response: sizes.append(len(response.body())))
    one.reload(wait_until="networkidle")
    return sum(sizes)


def workers(stack: Stack) -> list[psutil.Process]:
    """The page's processes."""
    return [process for process in stack.leftovers() if "web" in process.cmdline()]


if __name__ == "__main__":
    main()
