"""How well speech is understood through the whole stack, from a file.

    python bench/wer.py              # plays all recordings in real time: about 4 min

Needs the extra `test` and, on Debian, pocketsphinx-testdata. Writes bench/results/wer.md.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import page
import soundfile
from recordings import error_rates, folder_option, recordings

from causal.testing.clips import RATE_HZ, Clip
from causal.testing.stack import Stack

PROCFILE = page.ROOT / "Procfile"
TARGET_PERCENT = 6.5
END_WITHIN_S = 30.0


@dataclass(frozen=True)
class Heard:
    """What came of one recording."""

    text: str
    end_after_s: float
    """From the end of the sound to the end of the session, the last words included."""


@click.command()
@folder_option
def main(clips: Path) -> None:
    """Plays each recording in a session of its own."""
    with tempfile.TemporaryDirectory() as folder, Stack(PROCFILE) as stack:
        heard = {clip: hear(stack, clip, Path(folder)) for clip in recordings(clips)}
    ends_s = [result.end_after_s for result in heard.values()]
    percent, each = error_rates({clip: result.text for clip, result in heard.items()})
    rows = [(clip.name, f"{each[clip]:.1f}", result.text) for clip, result in heard.items()]
    figures = [
        ("word error rate, %", percent, f"≤ {TARGET_PERCENT}"),
        ("session ended after the end of the file, median, s", statistics.median(ends_s), ""),
        ("session ended after the end of the file, longest, s", max(ends_s), ""),
    ]
    parts = [
        f"{len(heard)} recordings as `file:` sources in real time, through capture, resampler, gateway, local engine, "
        "broker and the jsonl sink. Both texts normalised as Whisper's authors do.",
        page.table(["what", "measured", "target"], figures),
        page.table(["recording", "WER, %", "heard"], rows),
    ]
    page.write("wer", "Word error rate from files, through the whole stack", "python bench/wer.py", parts)


def hear(stack: Stack, clip: Clip, folder: Path) -> Heard:
    """Plays one recording as a file."""
    path = folder / f"{clip.name}.wav"
    samples = clip.samples()
    soundfile.write(path, samples, RATE_HZ)
    began_s = time.monotonic()
    session = started(stack, f"file:{path}")
    end = wait_for_end(stack, session, len(samples) / RATE_HZ + END_WITHIN_S)
    return Heard(text_of(stack, end), time.monotonic() - began_s - len(samples) / RATE_HZ)


def started(stack: Stack, source: str) -> str:
    """The id of a session that was started."""
    reply = stack.ask("start", within_s=10.0, sources=[source])
    if not reply["ok"]:
        raise SystemExit(reply["error"]["message"])
    session: str = reply["session"]
    return session


def wait_for_end(stack: Stack, session: str, within_s: float) -> str:
    """Returns the session when its end is in the transcript."""

    def ended() -> bool:
        told = stack.events("session-status")
        return any(event["session"] == session and event["state"] == "ended" for event in told)

    stack.until(ended, within_s, f"the end of {session}")
    return session


def text_of(stack: Stack, session: str) -> str:
    """All that was said in a session."""
    finals = [event for event in stack.events("transcript-final") if event["session"] == session]
    return " ".join(final["text"] for final in sorted(finals, key=lambda final: final["start_ms"]))


if __name__ == "__main__":
    main()
