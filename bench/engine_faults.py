"""The local engine while processes are killed and frozen: real speech, the real model, a fault every 5 to 15 s.

    make soak-engine MINUTES=12 SEED=1      # or: python bench/engine_faults.py --minutes 12 --seed 1

Plays all recordings once without faults, and then again and again with them. Needs the extra `test`, PulseAudio's
programs, a prepared model (causal-engine prepare) and, on Debian, pocketsphinx-testdata. Writes
bench/results/engine_faults.md.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import click
import fault_delays
import numpy as np
import page
import soak_vitals
from recordings import folder_option, recordings
from whisper_normalizer.english import EnglishTextNormalizer

from causal.testing.clip_judge import error_rate
from causal.testing.engine_laboratory import EngineLaboratory, Outcome
from causal.testing.fault_schedule import ENGINE_TARGETS, plan

PROCFILE = page.ROOT / "Procfile"
MARGIN_PERCENT = 1.0
"""By so much the error rate may be higher with faults: 367 words, some of them on the edge of being understood."""
LIVE_AGAIN_S = 5.0
SHIFT_MS = 20.0
SHOWN = 20
COLUMNS = (
    "*Latest word*: the longest time from the end of a word to its first sight, of the words said between this fault "
    "and the next; while a worker is away nothing can be seen. *Live again*: from the fault's end until microphone and "
    "loudspeakers had both shown a word in less than 2 s that was said after it; pauses of the speakers count in, and "
    "of a word that is spoken alone, the 0.7 s that the engine wants to hear first. A process that is frozen for more "
    "than 5 s is killed by its parent; *freeze* tells the time from its planned end all the same. *Not before the "
    "next*: the next fault came first."
)


@click.command()
@folder_option
@click.option("--minutes", default=12.0, show_default=True, help="With faults; before that all is played without.")
@click.option("--seed", default=1, show_default=True)
def main(clips: Path, minutes: float, seed: int) -> None:
    """Runs the laboratory, and writes the page."""
    with EngineLaboratory(PROCFILE, recordings(clips), EnglishTextNormalizer()) as laboratory:
        outcome = laboratory.run(plan(seed, minutes, targets=ENGINE_TARGETS), minutes, print)
        log = laboratory.stack.log(100_000)
    page.write(
        "engine_faults",
        "The local engine in the fault laboratory",
        f"python bench/engine_faults.py --minutes {minutes:g} --seed {seed}",
        parts(outcome),
    )
    if wrong(outcome):
        (page.RESULTS / "engine_faults.log").write_text(log)
        raise SystemExit(f"not flawless; what the processes printed is in {page.RESULTS / 'engine_faults.log'}")


def parts(outcome: Outcome) -> list[str]:
    """The page: what was understood without and with faults, how late, what the processes held."""
    lines = wrong(outcome)
    return [
        f"{len(outcome.usual)} recordings of real speech were played without faults, into the loudspeakers and the "
        f"microphone at the same time, and {len(outcome.heard)} with {len(outcome.spans)} faults. Each is compared "
        "with what was understood of the same recording without faults.",
        f"The load of the machine was {statistics.median(outcome.loads):.1f} in the median and "
        f"{max(outcome.loads):.1f} at worst, on {os.cpu_count()} cores; niceness {os.nice(0)}.",
        page.table(["what", "measured", "target"], figures(outcome)),
        *(["\n".join(f"- {line}" for line in lines[:SHOWN])] if lines else []),
        "Words are compared without their spelling, as Whisper's authors do, but one by one. *Lost* and *repeated*: "
        "two words or more in a row are missing or too many, which are not without faults. *Shift*: how much later "
        "than without faults the words of a final begin, counted from when the recording began to sound; the median "
        "over its words, for finals with four or more.",
        *page.spells(outcome.spells),
        "## After each kind of fault",
        page.table(fault_delays.HEAD, fault_delays.rows(outcome.delays)),
        *fault_delays.late(outcome.delays, LIVE_AGAIN_S),
        COLUMNS,
        "## What the processes held",
        page.table(soak_vitals.HEAD, soak_vitals.by_quarter(outcome.vitals)),
        "Medians of each quarter of the time with faults. A killed worker begins anew, so its own growth shows by "
        "its age:",
        page.table(soak_vitals.AGE_HEAD, soak_vitals.by_age(outcome.vitals)),
    ]


def figures(outcome: Outcome) -> list[list[object]]:
    difference = outcome.difference
    usual = error_rate(outcome.usual)
    mean_s = outcome.vitals[-1].at_s / max(1, len(outcome.spans))
    shifts_ms = np.abs(difference.shifts_ms)
    words = sum(len(one.spoken.words) for one in outcome.heard)
    return [
        ["faults", f"{len(outcome.spans)}, one each {mean_s:.1f} s", "one each 5–15 s"],
        ["words spoken meanwhile", words, ""],
        ["word error rate without faults, %", usual, ""],
        ["word error rate with faults, %", error_rate(outcome.heard), f"≤ {usual + MARGIN_PERCENT:.3g}"],
        ["recordings of which words were lost", len(difference.lost), 0],
        ["recordings of which words were repeated", len(difference.repeated), 0],
        ["words out of order", len(outcome.disorder), 0],
        ["finals whose times were compared", len(shifts_ms), ""],
        ["shift of a final, median, ms", float(np.median(shifts_ms)), ""],
        ["shift of a final, p95, ms", float(np.percentile(shifts_ms, 95)), f"≤ {SHIFT_MS:g}"],
        ["shift of a final, worst, ms", float(shifts_ms.max()), ""],
        ["gaps", len(outcome.gaps), 0],
        [
            "live again after a kill, worst, s",
            fault_delays.worst(outcome.delays, "kill", "kill-two"),
            f"≤ {LIVE_AGAIN_S:g}",
        ],
        ["live again after a freeze, worst, s", fault_delays.worst(outcome.delays, "freeze"), f"≤ {LIVE_AGAIN_S:g}"],
        ["descriptors of all, last quarter against second", soak_vitals.change(outcome.vitals, "descriptors"), "≤ 5 %"],
        ["the jsonl sink's file", outcome.sink or "each event once, in order", "each event once, in order"],
        ["the session ended by itself", "yes" if outcome.ended else "no", "yes"],
    ]


def wrong(outcome: Outcome) -> list[str]:
    """What is not as promised, a line each; none if all is well."""
    usual, troubled = error_rate(outcome.usual), error_rate(outcome.heard)
    lines = [f"lost: {one}" for one in outcome.difference.lost]
    lines += [f"repeated: {one}" for one in outcome.difference.repeated]
    lines += [f"out of order: {one}" for one in outcome.disorder]
    lines += [f"gap: {gap}" for gap in outcome.gaps]
    lines += too_late(outcome)
    if troubled > usual + MARGIN_PERCENT:
        lines.append(f"word error rate {troubled:.2f} % with faults, {usual:.2f} % without")
    if outcome.sink:
        lines.append(f"the sink's file: {outcome.sink}")
    if not outcome.ended:
        lines.append("the session did not end")
    return lines


def too_late(outcome: Outcome) -> list[str]:
    """After which faults words were not live again in time, the next fault's coming included."""
    nexts = [*(span.begin_ms for span in outcome.spans[1:]), float("inf")]
    lines = []
    for delay, span, next_ms in zip(outcome.delays, outcome.spans, nexts, strict=True):
        again_ms, left_s = delay.live_again_ms, (next_ms - span.end_ms) / 1000
        if delay.in_spell:
            continue
        if again_ms is not None and again_ms > 1000 * LIVE_AGAIN_S:
            lines.append(f"live again only after {again_ms / 1000:.1f} s: {delay.label}")
        elif again_ms is None and left_s > LIVE_AGAIN_S:
            lines.append(f"not live again in the {left_s:.1f} s before the next fault: {delay.label}")
    return lines


if __name__ == "__main__":
    main()
