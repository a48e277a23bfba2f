"""Turns as AssemblyAI sends them, from words with times: both model families, one final or two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .oracle_speech import Decoder

Message = dict[str, Any]

EARLY_START_MS = 990
LATE_END_MS = 240


@dataclass(frozen=True)
class ScriptWord:
    """A word, and where in the session's audio it is."""

    text: str
    start_ms: int
    end_ms: int


class Ear(Protocol):
    """Finds words in the audio of one session, piece by piece."""

    @property
    def is_speaking(self) -> bool:
        """Whether a word is open now."""

    def hear(self, samples: npt.NDArray[np.int16], until_ms: int) -> list[ScriptWord]:
        """The words that ended in `samples`, which reach to `until_ms`."""

    def flush(self) -> list[ScriptWord]:
        """The word that was open at the end."""


class ScriptEar:
    """Says the words of a script when the audio has come so far, whatever is in it."""

    def __init__(self, script: Sequence[ScriptWord]) -> None:
        self._left = list(script)
        self._until_ms = 0

    @property
    def is_speaking(self) -> bool:
        return bool(self._left) and self._left[0].start_ms <= self._until_ms

    def hear(self, samples: npt.NDArray[np.int16], until_ms: int) -> list[ScriptWord]:
        self._until_ms = until_ms
        ended = [word for word in self._left if word.end_ms <= until_ms]
        self._left = self._left[len(ended) :]
        return ended

    def flush(self) -> list[ScriptWord]:
        return [replace(self._left.pop(0), end_ms=self._until_ms)] if self.is_speaking else []


class OracleEar:
    """Understands `oracle_speech` at 16 kHz: the transcript depends on the audio."""

    def __init__(self) -> None:
        self._decoder = Decoder()

    @property
    def is_speaking(self) -> bool:
        return self._decoder.is_open

    def hear(self, samples: npt.NDArray[np.int16], until_ms: int) -> list[ScriptWord]:
        return [ScriptWord(word.text, word.start_ms, word.end_ms) for word in self._decoder.push(samples)]

    def flush(self) -> list[ScriptWord]:
        return [ScriptWord(word.text, word.start_ms, word.end_ms) for word in self._decoder.flush()]


@dataclass(frozen=True)
class TurnStyle:
    """How the service words its turns."""

    pro: bool
    """The whole turn anew in each partial, always formatted; else word by word."""
    formatted: bool
    two_finals: bool
    """A formatted turn ends plain first. Word by word only."""
    wrong_edges: bool
    """The first word starts 990 ms early, the last ends 240 ms late."""


class TurnWriter:
    """The messages about one turn after the other."""

    def __init__(self, style: TurnStyle) -> None:
        self.style = style
        self.words: list[ScriptWord] = []
        """The open turn's."""
        self._order = 0

    def add(self, word: ScriptWord) -> list[Message]:
        """A word was said: the partials that tell of it."""
        first = not self.words
        self.words.append(word)
        if not self.style.pro:
            return [self._streaming_partial()]
        started: list[Message] = [{"type": "SpeechStarted", "timestamp": word.start_ms, "confidence": 0.8}]
        return (started if first else []) + [self._message(self._formatted_text(), ended=False, formatted=True)]

    def end(self) -> list[Message]:
        """The turn is over: its final, or both of them."""
        if not self.words:
            return []
        plain = " ".join(word.text for word in self.words)
        finals = []
        if not self.style.formatted or self.style.two_finals:
            finals.append(self._message(plain, ended=True, formatted=False))
        if self.style.formatted:
            finals.append(self._message(self._formatted_text(), ended=True, formatted=True))
        self._order += 1
        self.words = []
        return finals

    def empty_end(self) -> Message:
        """The empty final that word-by-word models may send after `Terminate`."""
        return self._message("", ended=True, formatted=self.style.formatted)

    def _streaming_partial(self) -> Message:
        """The newest word is not settled yet, and `transcript` has only settled ones: none, for the first."""
        settled = " ".join(word.text for word in self.words[:-1])
        message = self._message(settled, ended=False, formatted=False)
        message["words"][-1]["word_is_final"] = False
        return message

    def _message(self, transcript: str, *, ended: bool, formatted: bool) -> Message:
        return {
            "type": "Turn",
            "turn_order": self._order,
            "turn_is_formatted": formatted,
            "end_of_turn": ended,
            "end_of_turn_confidence": 1.0 if ended else 0.0,
            "transcript": transcript,
            "utterance": transcript if ended else "",
            "words": [self._word(word, ended) for word in self._edged()],
        }

    def _word(self, word: ScriptWord, ended: bool) -> Message:
        return {
            "start": word.start_ms,
            "end": word.end_ms,
            "text": word.text,
            "confidence": 0.95,
            "word_is_final": ended or not self.style.pro,
        }

    def _edged(self) -> list[ScriptWord]:
        words = list(self.words)
        if words and self.style.wrong_edges:
            words[0] = replace(words[0], start_ms=max(0, words[0].start_ms - EARLY_START_MS))
            words[-1] = replace(words[-1], end_ms=words[-1].end_ms + LATE_END_MS)
        return words

    def _formatted_text(self) -> str:
        text = " ".join(word.text for word in self.words)
        return f"{text[:1].upper()}{text[1:]}."
