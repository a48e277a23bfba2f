"""The fault laboratory for a long time: real processes, a fault every 5 to 15 s, and what came of it.

    make soak MINUTES=60 SEED=1      # or: python bench/soak.py --minutes 60 --seed 1

Needs PulseAudio's programs, root for a disk that can be full, and a C compiler for clocks that jump. Writes
bench/results/soak.md.
"""

from __future__ import annotations

import os
import statistics
from collections import Counter

import click
import fault_delays
import page
import soak_vitals

from causal.testing.fault_judge import Verdict
from causal.testing.fault_laboratory import Laboratory, Outcome
from causal.testing.fault_schedule import SERVICE_FAULTS, TARGETS, plan
from causal.testing.live_delay import in_spell

PROCFILE = page.ROOT / "Procfile"
SHOWN = 20
LIVE_AGAIN_S = 3.0
JUDGED = (
    "An utterance is *excused* when a gap on the record overlaps it; it is *unsure* when the loudspeakers themselves "
    "went or stumbled. Time errors are beyond what the tone decoder's steps of 10 ms explain."
)
COLUMNS = (
    "*Latest word*: the longest time from the end of a word to its first sight, of the words said between this fault "
    "and the next; while a worker or the service is away nothing can be seen. *Live again*: from the fault's end "
    "until microphone and loudspeakers had both shown a word in less than 2 s that was said after it; a word is said "
    "each 0.4 to 1.4 s, and counts in. After `refuse 429` the service is left alone for 30 s and after `close 1013` "
    "for 5 s, as it asks; the time counts from then, or from the end of a fault that began meanwhile and goes on. "
    "After a restart of the sound server the voices are silent for 3 s, which counts in. *Not before the next*: the "
    "next fault came first. An `outage` goes on while other faults happen; those are told in a line of their own."
)


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(TARGETS)), help="Only these faults.")
@click.option("--wrong-edges", is_flag=True, help="The service's word edges are as wrong as the real one's.")
@click.option("--concurrency", default="", help="Several workers of a service, as honcho takes it: resample=2,stt=2.")
def main(minutes: float, seed: int, kinds: tuple[str, ...], wrong_edges: bool, concurrency: str) -> None:
    """Runs the laboratory, and writes the page."""
    with Laboratory(PROCFILE, minutes, wrong_edges=wrong_edges, concurrency=concurrency) as laboratory:
        outcome = laboratory.run(plan(seed, minutes, kinds or tuple(TARGETS)), print)
        log = laboratory.stack.log(100_000) + "\n" + "\n".join(map(str, outcome.verdict.timed))
    chosen = "".join(f" --kind {kind}" for kind in kinds) + (" --wrong-edges" if wrong_edges else "")
    chosen += f" --concurrency {concurrency}" if concurrency else ""
    page.write(
        "soak",
        "The fault laboratory",
        f"python bench/soak.py --minutes {minutes:g} --seed {seed}{chosen}",
        parts(outcome),
    )
    if not (outcome.verdict.is_flawless and outcome.ended and not outcome.unexplained and not outcome.sink):
        (page.RESULTS / "soak.log").write_text(log)
        raise SystemExit(f"not flawless; what the processes printed is in {page.RESULTS / 'soak.log'}")


def parts(outcome: Outcome) -> list[str]:
    """The page: what was said, what went wrong, how late words came, what the processes held."""
    return [
        f"{len(outcome.spans)} faults, while three voices spoke: into the loudspeakers, into the microphone, and in a "
        "file. Each utterance is three words that only it has, so one that is lost, repeated or misplaced shows.",
        f"The machine did other work too: its load was {statistics.median(outcome.loads):.1f} in the median and "
        f"{max(outcome.loads):.1f} at worst, on {os.cpu_count()} cores; the laboratory's niceness was {os.nice(0)}.",
        page.table(["what", "measured", "target"], figures(outcome)),
        *wrong(outcome),
        JUDGED,
        *page.spells(outcome.spells),
        "## After each kind of fault",
        page.table(fault_delays.HEAD, fault_delays.rows(outcome.delays)),
        *fault_delays.late(outcome.delays, LIVE_AGAIN_S),
        COLUMNS,
        *([f"Not possible here: {_told(outcome.skipped)}."] if outcome.skipped else []),
        "## What the processes held",
        page.table(soak_vitals.HEAD, soak_vitals.by_quarter(outcome.vitals)),
        "Medians of each quarter of the run. A killed worker begins anew, so a worker's own growth shows by its age:",
        page.table(soak_vitals.AGE_HEAD, soak_vitals.by_age(outcome.vitals)),
    ]


def figures(outcome: Outcome) -> list[list[object]]:
    verdict, in_spells = outcome.verdict.parted(outcome.spells)
    unexplained = sum(not in_spell(gap.start_ms, outcome.spells) for gap in outcome.unexplained)
    reasons = Counter(gap.reason for gap in outcome.gaps)
    mean_s = outcome.vitals[-1].at_s / max(1, len(outcome.spans))
    soon = f"≤ {LIVE_AGAIN_S:g}"
    return [
        ["faults", f"{len(outcome.spans)}, one each {mean_s:.1f} s", "one each 5–15 s"],
        ["utterances spoken", verdict.spoken, ""],
        ["heard, once, whole", verdict.heard, ""],
        ["excused by a gap", verdict.excused, ""],
        ["unsure", verdict.unsure, ""],
        ["lost", len(verdict.lost), 0],
        ["repeated", len(verdict.repeated), 0],
        ["misplaced by more than 20 ms", len(verdict.misplaced), 0],
        ["words that nobody said", len(verdict.strays), 0],
        *[[f"worst time error, {source}, ms", worst, "≤ 20"] for source, worst in verdict.worst_error_ms.items()],
        ["gaps", ", ".join(f"{count} {reason}" for reason, count in reasons.items()) or 0, ""],
        ["gaps without a fault that costs one", unexplained, 0],
        ["live again after a worker was killed, worst, s", fault_delays.worst(outcome.delays, "kill"), soon],
        ["live again after the service's return, worst, s", fault_delays.worst(outcome.delays, *SERVICE_FAULTS), soon],
        ["memory of all processes, last quarter against second", soak_vitals.change(outcome.vitals, "rss_mb"), "≤ 5 %"],
        ["descriptors of all, last quarter against second", soak_vitals.change(outcome.vitals, "descriptors"), "≤ 5 %"],
        ["the journals in the end, MB: what is transcribed is kept for 12 minutes", outcome.journal_mb, ""],
        ["the jsonl sink's file", outcome.sink or "each event once, in order", "each event once, in order"],
        ["the session ended by itself", "yes" if outcome.ended else "no", "yes"],
        ["the host's spells: how many, and how long together, s", page.lengths(outcome.spells), ""],
        ["in them: lost", len(in_spells.lost), ""],
        ["in them: repeated", len(in_spells.repeated), ""],
        ["in them: misplaced", len(in_spells.misplaced), ""],
        ["in them: words that nobody said", len(in_spells.strays), ""],
        ["in them: gaps without a fault that costs one", len(outcome.unexplained) - unexplained, ""],
    ]


def wrong(outcome: Outcome) -> list[str]:
    """The first of what is wrong, a line each; none if nothing is."""
    outside, inside = outcome.verdict.parted(outcome.spells)
    lines = [*_lines(outside), *(f"unexplained: {gap}" for gap in outcome.unexplained)]
    lines += [f"in a spell: {line}" for line in _lines(inside)]
    return ["\n".join(f"- {line}" for line in lines[:SHOWN])] if lines else []


def _lines(verdict: Verdict) -> list[str]:
    lines = [f"lost: {one}" for one in verdict.lost]
    lines += [f"repeated: {one}" for one in verdict.repeated]
    lines += [f"misplaced by {one.error_ms:.0f} ms: {one.utterance}" for one in verdict.misplaced]
    return lines + [f"nobody said {number} at {start_ms} ms of {source}" for source, number, start_ms in verdict.strays]


def _told(skipped: dict[str, str]) -> str:
    return "; ".join(f"{kind} ({why})" for kind, why in skipped.items())


if __name__ == "__main__":
    main()
