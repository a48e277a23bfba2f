"""The sending half of the way from capture to resampler: numbers, resends, forgets. Opens nothing."""

from __future__ import annotations

from causal.messages import Block, Next

from .backend import Samples
from .ring import Held, Ring

REPEAT_AFTER_S = 0.05
"""The receiver may ask for the same block once for each that comes after it; it is sent again once in this time."""


class Sender:
    """One stream's blocks on their way to one receiver.

    The ring keeps what is not acknowledged; `pending` is the next block to send, and `on_next` goes back to the
    one that the receiver misses (go-back-n). Whatever comes twice, the receiver drops.
    """

    def __init__(self, stream: str, epoch: int, ring: Ring) -> None:
        self.stream = stream
        self.epoch = epoch
        self.resent_blocks = 0
        self._ring = ring
        self._cursor = 0
        self._went_back = (-1, 0.0)

    @property
    def done(self) -> bool:
        """Whether the receiver has everything, the end included."""
        return self._ring.ended and self._ring.tail == self._ring.head

    def pending(self) -> tuple[Block, Samples] | None:
        """The block to send next, None when there is none. It stays the same until `sent`."""
        if self._cursor >= self._ring.head:
            return None
        held = self._ring.held(self._cursor)
        return self._block(held), held.samples

    def sent(self) -> None:
        """The pending block has left."""
        self._cursor += 1

    def on_next(self, message: Next, now_s: float) -> None:
        """What the receiver has, and what it misses. An answer to another turn at the stream acknowledges nothing."""
        if message.stream != self.stream or message.epoch > self.epoch:
            return
        wanted = self._ring.tail
        if message.epoch == self.epoch:
            if max(message.n, message.wanted) > self._ring.head:
                return
            self._ring.release(message.n)
            self._cursor = max(self._cursor, self._ring.tail)
            wanted = max(message.wanted, self._ring.tail)
        if message.resend:
            self._go_back(wanted, now_s)

    def reconnected(self) -> None:
        """The receiver is another one, or has moved: what is not acknowledged is sent again."""
        self._cursor = self._ring.tail

    def _go_back(self, n: int, now_s: float) -> None:
        last_n, last_s = self._went_back
        if n >= self._cursor or (n == last_n and now_s - last_s < REPEAT_AFTER_S):
            return
        self._went_back = (n, now_s)
        self.resent_blocks += self._cursor - n
        self._cursor = n

    def _block(self, held: Held) -> Block:
        return Block(
            stream=self.stream,
            epoch=self.epoch,
            n=self._cursor,
            captured_ns=held.captured_ns,
            rate_hz=held.rate_hz,
            channels=held.channels,
            frames=len(held.samples),
            segment=held.segment,
            segment_started_ns=held.segment_started_ns,
            segment_frame=held.segment_frame,
            gap_reason=held.gap_reason,
            end=held.end,
        )
