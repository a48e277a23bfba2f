"""The system's sound by a Core Audio tap: the package `catap`, macOS 14.2 and later."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from causal import clock, permission
from causal.clock import NS_PER_S
from causal.errors import SourceError

from .gate import Gate

log = logging.getLogger(__name__)

NOT_PERMITTED = "1852797029"
"""kAudioHardwareNotPermittedError, the letters `nope`. catap has Core Audio's status in its messages only."""

PENDING_BUFFERS = 512
"""Five seconds of 10 ms in catap's queue. When it is full catap gives the capture up, and it is opened again."""


class CoreAudioTap:
    """A tap on everything that is played. catap calls `on_buffer` on a thread of its own.

    Whether the tap is allowed nobody says: a forbidden one delivers zeros, or, on some versions, does not start. After
    sleep, or when the loudspeakers get another format, catap does not go on: that is a failure, or silence without a
    word, and either way the tap is opened again.
    """

    zeros_hint = f"only zeros are delivered: nothing is playing, or a permission is missing. {permission.SOUND_HINT}"

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._session: Any = None
        self._next_frame: float | None = None
        self._unfit: SourceError | None = None

    def start(self) -> None:
        try:
            import catap
        except ImportError as error:
            raise SourceError(
                "device-unavailable",
                f"the package that taps the system's sound cannot be loaded ({error})",
                "python -m pip install catap",
            ) from error
        self._session = catap.record_system_audio(on_buffer=self._on_buffer, max_pending_buffers=PENDING_BUFFERS)
        try:
            self._session.start()
        except Exception as error:  # OSError, RuntimeError and errors of catap's own
            raise _refused(error) from error

    def failure(self, within_s: float) -> SourceError | None:
        try:
            failed = self._session.wait_for_capture_failure(within_s)
        except RuntimeError:  # it records no more
            failed = True
        return self._unfit or (self._ended() if failed else None)

    def close(self) -> None:
        """Ends the tap. What catap could not undo it undoes at the second try."""
        for _ in range(2):
            try:
                if self._session is not None:
                    self._session.close()
                return
            except Exception as error:
                log.info("the tap was closed with an error: %s", error)

    def _ended(self) -> SourceError:
        """Why, only the end of catap's session tells."""
        try:
            self._session.stop()
            why = "without a reason"
        except Exception as error:
            why = str(error).partition(" (")[0]  # without its records of formats
        return SourceError(
            "device-lost", f"the tap on the system's sound ended: {why}", "It is opened again.", retryable=True
        )

    def _on_buffer(self, buffer: Any) -> None:
        now_ns = clock.now_ns()
        sound, rate_hz, frames = buffer.format, round(buffer.format.sample_rate), buffer.frame_count
        if not sound.is_float or sound.bits_per_sample != 32:
            self._unfit = _unfit(sound)
            return
        if buffer.input_sample_time is not None:
            if self._next_frame is not None and abs(buffer.input_sample_time - self._next_frame) >= 1:
                self._gate.on_hole("overflow")
            self._next_frame = buffer.input_sample_time + frames
        samples = np.frombuffer(buffer.data, "<f4").reshape(frames, sound.num_channels)
        self._gate.on_samples(samples, rate_hz, now_ns - frames * NS_PER_S // rate_hz)


def _refused(error: Exception) -> SourceError:
    if NOT_PERMITTED in str(error):
        return SourceError(
            "permission-denied",
            "macOS does not let us hear what the computer plays ('nope')",
            permission.SOUND_HINT,
            retryable=True,
        )
    return SourceError(
        "device-unavailable", f"the tap on the system's sound cannot be opened: {error}", "It is tried again.",
        retryable=True,
    )  # fmt: skip


def _unfit(sound: Any) -> SourceError:
    found = f"{sound.bits_per_sample}-bit {sound.sample_type} samples"
    hint = "python -m pip install --upgrade catap"
    return SourceError("format-unsupported", f"the tap delivers {found}; float32 was expected", hint)
