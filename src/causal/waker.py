"""Wakes the loop from a driver's thread."""

from __future__ import annotations

import contextlib
import socket


class Waker:
    """A descriptor that becomes readable after `wake`. Many calls before the loop comes are one. No thread waits."""

    def __init__(self) -> None:
        # A pair of sockets and not a pipe: on Windows a poller takes nothing else.
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)
        self._awake = False

    @property
    def fd(self) -> int:
        return self._near.fileno()

    def wake(self) -> None:
        """May be called on any thread."""
        if not self._awake:
            self._awake = True
            with contextlib.suppress(OSError):  # full, so it wakes anyhow; or closed
                self._far.send(b"!")

    def rest(self) -> None:
        """Call it in the loop before looking for what has come."""
        with contextlib.suppress(BlockingIOError):
            self._near.recv(64)
        self._awake = False

    def close(self) -> None:
        self._near.close()
        self._far.close()
