"""The fault laboratory for a long time: real processes, a fault every 5 to 15 s, and what came of it.

    make soak MINUTES=60 SEED=1      # or: python bench/soak.py --minutes 60 --seed 1

Needs PulseAudio's programs, and root for a disk that can be full. Writes bench/results/soak.md.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence

import click
import page

from causal.testing.fault_laboratory import SERVICES, Laboratory, Outcome, Vital
from causal.testing.fault_schedule import TARGETS, plan

PROCFILE = page.ROOT / "Procfile"
CLOCK_JUMP = "a process cannot have a clock of its own here, and the machine's is not ours to change"
SHOWN = 20


@click.command()
@click.option("--minutes", default=60.0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(TARGETS)), help="Only these faults.")
@click.option("--wrong-edges", is_flag=True, help="The service's word edges are as wrong as the real one's.")
def main(minutes: float, seed: int, kinds: tuple[str, ...], wrong_edges: bool) -> None:
    """Runs the laboratory, and writes the page."""
    with Laboratory(PROCFILE, minutes, wrong_edges=wrong_edges) as laboratory:
        outcome = laboratory.run(plan(seed, minutes, kinds or tuple(TARGETS)), print)
        log = laboratory.stack.log(100_000)
    chosen = "".join(f" --kind {kind}" for kind in kinds) + (" --wrong-edges" if wrong_edges else "")
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
    skipped = {**outcome.skipped, "clock-jump": CLOCK_JUMP}
    return [
        f"{len(outcome.spans)} faults while three voices spoke: into the loudspeakers, into the microphone, and in a "
        "file. An utterance is excused when a gap on the record overlaps it; it is unsure when the loudspeakers "
        "themselves went or stumbled. Time errors are beyond what the tone decoder's steps of 10 ms explain.",
        page.table(["what", "measured", "target"], figures(outcome)),
        *wrong(outcome),
        page.table(
            ["fault", "times", "worst delay of a word, s", "live again, worst, s", "not before the next"], late(outcome)
        ),
        "Not possible here: " + "; ".join(f"{kind} ({why})" for kind, why in skipped.items()) + ".",
        page.table(["worker", *(f"{when}, {what}" for when in WHEN for what in ("MB", "descriptors"))], held(outcome)),
        "The median of each quarter of the run; a killed worker begins anew. After a sound server's restart the voices "
        "are silent for 3 s, which counts into *live again*.",
    ]


def figures(outcome: Outcome) -> list[list[object]]:
    verdict = outcome.verdict
    reasons = Counter(gap.reason for gap in outcome.gaps)
    return [
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
        ["gaps without a fault that costs one", len(outcome.unexplained), 0],
        ["the jsonl sink's file", outcome.sink or "each event once, in order", "each event once, in order"],
        ["the session ended by itself", "yes" if outcome.ended else "no", "yes"],
    ]


def wrong(outcome: Outcome) -> list[str]:
    """The first of what is wrong, a line each; none if nothing is."""
    verdict = outcome.verdict
    lines = [f"lost: {one}" for one in verdict.lost]
    lines += [f"repeated: {one}" for one in verdict.repeated]
    lines += [f"misplaced by {off_ms:.0f} ms: {one}" for one, off_ms in verdict.misplaced]
    lines += [f"nobody said {number} at {start_ms} ms of {source}" for source, number, start_ms in verdict.strays]
    lines += [f"unexplained: {gap}" for gap in outcome.unexplained]
    return ["\n".join(f"- {line}" for line in lines[:SHOWN])] if lines else []


def late(outcome: Outcome) -> list[list[object]]:
    """A row a kind of fault."""
    kinds = defaultdict(list)
    for delay in outcome.delays:
        kinds[delay.label.split()[0] if "-two" in delay.label else delay.label].append(delay)
    rows: list[list[object]] = []
    for kind, delays in sorted(kinds.items()):
        again = [delay.live_again_ms / 1000 for delay in delays if delay.live_again_ms is not None]
        worst_s = max(delay.worst_ms for delay in delays) / 1000
        rows.append([kind, len(delays), worst_s, max(again, default="-"), len(delays) - len(again)])
    return rows


WHEN = ("first quarter", "second", "third", "last")


def held(outcome: Outcome) -> list[list[object]]:
    """A row a worker: memory and descriptors in each quarter."""
    end_s = max((vital.at_s for vital in outcome.vitals), default=0.0) + 1e-6
    rows: list[list[object]] = []
    for service in SERVICES:
        row: list[object] = [service]
        for quarter in range(4):
            seen = [v for v in outcome.vitals if v.service == service and int(4 * v.at_s / end_s) == quarter]
            row += _medians(seen)
        rows.append(row)
    return rows


def _medians(seen: Sequence[Vital]) -> tuple[object, object]:
    if not seen:
        return "-", "-"
    return statistics.median(v.rss_mb for v in seen), statistics.median(v.descriptors for v in seen)


if __name__ == "__main__":
    main()
