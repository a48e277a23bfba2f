"""The two neighbours of a resampler's stream: a sender of blocks, and a desk that keeps the chunks.

sender = Sender().blocks(noise(48_000), 960).end()
desk = Desk().send(sender)
assert np.array_equal(desk.heard, one_shot(noise(48_000), 48_000))
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Self

import numpy as np
import numpy.typing as npt
import soxr

from causal.messages import Block, Chunk, Gap, Next
from causal.resample.stream import Action, KeepChunk, PublishGap, Stream

STREAM = "s1/mic"
STARTED_NS = 10**15

Sound = npt.NDArray[np.float32]


def noise(frames: int, seed: int = 0) -> Sound:
    return (np.random.default_rng(seed).standard_normal(frames) * 0.2).astype(np.float32)


def one_shot(sound: Sound, rate_hz: int) -> npt.NDArray[np.int16]:
    """What a stream must make of `sound`, whatever its blocks."""
    samples = sound if rate_hz == 16000 else soxr.resample(sound, rate_hz, 16000, quality="HQ")
    rounded: npt.NDArray[np.int16] = np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)
    return rounded


class Sender:
    """What capture does, in a few lines: numbers its blocks, keeps them until they are acknowledged, goes back."""

    def __init__(
        self,
        epoch: int = 1,
        segment_started_ns: int = STARTED_NS,
        rate_hz: int = 48000,
        segment_frame: int = 0,
        ppm: int = 0,
    ) -> None:
        """A device whose clock is `ppm` fast delivers more frames in a second than it says."""
        self.epoch, self.rate_hz, self.number = epoch, rate_hz, -1
        self.true_rate = Fraction(rate_hz * (10**6 + ppm), 10**6)
        self.kept: list[tuple[Block, Sound]] = []
        self.cursor = self.oldest = 0
        self.segment(segment_started_ns, segment_frame)

    def segment(self, started_ns: int, frame: int = 0, reason: str = "") -> None:
        self.started_ns, self.frame, self.reason = started_ns, frame, reason
        self.number += 1

    def block(self, sound: Sound, end: bool = False) -> Self:
        frames = len(sound)
        captured_ns = self.started_ns + int(self.frame * 10**9 / self.true_rate + Fraction(1, 2))
        block = Block(
            stream=STREAM,
            epoch=self.epoch,
            n=len(self.kept),
            captured_ns=captured_ns,
            rate_hz=self.rate_hz,
            channels=1,
            frames=frames,
            segment=self.number,
            segment_started_ns=self.started_ns,
            segment_frame=self.frame,
            gap_reason=self.reason,
            end=end,
        )
        self.kept.append((block, sound))
        self.frame += frames
        self.reason = ""
        return self

    def blocks(self, sound: Sound, frames: int) -> Self:
        for at in range(0, len(sound), frames):
            self.block(sound[at : at + frames])
        return self

    def end(self, reason: str = "") -> Self:
        self.reason = reason
        return self.block(np.zeros(0, np.float32), end=True)

    def on_next(self, told: Next) -> None:
        if told.epoch == self.epoch:
            self.oldest = max(self.oldest, told.n)
        if told.resend:
            self.cursor = max(told.wanted if told.epoch == self.epoch else 0, self.oldest)


class Desk:
    """A resampler process: carries out what its stream says, with a list for a journal. `kill` starts a new one."""

    def __init__(self, pace_s: float = 0.05) -> None:
        self.journal: list[tuple[Chunk, npt.NDArray[np.int16]]] = []
        self.gaps: dict[str, Gap] = {}
        self.now_s, self.told = 0.0, 0
        self.pace_s = pace_s
        self.kill()

    def kill(self, undone: int = 0) -> None:
        """So many of the chunks since the last acknowledgement were not written yet."""
        del self.journal[max(self.told, len(self.journal) - undone) :]
        self.stream = Stream(STREAM, STARTED_NS, self.journal[-1][0] if self.journal else None)

    def carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            match action:
                case KeepChunk(chunk, samples):
                    assert chunk.index == len(self.journal), "every index once, without holes"
                    self.journal.append((chunk, samples))
                case PublishGap(gap, key):
                    self.gaps[key] = gap

    def send(self, sender: Sender, stop: int | None = None) -> Self:
        """Moves blocks until all up to `stop` have arrived; time passes, answers come."""
        stop = len(sender.kept) if stop is None else stop
        self.tell(sender)
        for _ in range(20 * len(sender.kept) + 100):
            if sender.cursor >= stop:
                return self
            block, sound = sender.kept[sender.cursor]
            sender.cursor += 1
            self.carry_out(self.stream.hear(block, sound))
            self.tell(sender)
        raise AssertionError("no progress")

    def tell(self, sender: Sender) -> None:
        self.now_s += self.pace_s
        told = self.stream.tell(self.now_s)
        if told is not None:
            self.told = len(self.journal)
            sender.on_next(told)

    @property
    def heard(self) -> npt.NDArray[np.int16]:
        return np.concatenate([samples[: chunk.valid] for chunk, samples in self.journal])

    @property
    def chunks(self) -> list[Chunk]:
        return [chunk for chunk, _ in self.journal]
