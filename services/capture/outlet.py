"""One stream's way out: its ring, its sender, and the socket to the resampler that has it."""

from __future__ import annotations

import zmq

from causal import clock, topics, wire
from causal.latency import Latency
from causal.loop import send_now
from causal.messages import Next, QueueDepth
from causal.messages.control import Assignment, Fault
from causal.transport import Lines

from .ring import Ring
from .sender import Sender

SEND_MARK = 256
"""Blocks that wait in the socket: a ring full of them. Whatever is lost with it, the ring still has."""

OVERFLOW_SHOWN_S = 5.0


class Outlet:
    """Passes the ring's blocks on, and never waits."""

    def __init__(self, assignment: Assignment, context: zmq.Context[zmq.Socket[bytes]], lines: Lines) -> None:
        self.assignment = assignment
        former_life = assignment.epoch > 1 and not assignment.device.startswith("file:")
        self.ring = Ring(since_ns=assignment.started_ns, reason="restarted" if former_life else "")
        self.sender = Sender(assignment.stream, assignment.epoch, self.ring)
        self.peer: str | None = None
        self._context = context
        self._lines = lines
        self._socket: zmq.Socket[bytes] | None = None
        self._newest = -1
        self._overflow_seen = 0
        self._overflow_s = -OVERFLOW_SHOWN_S

    def assign(self, assignment: Assignment) -> None:
        """The controller's word on this stream; another resampler gets all that is not acknowledged."""
        self.assignment = assignment
        peer = assignment.peers.get("resample")
        if peer == self.peer:
            return
        self.close()
        self.peer = peer
        if peer is None:
            return
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.immediate = True
        self._socket.sndhwm = SEND_MARK
        self._socket.linger = 0
        self._lines.connect(self._socket, f"resample-{peer}.in")
        self.sender.reconnected()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, latency: Latency) -> None:
        """Sends what is pending, as far as the socket takes it."""
        while self._socket is not None and (pending := self.sender.pending()) is not None:
            block, samples = pending
            if not send_now(self._socket, wire.pack(topics.BLOCK, block, samples)):
                return
            self.sender.sent()
            if block.n > self._newest:
                self._newest = block.n
                if block.frames and not self.assignment.device.startswith("file:"):
                    heard_ns = block.captured_ns + block.frames * clock.NS_PER_S // block.rate_hz
                    latency.add((clock.now_ns() - heard_ns) / clock.NS_PER_MS)

    def on_next(self, message: Next, now_s: float) -> None:
        self.sender.on_next(message, now_s)

    def queue(self) -> QueueDepth:
        """The ring, in milliseconds."""
        dropped_ms = self.ring.overflow_frames * 1000 // self.ring.rate_hz if self.ring.rate_hz else 0
        return QueueDepth(depth=self.ring.depth_ms, capacity=round(self.ring.seconds * 1000), dropped=dropped_ms)

    def overflow(self, now_s: float) -> Fault | None:
        """Says that the ring runs over, while it does and a little longer. Always in the same words: others would be
        another event, stored for good. How much it is, `queue` tells."""
        if self.ring.overflow_frames > self._overflow_seen:
            self._overflow_seen, self._overflow_s = self.ring.overflow_frames, now_s
        if now_s - self._overflow_s >= OVERFLOW_SHOWN_S:
            return None
        return Fault(
            code="buffer-overflow",
            message=f"sound is not kept: the resampler has taken nothing for {self.ring.seconds:.0f} s",
            hint="See causal-ctl status for causal-resample. What was not kept is marked as a gap.",
            retrying=True,
        )
