"""What is still heard of a device that is to be left for another one.

    sound ━━━━━━━━━━━━━┄┄┄┄┄┄┄┄┄        the old device: its sound moves away, silence is held back
                        ▲   ▲  ┏━━━━━▶  the new one is wanted, answers, is heard
                       ╰──gap──╯

Where sound follows a silence, the silence was part of it and is heard too. Where none does, the sound has gone to the
new device: what that one played before it was heard is missing.
"""

from __future__ import annotations

import numpy as np

from causal.clock import NS_PER_MS, NS_PER_S

from .backend import Samples
from .level import audible_frames

SILENT_NS = 100 * NS_PER_MS
"""A shorter silence is part of a sound: busy servers leave some hundredths of a second out."""

MOVED_NS = NS_PER_S // 2
"""After so long a silence the device is left for one that answers, though that one is not heard yet."""


class Parting:
    """One stream that is to leave a device. Holds back the silence at the end: of `MOVED_NS` and a block, once the
    other device answers; until then as much as its user has patience for."""

    def __init__(self, rate_hz: int) -> None:
        self.answered = False
        """Whether the other device answers. This one is not left before."""
        self._rate_hz = rate_hz
        self._held: list[tuple[int, Samples]] = []

    @property
    def has_fallen_silent(self) -> bool:
        return self._silent_ns >= SILENT_NS

    @property
    def is_over(self) -> bool:
        return self.answered and self._silent_ns >= MOVED_NS

    def take(self, samples: Samples, captured_ns: int) -> list[tuple[int, Samples]]:
        """A block comes in. The blocks to be heard now, each with its time."""
        stop = audible_frames(samples)
        heard = [*self.release(), (captured_ns, samples[:stop])] if stop else []
        if stop < len(samples):
            silent_ns = captured_ns + stop * NS_PER_S // self._rate_hz
            self._held.append((silent_ns, np.array(samples[stop:])))
        return heard

    def release(self) -> list[tuple[int, Samples]]:
        """What was held back."""
        held, self._held = self._held, []
        return held

    @property
    def _silent_ns(self) -> int:
        return sum(len(samples) for _, samples in self._held) * NS_PER_S // self._rate_hz
