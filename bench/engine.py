"""How well and how fast the local engine understands, measured from outside over its WebSocket.

    python bench/engine.py --clips FOLDER          # fetches the clips into FOLDER, plays them in real time: about 5 min

Needs a prepared model (causal-engine prepare) and the extra `test`. Writes bench/results/engine.md.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
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
import psutil
from numpy.typing import NDArray
from websockets.asyncio.client import connect
from whisper_normalizer.english import EnglishTextNormalizer

from causal.engine.vad import FRAME_SAMPLES, Vad
from causal.testing.clips import RATE_HZ, Clip, clip_paths

CHUNK = RATE_HZ // 10
LEAD_S, TAIL_S, SILENCE_S = 0.5, 1.5, 30.0
RESULTS = Path(__file__).parent / "results" / "engine.md"
TARGETS = {
    "WER, %": 6.5,
    "CPU with continuous speech, cores": 0.35,
    "CPU in silence, cores": 0.02,
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
@click.option("--clips", type=click.Path(path_type=Path), required=True, help="Folder that keeps the recordings.")
def main(clips: Path) -> None:
    """Plays all clips and some silence to an engine of its own, and writes down what came of it."""
    with engine() as (process, url, key):
        asyncio.run(play(process, url, key, silence(2.0)))  # loads the model
        heard = {clip: asyncio.run(play(process, url, key, padded(clip.samples()))) for clip in clip_paths(clips)}
        quiet = asyncio.run(play(process, url, key, silence(SILENCE_S)))
        rss_mb = process.memory_info().rss / 1e6
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(report(heard, quiet, rss_mb))
    click.echo(RESULTS.read_text())


@contextmanager
def engine() -> Iterator[tuple[psutil.Process, str, str]]:
    """An engine in a process of its own: (process, url, key)."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "CAUSAL_RUNTIME_DIR": folder, "CAUSAL_DATA_DIR": folder}
        command = [sys.executable, "-m", "causal.engine.app", "--no-respawn"]
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


def report(heard: dict[Clip, Heard], quiet: Heard, rss_mb: float) -> str:
    """The page of results."""
    normal = EnglishTextNormalizer()
    said = {clip: normal(clip.transcript) for clip in heard}
    got = {clip: normal(" ".join(m["transcript"] for _, m in result.finals)) for clip, result in heard.items()}
    after_end, after_word = [], []
    for clip, result in heard.items():
        samples = padded(clip.samples())
        for at_s, message in result.finals:
            if not message["words"]:
                continue
            start_s, end_s = message["words"][0]["start"] / 1000, message["words"][-1]["end"] / 1000
            after_end.append(at_s - speech_ends_s(samples, start_s, end_s + 0.3))
            after_word.append(result.first_partials[message["turn_order"]] - start_s)
    audio_s = sum(result.length_s for result in heard.values())
    figures = {
        "WER, %": 100 * jiwer.wer(list(said.values()), list(got.values())),
        "CPU with continuous speech, cores": sum(result.cpu_s for result in heard.values()) / audio_s,
        "CPU in silence, cores": quiet.cpu_s / quiet.length_s,
        "final after the end of speech, p50, s": float(np.percentile(after_end, 50)),
        "final after the end of speech, p95, s": float(np.percentile(after_end, 95)),
        "first partial after the first word begins, p50, s": float(np.percentile(after_word, 50)),
        "first partial after the first word begins, p95, s": float(np.percentile(after_word, 95)),
    }
    lines = [
        "# The local engine, measured",
        "",
        "    python bench/engine.py --clips FOLDER",
        "",
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores of {processor()}, {platform.system()}, "
        f"Python {platform.python_version()}; load before {os.getloadavg()[0]:.1f}.",
        f"{len(heard)} recordings, {sum(len(text.split()) for text in said.values())} words, {audio_s:.0f} s with "
        f"{LEAD_S} s of silence before and {TAIL_S} s after each, played in real time in chunks of 100 ms, one stream; "
        f"then {SILENCE_S:.0f} s of a quiet room.",
        f"{len(after_end)} turns. Resident memory at the end: {rss_mb:.0f} MB.",
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
    ]  # fmt: skip
    return "\n".join(lines)


def target(name: str) -> str:
    """What the figure should be, if anything."""
    return f"≤ {TARGETS[name]}" if name in TARGETS else ""


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        return names[0] if names else platform.machine()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
