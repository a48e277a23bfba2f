"""A voice that speaks into a sound server, one utterance after the other, and knows when each was to be heard.

    with Mouth(pulse.server, "speakers", lambda number: sound_of(number, 1, RATE_HZ)) as mouth:
        ...
    for said in mouth.said():

The server is asked all the time how long a sample still has to go, so the time of an utterance does not depend on who
listens. When the loudspeaker or the server goes, the mouth waits for it and speaks on with the next utterance.
"""

from __future__ import annotations

import ctypes
import statistics
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from causal import clock

from .meanwhile import Meanwhile

RATE_HZ = 48_000
PIECE = RATE_HZ // 20
BUFFER_S = 0.6
"""So much waits in the server: this process may be late by as much."""
SETTLE_S = 3.0
"""A new stream's latency is not exact in its first seconds, so nothing is said."""
RETRY_S = 0.1
AROUND_S = 0.3
ANSWERS = 10
"""So many answers there are about an utterance at least, if the stream did not stand still."""
STALLED_NS = 100 * clock.NS_PER_MS
"""Answers about one utterance that differ by more: the stream stood still meanwhile."""
WIDE_S = 4.0
"""The time of an utterance is that of the answers so long before it and after it: each alone is late on a busy
machine, by tens of milliseconds."""
SHIFT_NS = 8 * clock.NS_PER_MS
"""Where answers before and after an utterance, or during it, differ by more in the median, its time is unknown."""

FLOAT32LE = 5
PLAYBACK = 1
NOT_GIVEN = 0xFFFFFFFF

Speech = Callable[[int], npt.NDArray[np.float32]]
"""The utterance of a number: mono, at `RATE_HZ`; zeros at its end are the pause before the next."""


@dataclass(frozen=True)
class Said:
    number: int
    start_ns: int
    """On the capture clock."""
    length_ns: int
    """Without the pause after it."""
    whole: bool
    """False: the loudspeaker went or stood still meanwhile, so nobody can say whether it was to be heard."""
    timed: bool
    """False: nobody can say when to some milliseconds."""
    late_ns: int
    """By so much it may have been heard later, then."""


@dataclass
class _Run:
    """One stream to the server: which utterance begins at which frame, and which frame was to be heard when."""

    begins: list[tuple[int, int, int]] = field(default_factory=list)
    """Utterance, first frame, frames without the pause."""
    frames: list[int] = field(default_factory=list)
    offsets_ns: list[int] = field(default_factory=list)
    """For each of `frames`: when it was heard, less its distance from frame 0."""


class Mouth(Meanwhile):
    """Speaks from `__enter__` to `__exit__`, which lets the last utterance come to its end."""

    def __init__(self, server: str, sink: str, speech: Speech) -> None:
        super().__init__()
        self._speech = speech
        self._server = server.encode()
        self._sink = sink.encode()
        self._runs: list[_Run] = []
        self._number = 0
        self._pulse = _library()

    def said(self) -> list[Said]:
        """All utterances whose beginning left the mouth."""
        return [_said(run, *begin) for run in self._runs for begin in run.begins]

    def work(self) -> None:
        while not self.ending.is_set():
            stream = self._connect()
            if stream is None:
                time.sleep(RETRY_S)
                continue
            run = _Run()
            self._runs.append(run)
            try:
                self._talk(stream, run)
            finally:
                self._pulse.pa_simple_free(stream)

    def _connect(self) -> int | None:
        spec = _SampleSpec(FLOAT32LE, RATE_HZ, 1)
        size = round(BUFFER_S * RATE_HZ) * 4
        buffer = _BufferAttr(NOT_GIVEN, size, size // 2, NOT_GIVEN, NOT_GIVEN)
        return self._pulse.pa_simple_new(  # type: ignore[no-any-return]
            self._server,
            b"mouth",
            PLAYBACK,
            self._sink,
            b"speech",
            ctypes.byref(spec),
            None,
            ctypes.byref(buffer),
            None,
        )

    def _talk(self, stream: int, run: _Run) -> None:
        """Until the mouth shall end, or the stream is gone."""
        written = 0
        waiting = b"\0" * (4 * round(SETTLE_S * RATE_HZ))
        while waiting or not self.ending.is_set():
            if not waiting:
                sound = self._speech(self._number)
                run.begins.append((self._number, written, len(np.trim_zeros(sound, "b"))))
                waiting = sound.tobytes()
                self._number += 1
            piece, waiting = waiting[: 4 * PIECE], waiting[4 * PIECE :]
            if self._pulse.pa_simple_write(stream, piece, len(piece), None):
                return
            written += len(piece) // 4
            self._note(stream, run, written)
        self._pulse.pa_simple_drain(stream, None)

    def _note(self, stream: int, run: _Run, written: int) -> None:
        latency_us = self._pulse.pa_simple_get_latency(stream, None)
        now_ns = clock.now_ns()
        if latency_us >= 1 << 63:
            return
        frame = written - latency_us * RATE_HZ // 1_000_000
        if not run.frames or frame > run.frames[-1]:
            run.frames.append(frame)
            run.offsets_ns.append(now_ns - frame * clock.NS_PER_S // RATE_HZ)


def _said(run: _Run, number: int, frame: int, frames: int) -> Said:
    """When an utterance was heard, by the answers around it."""
    end = frame + frames
    around = _answers(run, frame - AROUND_S * RATE_HZ, end + AROUND_S * RATE_HZ)
    wide = _answers(run, frame - WIDE_S * RATE_HZ, end + WIDE_S * RATE_HZ) or run.offsets_ns[-1:] or [0]
    median_ns = round(statistics.median(wide))
    medians_ns = [
        statistics.median(answers or [median_ns])
        for answers in (
            _answers(run, frame - WIDE_S * RATE_HZ, frame),
            around,
            _answers(run, end, end + WIDE_S * RATE_HZ),
        )
    ]
    timed = max(median_ns, *medians_ns) - min(median_ns, *medians_ns) <= SHIFT_NS
    complete = bool(run.frames) and run.frames[-1] > end + AROUND_S * RATE_HZ
    return Said(
        number,
        (median_ns if timed else min(wide)) + frame * clock.NS_PER_S // RATE_HZ,
        frames * clock.NS_PER_S // RATE_HZ,
        whole=complete and len(around) >= ANSWERS and max(around) - min(around) <= STALLED_NS,
        timed=timed,
        late_ns=0 if timed else max(wide) - min(wide),
    )


def _answers(run: _Run, begin: float, end: float) -> list[int]:
    """The offsets that were told between two frames."""
    return run.offsets_ns[bisect_left(run.frames, begin) : bisect_left(run.frames, end)]


class _SampleSpec(ctypes.Structure):
    _fields_ = (("format", ctypes.c_int), ("rate", ctypes.c_uint32), ("channels", ctypes.c_uint8))


class _BufferAttr(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize"))


def _library() -> ctypes.CDLL:
    pulse = ctypes.CDLL("libpulse-simple.so.0")
    pulse.pa_simple_new.restype = ctypes.c_void_p
    pulse.pa_simple_new.argtypes = [
        *(ctypes.c_char_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p),
        *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
    ]
    pulse.pa_simple_write.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
    pulse.pa_simple_drain.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    pulse.pa_simple_get_latency.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    pulse.pa_simple_get_latency.restype = ctypes.c_uint64
    pulse.pa_simple_free.argtypes = [ctypes.c_void_p]
    return pulse
