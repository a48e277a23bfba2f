"""How well speech is understood through the whole stack when it is played and captured.

    python bench/wer_pulse.py        # three runs over all recordings in real time: about 15 min

Each recording is played to the speakers of a private PulseAudio, and heard from their loopback as `system`. Needs the
extra `test`, pulseaudio and, on Debian, pocketsphinx-testdata. Writes bench/results/wer_pulse.md.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import click
import page
import soundfile
import wer
from recordings import error_rates, folder_option, recordings

from causal.testing.clips import RATE_HZ, Clip
from causal.testing.pulse_server import PrivatePulse
from causal.testing.stack import Stack

TARGET_PERCENT = 8.5
TAIL_S = 1.0
"""So long after the sound the session is stopped."""


@click.command()
@folder_option
@click.option("--runs", default=3, show_default=True)
def main(clips: Path, runs: int) -> None:
    """Plays each recording in a session of its own, in several runs."""
    found = recordings(clips)
    with (
        tempfile.TemporaryDirectory() as folder,
        PrivatePulse() as pulse,
        Stack(wer.PROCFILE, environment={"PULSE_SERVER": pulse.server}) as stack,
    ):
        heard = [{clip: hear(stack, pulse, clip, Path(folder)) for clip in found} for _ in range(runs)]
    results = [error_rates(texts) for texts in heard]
    percents = [percent for percent, _ in results]
    rows = [(clip.name, *(f"{each[clip]:.1f}" for _, each in results), heard[-1][clip]) for clip in found]
    head = ["recording", *(f"run {number + 1}, WER %" for number in range(runs)), "heard in the last run"]
    parts = [
        f"{len(found)} recordings played with `paplay` to a null sink at 48 kHz, heard from its monitor by `system`; "
        f"{runs} runs. Both texts normalised as Whisper's authors do.",
        page.table(
            ["what", "measured", "target"],
            [
                ("word error rate, median of the runs, %", statistics.median(percents), f"≤ {TARGET_PERCENT}"),
                ("word error rate of each run, %", ", ".join(f"{percent:.2f}" for percent in percents), ""),
            ],
        ),
        page.table(head, rows),
    ]
    page.write("wer_pulse", "Word error rate from the speakers' loopback", "python bench/wer_pulse.py", parts)


def hear(stack: Stack, pulse: PrivatePulse, clip: Clip, folder: Path) -> str:
    """Plays one recording while a session listens; returns the text."""
    path = folder / f"{clip.name}.wav"
    soundfile.write(path, clip.samples(), RATE_HZ)
    session = wer.started(stack, "system")
    stack.until(lambda: is_capturing(stack, session), 10, "sound from the loopback")
    if pulse.play(path).wait():
        raise SystemExit(f"paplay cannot play {path}")
    time.sleep(TAIL_S)
    stack.ask("stop", within_s=15.0, session=session)
    return wer.text_of(stack, wer.wait_for_end(stack, session, wer.END_WITHIN_S))


def is_capturing(stack: Stack, session: str) -> bool:
    views = [view for view in stack.ask("status")["sessions"] if view["status"]["session"] == session]
    return any(stream["captured_ms"] > 0 for view in views for stream in view["streams"])


if __name__ == "__main__":
    main()
