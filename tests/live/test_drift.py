"""A device whose clock is one per cent slow, through all real processes: words have the time at which they came."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from causal.testing.assemblyai_server import AssemblyAIServer, in_thread
from causal.testing.oracle_speech import PAUSE_MS, WORD_MS
from causal.testing.stack import Stack

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform == "win32", reason="ipc sockets"),
]

KEY = "a-secret-key"
SLOW = 1.01
PPM = (1 / SLOW - 1) * 1e6
SENTENCE_WORDS = 3
SENTENCE_MS = SENTENCE_WORDS * (WORD_MS + PAUSE_MS) + 800
SENTENCES = 8
PLUGIN = """
import json, os, threading, time
import numpy as np
from causal import clock
from causal.messages.control import Device
from causal.testing.oracle_speech import silence, speak

RATE_HZ, FRAMES, SLOW = 48_000, 2400, {slow}


class Backend:
    live = True

    def __init__(self, block_ms):
        parts = []
        for first in range(0, {words} * {sentences}, {words}):
            parts += [speak(range(first, first + {words}), RATE_HZ), silence(800, RATE_HZ)]
        self.sound = np.concatenate([*parts, silence(60_000, RATE_HZ)])[:, None]

    def devices(self):
        return [Device(id="skewed:mic", name="skewed", kind="input", backend="skewed", default=True, channels=1,
                       rate_hz=RATE_HZ)]

    def open(self, device_id, listener):
        return Stream(self.sound, listener)

    def watch(self, on_change):
        return None


class Stream:
    def __init__(self, sound, listener):
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(sound, listener), daemon=True)
        self.thread.start()

    def run(self, sound, listener):
        listener.on_format(RATE_HZ, 1)
        began_ns, began_unix_ns = clock.now_ns(), time.time_ns()
        with open(os.environ["SKEWED_BEGAN"], "w") as file:
            json.dump(began_unix_ns, file)
        for first in range(0, len(sound), FRAMES):
            at_ns = began_ns + round(first * SLOW * 1e9 / RATE_HZ)
            if self.closing.wait(max(0.0, (at_ns + FRAMES * SLOW * 1e9 / RATE_HZ - clock.now_ns()) / 1e9)):
                return
            listener.on_samples(sound[first : first + FRAMES], at_ns)

    def close(self):
        self.closing.set()
        self.thread.join()
"""


@pytest.fixture
def stack(procfile: Path, tmp_path: Path) -> Iterator[Stack]:
    """With a plug-in of its own, as a package that was installed."""
    text = PLUGIN.format(slow=SLOW, words=SENTENCE_WORDS, sentences=SENTENCES)
    (tmp_path / "skewed_source.py").write_text(text, "utf-8")
    package = tmp_path / "skewed-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: skewed\nVersion: 1.0\n", "utf-8")
    (package / "entry_points.txt").write_text("[causal.sources]\nskewed = skewed_source:Backend\n", "utf-8")
    with in_thread(AssemblyAIServer(key=KEY)) as server:
        environment = {
            "PYTHONPATH": str(tmp_path),
            "SKEWED_BEGAN": str(tmp_path / "began"),
            "CAUSAL_STT_URL": server.url,
            "ASSEMBLYAI_API_KEY": KEY,
        }
        services = ["broker", "control", "capture", "resample", "stt", "jsonl"]
        with Stack(procfile, services, environment=environment) as stack:
            yield stack


def test_a_slow_clock_is_measured_and_the_words_have_the_time_at_which_they_were_said(
    stack: Stack, tmp_path: Path
) -> None:
    session = stack.ask("start", sources=["skewed:mic"], engine="assemblyai")["session"]
    stack.until(lambda: len(stack.events("transcript-final")) == SENTENCES, 60, "all sentences")
    (stream,) = next(view for view in stack.ask("status")["sessions"])["streams"]
    assert stream["drift_ppm"] == pytest.approx(PPM, rel=0.01)
    assert f"{PPM:+.0f}"[:4] in stack.ctl("status").stdout
    stack.ask("stop", session=session)
    began_ms = json.loads((tmp_path / "began").read_text()) / 1e6
    off_ms = []
    for number, final in enumerate(stack.events("transcript-final")):
        said_ms = began_ms + number * SENTENCE_MS * SLOW
        told_ms = datetime.fromisoformat(final["started_at"]).timestamp() * 1000
        off_ms.append(told_ms - said_ms)
    assert stack.events("transcript-final")[0]["text"].lower().startswith("n0 n1 n2")
    late = off_ms[-2:]  # by then the clock is known, and the count 120 to 140 ms away from the truth
    assert max(map(abs, late)) < 25, off_ms
    assert stack.events("gap") == []
