"""The speech model: samples in, tokens out, with how sure it was and where it looked (Moonshine base-en)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from .hypothesis import FRAME_SAMPLES, NOTHING, RATE_HZ, Hypothesis, Samples
from .runtime import open_session
from .vocabulary import END, START, Vocabulary, read_vocabulary

SHORTEST_SAMPLES = RATE_HZ // 10
"""Anything shorter is no speech, and below 0.06 s the model's convolutions have nothing to work on."""

TOKENS_PER_S = 6.5
"""Nobody speaks faster; a model caught in a loop does."""

RETRY_SAMPLES = RATE_HZ * 8 // 10
"""Nothing heard in a segment that is longer than this is worth a second try."""

LEAD_FRAMES = 4
"""The silence put before the segment in the second try: 96 ms."""

State = Mapping[str, Samples]


def never() -> bool:
    """The patience of a final."""
    return False


class Moonshine:
    """One loaded model, for any number of streams and threads."""

    def __init__(self, folder: Path) -> None:
        self.vocabulary: Vocabulary = read_vocabulary(folder / "tokenizer.bin")
        self._encoder = open_session(folder / "encoder.onnx")
        self._decoder = open_session(folder / "decoder.onnx")
        self._audio = self._encoder.get_inputs()[0].name
        self._cross = [output.name for output in self._encoder.get_outputs()]
        self._present = [output.name for output in self._decoder.get_outputs() if output.name.startswith("present")]
        self._past = [name.replace("present", "past_key_values") for name in self._present]
        shapes = {value.name: value.shape for value in self._decoder.get_inputs()}
        self._no_past = {
            name: np.zeros((1, shapes[name][1], 0, shapes[name][3]), np.float32) for name in self._past
        }  # fmt: skip

    def draft(self, samples: Samples, before: Hypothesis, give_up: Callable[[], bool]) -> Hypothesis:
        """What the samples seem to say so far.

        ``before``, what was heard up to now, costs a single step for as much of it as still holds. ``give_up`` is asked
        before each further token; when it says yes, what there is comes back, marked as not complete.
        """
        return self._read(samples, before, give_up)

    def confirm(self, samples: Samples, before: Hypothesis) -> Hypothesis:
        """The last word on these samples.

        The model now and then ends at once in clear speech. A little silence ahead of it helps; if not, ``before`` is
        taken for what was said.
        """
        heard = self._read(samples, before)
        if heard.tokens or len(samples) <= RETRY_SAMPLES:
            return heard
        lead = np.zeros(LEAD_FRAMES * FRAME_SAMPLES, np.float32)
        again = self._read(np.concatenate([lead, samples]))
        if again.tokens:
            return Hypothesis(again.tokens, again.confidences, again.attention[:, :, LEAD_FRAMES:])
        return before

    def _read(
        self, samples: Samples, before: Hypothesis = NOTHING, give_up: Callable[[], bool] = never
    ) -> Hypothesis:  # fmt: skip
        if len(samples) < SHORTEST_SAMPLES:
            return NOTHING
        cross = dict(zip(self._cross, self._encoder.run(None, {self._audio: samples[None]}), strict=True))
        most = int(len(samples) / RATE_HZ * TOKENS_PER_S) + 2
        given = [START, *before.tokens[:most]]
        logits, past, looked = self._step(given, cross, self._no_past)
        best = logits.argmax(-1)
        held = 0
        while held < len(given) - 1 and best[held] == given[held + 1]:
            held += 1
        tokens, following = given[1 : held + 1], int(best[held])
        sure, looks = list(certainty(logits[: held + 1])), [looked[:, : held + 1]]
        past = {name: state[:, :, : held + 1] for name, state in past.items()}
        while (unfinished := following != END and len(tokens) < most) and not give_up():
            tokens.append(following)
            logits, past, looked = self._step([following], cross, past)
            following = int(logits[-1].argmax())
            sure.extend(certainty(logits))
            looks.append(looked)
        attention = np.concatenate(looks, axis=1)[:, : len(tokens)]  # the last look decided that there is no more
        return Hypothesis(tuple(tokens), tuple(sure[: len(tokens)]), attention, complete=not unfinished)

    def _step(self, tokens: list[int], cross: State, past: State) -> tuple[Samples, dict[str, Samples], Samples]:
        """(logits per token, the longer past, attention per token)."""
        given = {"input_ids": np.array([tokens], np.int64), **cross, **past}
        logits, attention, *present = self._decoder.run(["logits", "attention", *self._present], given)
        return logits[0], dict(zip(self._past, present, strict=True)), attention


def certainty(logits: Samples) -> list[float]:
    """The probability of the likeliest token, for each row."""
    top = logits.max(-1, keepdims=True)
    return [float(value) for value in 1.0 / np.exp(logits - top).sum(-1)]
