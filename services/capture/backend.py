"""What a source of sound is to Causal: the plug-in door `causal.sources`.

A package that can hear something names a `Backend` class in the entry-point group `causal.sources`; our own enter
by the same door. The class is made with one argument, the wished length of a block in milliseconds, and must not
touch a device or a system library before it is asked to: what is missing is then told as a `SourceError` with a hint.

A class that works on some systems only names them in an attribute `systems`, by their values of `sys.platform`:
`systems = ("darwin",)`. Elsewhere it is left out.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from causal.errors import SourceError
from causal.messages.control import Device

GROUP = "causal.sources"

Samples = npt.NDArray[np.float32]
"""Shape `(frames, channels)`."""

DriverState = Literal["running", "suspended", "muted"]

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who hears a device. All methods are called on the driver's thread, one at a time, and return at once."""

    origin_ns: int
    """Capture clock of the session's start: the time of a file's frame 0."""
    start_ns: int
    """Length of what was heard in an earlier life. A source that can, goes on from there; a device cannot."""

    def on_format(self, rate_hz: int, channels: int) -> None:
        """The device is open. Comes before its first samples."""

    def on_samples(self, samples: Samples, captured_ns: int) -> None:
        """Samples, and the capture clock at the first of them as well as the driver knows it. The array is valid
        during the call only."""

    def on_hole(self, reason: str) -> None:
        """Samples are missing before the next ones: overflow, suspended, moved."""

    def on_state(self, state: DriverState, hint: str = "") -> None:
        """What the system says about the device, and what a person can do about it: how to unmute it, that it is turned
        down, which permission is missing. The hint stands until the next call. May be called on another thread."""

    def on_end(self) -> None:
        """The source is over by itself: a file. Nothing follows."""

    def on_lost(self, error: SourceError) -> None:
        """The device is gone, or could not be opened. Nothing follows."""

    def has_room(self, frames: int) -> bool:
        """Whether so many frames would be kept. Asked by sources that can wait."""

    def run_frames(self) -> int:
        """How many frames the present run has, as whoever hears this longest counts it: chunks begin where it begins.
        Asked by sources that choose when to deliver."""


class Stream(Protocol):
    """One open device."""

    def close(self) -> None:
        """Closes it and returns when the driver's thread will call no more. Never called on that thread."""


class Backend(Protocol):
    """One way to hear. `live` sources are opened once and shared out; the others are opened for each stream, and
    wait while the listener has no room."""

    live: bool

    def devices(self) -> list[Device]:
        """What there is now, without waiting for long. Raises `SourceError` when it cannot be known: then it is asked
        again, soon at first. Called on capture's loop."""

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts to hear a device, and returns at once. Raises `SourceError`, or tells `on_lost` later."""

    def watch(self, on_change: Callable[[], None]) -> Stream | None:
        """Calls `on_change` on any thread whenever `devices` may have changed; None when it never does."""


def load_backends(block_ms: int) -> dict[str, Backend]:
    """The installed backends of this system by name, which is what stands before the colon of their device ids. One
    that cannot be loaded is left out and logged: it must not take the others with it."""
    loaded = {entry.name: _load(entry, block_ms) for entry in entry_points(group=GROUP)}
    return {name: backend for name, backend in loaded.items() if backend is not None}


@contextlib.contextmanager
def told(what: str) -> Iterator[None]:
    """What a backend raises comes out as a `SourceError` that passes, whatever it is: a package of somebody else's, or
    a machine without room for one more process, must not end what others hear."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        hint = "Mostly there is no room on a disk, in memory, or for open files: df -h, free -h, ulimit -n."
        raise SourceError("device-unavailable", f"{what}: {error}", hint, retryable=True) from error
    except Exception as error:
        hint = "This is a mistake in the source backend: tell whoever made it."
        raise SourceError("internal", f"{what}: {error!r}", hint, retryable=True) from error


def _load(entry: EntryPoint, block_ms: int) -> Backend | None:
    try:
        make: Callable[[int], Any] = entry.load()
        if sys.platform not in getattr(make, "systems", (sys.platform,)):
            return None
        backend: Backend = make(block_ms)
    except Exception as error:
        log.warning(
            "source backend %s (%s) cannot be loaded and is left out: %s. Install what it needs, or remove its package",
            entry.name, entry.value, error,
        )  # fmt: skip
        return None
    return backend
