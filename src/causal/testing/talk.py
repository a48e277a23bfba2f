"""A file in which somebody says known words, at its own speed, for stacks whose speech service is the test's.

with in_thread(AssemblyAIServer(key=KEY)) as server, Stack(procfile, names, environment=hears(server)) as stack:
    talk = Talk(tmp_path / "talk.wav", utterances=8)
    stack.ask("start", sources=[talk.source])
    ...
    assert numbers(stack.events("transcript-final")) == talk.numbers
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from .assemblyai_server import AssemblyAIServer
from .oracle_speech import RATE_HZ
from .utterances import EVERY_MS, sound_of, words_of

KEY = "a-test-key"
VOICE = 1


def hears(server: AssemblyAIServer) -> dict[str, str]:
    """The environment of a stack whose speech service is `server`, which was made with `KEY`."""
    return {
        "CAUSAL_STT_URL": server.url,
        "CAUSAL_NEW_SESSIONS_PER_MINUTE": "1000",  # faults end sessions more often than an account allows
        "ASSEMBLYAI_API_KEY": KEY,
    }


class Talk:
    """So many utterances of three words in a file; each, with the pause after it, takes 2.2 s."""

    def __init__(self, path: Path, utterances: int) -> None:
        """Writes the file."""
        self.numbers = [number for one in range(utterances) for number in words_of(one, VOICE)]
        """Its words, in order."""
        self.length_s = utterances * EVERY_MS / 1000
        self.source = f"file:{path}"
        sound = np.concatenate([sound_of(one, VOICE, RATE_HZ) for one in range(utterances)])
        soundfile.write(path, sound, RATE_HZ, "PCM_16")


def numbers(finals: Iterable[Mapping[str, Any]]) -> list[int]:
    """The words of finals, as the jsonl sink writes them, in the order of their times."""
    words = [word for final in finals for word in final["words"]]
    return [int(word["text"].strip(".").lower()[1:]) for word in sorted(words, key=lambda word: int(word["start_ms"]))]
