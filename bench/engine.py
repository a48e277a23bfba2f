"""How well and how fast the local engine understands, measured from outside over its WebSocket.

    python bench/engine.py           # plays all recordings in real time: about 5 min

Needs a prepared model (causal-engine prepare) and the extra `test`. Writes bench/results/engine.md.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import jiwer
import numpy as np
import page
import psutil
from numpy.typing import NDArray
from recordings import folder_option, recordings
from websockets.asyncio.client import connect
from whisper_normalizer.english import EnglishTextNormalizer

from causal.engine.vad import FRAME_SAMPLES, Vad
from causal.testing.clips import RATE_HZ, Clip

CHUNK = RATE_HZ // 10
LEAD_S, TAIL_S, SILENCE_S = 0.5, 1.5, 30.0
WORD_TIMES = Path(__file__).parent / "word_times.json"
"""Clip to [word, start, end] in ms: the known text, aligned to the sound by PocketSphinx 5.1.1."""
RESULTS = Path(__file__).parent / "results" / "engine.md"
TARGETS = {
    "WER, %": 6.5,
    "CPU with continuous speech, cores": 0.35,
    "CPU of a stream of a quiet room, on top, cores": 0.02,
    "final after the end of speech, p95, s": 1.2,
    "first partial after the first word begins, p50, s": 1.0,
    "first partial after the first word begins, p95, s": 1.5,
}


@dataclass
class Heard:
    """What came back for one recording. Times in s after the recording began to play."""

    cpu_s: float
    length_s: float
    finals: list[tuple[float, dict[str, Any]]] = field(default_factory=list)
    first_partials: dict[int, float] = field(default_factory=dict)


@click.command()
@folder_option
def main(clips: Path) -> None:
    """Plays all clips and some silence to an engine of its own, and writes down what came of it."""
    with engine() as (process, url, key):
        asyncio.run(play(process, url, key, silence(2.0)))  # loads the model
        heard = {clip: asyncio.run(play(process, url, key, padded(clip.samples()))) for clip in recordings(clips)}
        quiet = asyncio.run(play(process, url, key, silence(SILENCE_S)))
        nothing = asyncio.run(play(process, url, key, 0 * silence(SILENCE_S)))
        idle = asyncio.run(wait(process, SILENCE_S))
        rss_mb = process.memory_info().rss / 1e6
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(report(heard, idle, quiet, nothing, rss_mb))
    click.echo(RESULTS.read_text())


@contextmanager
def engine() -> Iterator[tuple[psutil.Process, str, str]]:
    """An engine in a process of its own: (process, url, key)."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "CAUSAL_RUNTIME_DIR": folder, "CAUSAL_DATA_DIR": folder}
        command = [sys.executable, "-c", "from causal.commands import engine; engine()", "--no-respawn"]
        started = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        try:
            address = Path(folder) / "engine.json"
            deadline_s = time.monotonic() + 20
            while not address.exists():
                if started.poll() is not None or time.monotonic() > deadline_s:
                    raise SystemExit("the engine does not start")
                time.sleep(0.05)
            found = json.loads(address.read_text())
            yield psutil.Process(started.pid), found["url"], found["key"]
        finally:
            started.terminate()
            started.wait()


async def play(process: psutil.Process, url: str, key: str, samples: NDArray[np.int16]) -> Heard:
    """Sends the samples at the pace of the clock: each chunk when its last sample would have been recorded."""
    async with connect(f"{url}/v3/ws?sample_rate={RATE_HZ}", additional_headers={"Authorization": key}) as socket:
        begin = json.loads(await socket.recv())
        if begin["type"] != "Begin":
            raise SystemExit(begin["error"])
        before = process.cpu_times()
        began_s = time.monotonic()
        heard = Heard(0.0, len(samples) / RATE_HZ)
        listening = asyncio.create_task(listen(socket, heard, began_s))
        for index in range(0, len(samples), CHUNK):
            await asyncio.sleep(began_s + (index + CHUNK) / RATE_HZ - time.monotonic())
            await socket.send(samples[index : index + CHUNK].tobytes())
        after = process.cpu_times()
        heard.cpu_s = after.user + after.system - before.user - before.system
        await socket.send('{"type": "Terminate"}')
        await listening
        return heard


async def wait(process: psutil.Process, length_s: float) -> Heard:
    """What the engine's process costs while nobody is there."""
    before = process.cpu_times()
    await asyncio.sleep(length_s)
    after = process.cpu_times()
    return Heard(after.user + after.system - before.user - before.system, length_s)


async def listen(socket: Any, heard: Heard, began_s: float) -> None:
    """Notes when each turn was first heard of, and its final."""
    async for text in socket:
        message = json.loads(text)
        if message["type"] != "Turn":
            continue
        at_s = time.monotonic() - began_s
        heard.first_partials.setdefault(message["turn_order"], at_s)
        if message["end_of_turn"]:
            heard.finals.append((at_s, message))


def padded(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    """With silence around, in whole chunks."""
    length = len(samples) + int((LEAD_S + TAIL_S) * RATE_HZ)
    whole = np.zeros(-(-length // CHUNK) * CHUNK, np.int16)
    lead = int(LEAD_S * RATE_HZ)
    whole[lead : lead + len(samples)] = samples
    return whole


def silence(length_s: float) -> NDArray[np.int16]:
    """A quiet room: noise of 3 LSB."""
    noise = np.random.default_rng(1).normal(0, 3, int(length_s * RATE_HZ))
    quiet: NDArray[np.int16] = np.round(noise).astype(np.int16)
    return quiet


def speech_ends_s(samples: NDArray[np.int16], from_s: float, to_s: float) -> float:
    """Where the voice detector last heard speech in this part: judged without the engine's words."""
    vad = Vad()
    frames = len(samples) // FRAME_SAMPLES
    sound = (samples[: frames * FRAME_SAMPLES] / np.float32(32768)).astype(np.float32).reshape(frames, FRAME_SAMPLES)
    frame_s = FRAME_SAMPLES / RATE_HZ
    ends = [(i + 1) * frame_s for i, frame in enumerate(sound) if vad(frame) > 0.5 and from_s <= i * frame_s <= to_s]
    return max(ends, default=to_s)


def word_time_errors_ms(heard: dict[Clip, Heard]) -> tuple[list[float], list[float]]:
    """(start, end): how far the words' times are from the aligned ones, for words that were understood."""
    aligned = json.loads(WORD_TIMES.read_text())
    starts, ends = [], []
    for clip, result in heard.items():
        truth = aligned.get(clip.name, [])
        words = [word for _, message in result.finals for word in message["words"]]
        plain = ["".join(c for c in word["text"].lower() if c.isalpha()) for word in words]
        same = difflib.SequenceMatcher(None, plain, [word for word, _, _ in truth], autojunk=False)
        for block in same.get_matching_blocks():
            for i in range(block.size):
                word, (_, start_ms, end_ms) = words[block.a + i], truth[block.b + i]
                starts.append(abs(word["start"] - LEAD_S * 1000 - start_ms))
                ends.append(abs(word["end"] - LEAD_S * 1000 - end_ms))
    return starts, ends


def measured(heard: dict[Clip, Heard], said: dict[Clip, str], got: dict[Clip, str]) -> dict[str, float]:
    """All figures by their names."""
    after_end, after_word = [], []
    for clip, result in heard.items():
        samples = padded(clip.samples())
        for at_s, message in result.finals:
            if message["words"]:
                start_s, end_s = message["words"][0]["start"] / 1000, message["words"][-1]["end"] / 1000
                after_end.append(at_s - speech_ends_s(samples, start_s, end_s + 0.3))
                after_word.append(result.first_partials[message["turn_order"]] - start_s)
    start_errors_ms, end_errors_ms = word_time_errors_ms(heard)
    audio_s = sum(result.length_s for result in heard.values())
    return {
        "WER, %": 100 * jiwer.wer(list(said.values()), list(got.values())),
        "CPU with continuous speech, cores": sum(result.cpu_s for result in heard.values()) / audio_s,
        **percentiles("final after the end of speech, {}, s", after_end),
        **percentiles("first partial after the first word begins, {}, s", after_word),
        **percentiles("error of a word's start, {}, ms", start_errors_ms),
        **percentiles("error of a word's end, {}, ms", end_errors_ms),
    }


def percentiles(name: str, values: list[float]) -> dict[str, float]:
    """The median and the 95th percentile, under the name with `p50` and `p95` filled in."""
    return {name.format(f"p{share}"): float(np.percentile(values, share)) for share in (50, 95)}


def report(heard: dict[Clip, Heard], idle: Heard, quiet: Heard, nothing: Heard, rss_mb: float) -> str:
    """The page of results."""
    normal = EnglishTextNormalizer()
    said = {clip: normal(clip.transcript) for clip in heard}
    got = {clip: normal(" ".join(m["transcript"] for _, m in result.finals)) for clip, result in heard.items()}
    figures = measured(heard, said, got) | {
        "CPU without a client, cores": idle.cpu_s / SILENCE_S,
        "CPU of a stream of a quiet room, on top, cores": (quiet.cpu_s - idle.cpu_s) / SILENCE_S,
        "CPU of a stream of digital silence, on top, cores": (nothing.cpu_s - idle.cpu_s) / SILENCE_S,
    }
    words = sum(len(text.split()) for text in said.values())
    aligned = sum(len(words) for words in json.loads(WORD_TIMES.read_text()).values())
    length_s = sum(result.length_s for result in heard.values())
    lines = [
        "# The local engine, measured",
        "",
        "    python bench/engine.py",
        "",
        page.machine(),
        f"{len(heard)} recordings, {words} words, {length_s:.0f} s with {LEAD_S} s of silence before each and "
        f"{TAIL_S} s after it, played in real time in chunks of 100 ms, one stream; then {SILENCE_S:.0f} s of a quiet "
        "room, of zeros, and without a client.",
        f"Word times are compared for {aligned} aligned words, as far as they were understood. "
        f"Resident memory at the end: {rss_mb:.0f} MB.",
        "",
        "| what | measured | target |",
        "|---|---|---|",
        *(f"| {name} | {figure:.3g} | {target(name)} |" for name, figure in figures.items()),
        "",
        "| recording | WER, % | CPU, cores |",
        "|---|---|---|",
        *(
            f"| {clip.name} | {100 * jiwer.wer(said[clip], got[clip]):.1f} | {result.cpu_s / result.length_s:.2f} |"
            for clip, result in heard.items()
        ),
        "",
    ]
    return "\n".join(lines)


def target(name: str) -> str:
    """What the figure should be, if anything."""
    return f"≤ {TARGETS[name]}" if name in TARGETS else ""


if __name__ == "__main__":
    main()
