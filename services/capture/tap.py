"""What the computer plays, on macOS: `tap:system`. One device, whatever the loudspeakers are.

    macOS 14.4 and later    a Core Audio tap, by `catap`
    macOS 14.2, 14.3        the same; where it cannot be had, ScreenCaptureKit
    macOS 13.0 to 14.1      ScreenCaptureKit, by pyobjc

Both take their time to open, so each stream has a thread that opens, watches and closes. Never run on a Mac: only
against the fakes in `causal.testing`, which do what the documents say.
"""

from __future__ import annotations

import contextlib
import logging
import platform
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from causal.errors import SourceError
from causal.messages.control import Device

from .backend import Listener, Stream
from .gate import Gate
from .tap_core_audio import CoreAudioTap
from .tap_screen import ScreenSound

log = logging.getLogger(__name__)

SYSTEM_ID = "tap:system"
CHECK_S = 0.25
NOTHING_WITHIN_S = 3.0
"""Both ways deliver zeros when nothing plays; one that delivers nothing is broken, and may not say so."""
ZEROS_FOR_S = 20.0
"""After so long it is said that zeros may mean a missing permission, if nothing else was ever heard."""
CLOSE_WITHIN_S = 2.0
"""A driver that hangs is left to its thread: the gate keeps it from being heard."""


class Way(Protocol):
    """One way to hear what the computer plays. All is called on one thread."""

    zeros_hint: str
    """What may be wrong when nothing but zeros come; empty when that is silence and nothing else."""

    def start(self) -> None:
        """Begins to write into the gate; may take seconds. Raises `SourceError`."""

    def failure(self, within_s: float) -> SourceError | None:
        """What has ended it, None when so much time has passed without an end."""

    def close(self) -> None:
        """Ends it, also after a `start` that failed."""


def ways(version: tuple[int, ...]) -> tuple[type[CoreAudioTap] | type[ScreenSound], ...]:
    """What to try on this version of macOS, in order. Raises `SourceError` when there is nothing."""
    if version >= (14, 4):
        return (CoreAudioTap,)
    if version >= (14, 2):
        return (CoreAudioTap, ScreenSound)
    if version >= (13, 0):
        return (ScreenSound,)
    raise SourceError(
        "device-unavailable",
        f"macOS {'.'.join(map(str, version))} does not let programs hear what the computer plays",
        "macOS 13 and later do.",
    )


class TapBackend:
    """The one id is `tap:system`."""

    live = True
    systems = ("darwin",)

    def __init__(self, block_ms: int = 50) -> None:
        self._block_ms = block_ms

    def devices(self) -> list[Device]:
        """The system's sound. Raises `SourceError` where macOS is too old for it."""
        if sys.platform != "darwin":
            return []
        ways(_version())
        return [
            Device(
                id=SYSTEM_ID, name="System sound", kind="loopback", backend="tap", default=True,
                channels=2, rate_hz=48_000,
            )
        ]  # fmt: skip

    def open(self, device_id: str, listener: Listener) -> Stream:
        """Starts to hear; what stands in the way is told later."""
        if device_id != SYSTEM_ID:
            raise SourceError("device-not-found", f"nothing hears {device_id!r}", f"There is one tap: {SYSTEM_ID}.")
        return TapStream(listener, self._block_ms, ways(_version()))

    def watch(self, on_change: Callable[[], None]) -> Stream | None:
        """None: it follows the loudspeakers by itself."""
        return None


class TapStream:
    """Hears by the first of several ways that opens, on a thread of its own."""

    def __init__(self, listener: Listener, block_ms: int, choice: tuple[Callable[[Gate], Way], ...]) -> None:
        self._listener = listener
        self._gate = Gate(listener, block_ms)
        self._choice = choice
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=SYSTEM_ID, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._gate.shut()
        self._thread.join(CLOSE_WITHIN_S)

    def _run(self) -> None:
        try:
            with _autorelease_pool(), contextlib.closing(self._started()) as way:
                error = self._watch(way)
        except SourceError as refused:
            error = refused
        except Exception as strange:
            log.exception("the tap ended")
            error = SourceError("internal", f"the tap ended: {strange}", retryable=True)
        self._gate.shut()
        if error is not None and not self._closing.is_set():
            self._listener.on_lost(error)

    def _started(self) -> Way:
        """The first way that opens; if there is none, what the first one said."""
        refusals: list[SourceError] = []
        for make in self._choice:
            way = make(self._gate)
            try:
                way.start()
                return way
            except SourceError as refusal:
                way.close()
                refusals.append(refusal)
        raise refusals[0]

    def _watch(self, way: Way) -> SourceError | None:
        """Returns when it was closed, or with what has ended it. Time that nobody saw pass, for the Mac slept, is no
        sign of anything."""
        buffers, silent_s, doubted = 0, 0.0, False
        while not self._closing.is_set():
            if error := way.failure(CHECK_S):
                return error
            silent_s = silent_s + CHECK_S if self._gate.buffers == buffers else 0.0
            buffers = self._gate.buffers
            if silent_s >= NOTHING_WITHIN_S:
                return _nothing_came(ever=buffers > 0)
            doubtful = bool(way.zeros_hint) and not self._gate.sounded and self._gate.zeros_s >= ZEROS_FOR_S
            if doubtful != doubted:
                doubted = doubtful
                self._listener.on_state("running", way.zeros_hint if doubtful else "")
        return None


def _nothing_came(*, ever: bool) -> SourceError:
    found = f"macOS has delivered no sound, not even silence, for {NOTHING_WITHIN_S:.0f} s"
    if ever:
        return SourceError("device-lost", found, "It is opened again.", retryable=True)
    hint = "It is tried again. If it stays so: choose another output in the sound settings, or log out and in."
    return SourceError("device-unavailable", found, hint, retryable=True)


def _autorelease_pool() -> AbstractContextManager[object]:
    """What a thread needs that calls Objective-C."""
    try:
        import objc
    except ImportError:
        return nullcontext()
    pool: AbstractContextManager[object] = objc.autorelease_pool()
    return pool


def _version() -> tuple[int, ...]:
    return tuple(int(part) for part in platform.mac_ver()[0].split(".") if part.isdigit())
