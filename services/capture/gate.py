"""The door between a driver's threads and a listener: joins small buffers, and can be shut for good."""

from __future__ import annotations

import threading

import numpy as np

from causal.clock import NS_PER_S

from .backend import Listener, Samples


class Gate:
    """Hands blocks of `block_ms` on to a listener, as long as it is open.

    Size: one block. A full block is handed on at once; a partial one goes before a hole, another format, or the end.
    Drivers may write on any of their threads, one call at a time is let in. After `shut` nothing comes through.
    """

    def __init__(self, listener: Listener, block_ms: int) -> None:
        self.buffers = 0
        """How many a driver has handed in."""
        self.zeros_s = 0.0
        """Length of what was delivered before anything but zeros came."""
        self.sounded = False
        """Whether anything but zeros came."""
        self._listener = listener
        self._block_ms = block_ms
        self._lock = threading.Lock()
        self._open = True
        self._format = (0, 0)
        self._block: Samples = np.zeros((0, 1), np.float32)
        self._filled = 0
        self._started_ns = 0

    def on_samples(self, samples: Samples, rate_hz: int, captured_ns: int) -> None:
        """Samples of shape `(frames, channels)`, and the capture clock at the first of them."""
        with self._lock:
            self.buffers += 1
            if not self.sounded:
                self.sounded = bool(samples.any())
                self.zeros_s += len(samples) / rate_hz
            if not self._open:
                return
            if self._format != (rate_hz, samples.shape[1]):
                self._change_format(rate_hz, samples.shape[1])
            done = 0
            while done < len(samples):
                if self._filled == 0:
                    self._started_ns = captured_ns + done * NS_PER_S // rate_hz
                count = min(len(samples) - done, len(self._block) - self._filled)
                self._block[self._filled : self._filled + count] = samples[done : done + count]
                self._filled += count
                done += count
                if self._filled == len(self._block):
                    self._hand_on()

    def on_hole(self, reason: str) -> None:
        with self._lock:
            if self._open:
                self._hand_on()
                self._listener.on_hole(reason)

    def shut(self) -> None:
        """When this returns, the listener hears nothing more from here."""
        with self._lock:
            if self._open:
                self._hand_on()
                self._open = False

    def _change_format(self, rate_hz: int, channels: int) -> None:
        self._hand_on()
        self._format = (rate_hz, channels)
        self._block = np.zeros((max(1, rate_hz * self._block_ms // 1000), channels), np.float32)
        self._listener.on_format(rate_hz, channels)

    def _hand_on(self) -> None:
        if self._filled:
            self._listener.on_samples(self._block[: self._filled], self._started_ns)
            self._filled = 0
