"""The receiving half of the way from capture: blocks in order, each once, whatever gets lost. Opens nothing.

    block n    == wanted   take it
                < wanted   drop it: it came before
                > wanted   a hole: drop it, ask for `wanted`

A sender keeps all that is not acknowledged, so what is wanted comes. Only a receiver that starts anew cannot name it:
it wants block 0, hears of a later one, asks, and takes the oldest that the sender goes back to. A number not above the
one before it shows that the sender went back.
"""

from __future__ import annotations

from causal.messages import Block, Next

TELL_EVERY_S = 0.2
EARLY_S = 0.04
"""So much earlier it may be, for a block that comes then is worth no turn of its own."""


class Inlet:
    """Decides which blocks of one stream are taken, and when the sender is told what is wanted."""

    def __init__(self, stream: str) -> None:
        self.epoch = -1
        """The sender's turn that is listened to; -1 before any was heard."""
        self.wanted = 0
        self.dropped_blocks = 0
        """Came too early, twice, or from an older sender."""
        self._stream = stream
        self._newest = -1
        self._missing = True
        self._told_s: float | None = None

    def take(self, block: Block) -> bool:
        """Whether this block is the next one."""
        if block.epoch < self.epoch:
            self.dropped_blocks += 1
            return False
        if block.epoch > self.epoch:
            self._begin(block.epoch)
        oldest = self.wanted == 0 and self._missing and block.n <= self._newest
        self._newest = block.n
        if block.n == self.wanted or oldest:
            self.wanted = block.n + 1
            self._missing = False
            return True
        self.dropped_blocks += 1
        if block.n > self.wanted and not self._missing:
            self._missing = True
            self.hurry()
        return False

    def hurry(self) -> None:
        """There is news for the sender; it need not wait for its time."""
        self._told_s = None

    def is_due(self, now_s: float) -> bool:
        """Whether the sender should be told something now: there is news, or the last time was a while ago."""
        return self._told_s is None or now_s - self._told_s >= TELL_EVERY_S - EARLY_S

    def tell(self, safe: int, position: int, now_s: float) -> Next:
        """What to tell the sender. All blocks before `safe` may be forgotten; the journal ends at `position`."""
        self._told_s = now_s
        return Next(
            stream=self._stream,
            epoch=self.epoch,
            n=safe,
            wanted=self.wanted,
            resend=self._missing,
            position=position,
        )

    def _begin(self, epoch: int) -> None:
        self.epoch = epoch
        self.wanted = 0
        self._newest = -1
        self._missing = False
        self.hurry()
