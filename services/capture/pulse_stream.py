"""One record stream of a PulseAudio or PipeWire server, on a thread of its own.

    connect ─▶ ask for the device's format ─▶ open the pinned stream ─▶ samples … ─▶ lost, or closed

All of it happens in libpulse's callbacks; whatever goes wrong is told once, by `on_lost`.

What comes is left to libpulse until it is worth taking (`portion`).

Time: right after a delivery the server is asked how much it has written and what the device's own latency is. The
answer ties the stream's sample count to the capture clock, to a millisecond; on a busy machine it comes late now and
then, and says a time that is late by as much. So the first delivery waits for three answers, and the earliest counts.
"""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from causal import clock
from causal.clock import NS_PER_S
from causal.errors import SourceError

from . import libpulse
from .backend import Listener
from .libpulse import ContextState, PulseError, StreamState
from .portion import Portion
from .pulse_start import Start

log = logging.getLogger(__name__)

SCRATCH_S = 0.25
"""A delivery that is longer is handed on in pieces."""

SLEPT_NS = 100 * clock.NS_PER_MS
"""A machine that has slept for so long has heard nothing for so long."""

PLAUSIBLE_NS = 5 * NS_PER_S
"""A latency beyond this, either way, is a server's mistake."""


class PulseStream:
    """An open device. The listener hears float32 at the device's own rate and channels."""

    def __init__(
        self,
        source: str,
        listener: Listener,
        block_ms: int,
        server: str | None = None,
        *,
        on_suspended: Callable[[bool], None],
    ) -> None:
        """`on_suspended` is told when the device is suspended, and when it goes on."""
        self.source = source
        self._listener = listener
        self._on_suspended_device = on_suspended
        self._block_ms = block_ms
        self._pa = libpulse.library()
        self._stream: int | None = None
        self._over = False
        self._spec = libpulse.SampleSpec()
        self._scratch = np.zeros((0, 1), np.float32)
        self._scratch_address = 0
        self._data, self._size = ctypes.c_void_p(), ctypes.c_size_t()
        self._gathered, self._gathered_ns = 0, 0
        """Frames in `_scratch`, and when the first of them was captured."""
        self._read_frames = 0
        self._portion = Portion(0)
        self._start = Start()
        self._slept_ns = clock.slept_ns()
        self._on_context = libpulse.Notify(self._context_changed)
        self._on_info = libpulse.SourceInfoReply(self._info_came)
        self._on_stream = libpulse.Notify(self._stream_changed)
        self._on_readable = libpulse.Readable(self._samples_came)
        self._on_timing = libpulse.Success(self._timing_came)
        self._on_moved = libpulse.Notify(self._moved)
        self._on_suspended = libpulse.Notify(self._suspended)
        self._on_overflow = libpulse.Notify(self._overflowed)
        self._loop = self._pa.threaded_mainloop_new()
        self._context = self._pa.context_new(self._pa.threaded_mainloop_get_api(self._loop), b"Causal")
        self._pa.context_set_state_callback(self._context, self._on_context, None)
        address = os.fsencode(server) if server else None
        self._pa.context_connect(self._context, address, libpulse.CONTEXT_NOAUTOSPAWN, None)
        self._pa.threaded_mainloop_start(self._loop)

    def close(self) -> None:
        """Ends the stream and its thread. Nothing is told any more."""
        if self._loop is None:
            return
        self._pa.threaded_mainloop_lock(self._loop)
        self._over = True
        if self._stream is not None:
            self._pa.stream_disconnect(self._stream)
            self._pa.stream_unref(self._stream)
        self._pa.context_disconnect(self._context)
        self._pa.context_unref(self._context)
        self._pa.threaded_mainloop_unlock(self._loop)
        self._pa.threaded_mainloop_stop(self._loop)
        self._pa.threaded_mainloop_free(self._loop)
        self._loop = None

    # libpulse's callbacks, in the order in which they come

    def _context_changed(self, context: int, _: Any) -> None:
        match self._pa.context_get_state(context):
            case ContextState.READY if not self._over:
                self._let_go(
                    self._pa.context_get_source_info_by_name(context, self.source.encode(), self._on_info, None)
                )
            case ContextState.FAILED:
                self._lose(self._explained(self._pa.context_errno(context), connected=self._stream is not None))

    def _info_came(self, context: int, info: Any, end: int, _: Any) -> None:
        if self._over or end > 0:
            return
        if end < 0 or not info:
            self._lose(self._explained(self._pa.context_errno(context), connected=True))
            return
        found = info.contents
        rate_hz, channels = int(found.sample_spec.rate), int(found.sample_spec.channels)
        self._spec = libpulse.SampleSpec(libpulse.FLOAT32LE, rate_hz, channels)
        self._scratch = np.zeros((round(rate_hz * SCRATCH_S), channels), np.float32)
        self._scratch_address = self._scratch.ctypes.data
        self._portion = Portion(rate_hz)
        self._listener.on_format(rate_hz, channels)
        self._open(context, found.channel_map)

    def _open(self, context: int, channel_map: Any) -> None:
        pa, frame_bytes = self._pa, 4 * self._spec.channels
        # With the device's own channel map: another one of the same size would make the server mix the channels.
        stream = pa.stream_new(context, b"capture", ctypes.byref(self._spec), ctypes.byref(channel_map))
        self._stream = stream
        pa.stream_set_state_callback(stream, self._on_stream, None)
        pa.stream_set_read_callback(stream, self._on_readable, None)
        pa.stream_set_moved_callback(stream, self._on_moved, None)
        pa.stream_set_suspended_callback(stream, self._on_suspended, None)
        pa.stream_set_overflow_callback(stream, self._on_overflow, None)
        block_bytes = self._spec.rate * self._block_ms // 1000 * frame_bytes
        wish = libpulse.BufferAttr(*[libpulse.NOT_GIVEN] * 4, block_bytes)
        pa.stream_connect_record(stream, self.source.encode(), ctypes.byref(wish), libpulse.RECORD_FLAGS)

    def _stream_changed(self, stream: int, _: Any) -> None:
        match self._pa.stream_get_state(stream):
            case StreamState.READY if self._pa.stream_is_suspended(stream) > 0:
                self._on_suspended_device(True)
            case StreamState.FAILED:
                self._lose(self._explained(self._pa.context_errno(self._context), connected=True))

    def _samples_came(self, stream: int, waiting_bytes: int, _: Any) -> None:
        if not self._portion.is_enough(self._read_frames + waiting_bytes // (4 * self._spec.channels)):
            return
        now_ns, slept_ns = clock.now_ns(), clock.slept_ns()
        if slept_ns - self._slept_ns >= SLEPT_NS:
            self._tell_hole("suspended")
            self._start.forget()
        self._slept_ns = slept_ns
        if self._start.asks(now_ns):
            self._let_go(self._pa.stream_update_timing_info(stream, self._on_timing, None))
        if self._start.is_known(now_ns):
            self._take_all(stream)

    def _timing_came(self, stream: int, success: int, _: Any) -> None:
        if self._over or not success or self._pa.stream_is_suspended(stream) > 0:
            return
        if self._start.learn(self._start_by(self._pa.stream_get_timing_info(stream).contents)):
            self._take_all(stream)

    def _start_by(self, timing: Any) -> int:
        """The capture clock at the stream's sample 0: when the server answered, less all that was captured by then.

        How long the answer took (`transport_usec`) has no say: the sample at `write_index` was captured when the
        server answered, less the device's latency. libpulse counts it in only for the time of its own `now`.
        """
        age_ns = time.time_ns() - (timing.seconds * NS_PER_S + timing.microseconds * 1000)
        if not 0 <= age_ns <= PLAUSIBLE_NS:  # the wall clock was set since: the next answer will do
            if self._start.ns is not None:
                return self._start.ns
            age_ns = 0
        queued_frames = (timing.write_index - timing.read_index) // (4 * self._spec.channels)
        # A loopback hears samples before they sound: by the latency of its sink.
        device_us = timing.source_usec - timing.sink_usec
        captured_ns = (self._read_frames + queued_frames) * NS_PER_S // self._spec.rate + device_us * 1000
        start_ns: int = clock.now_ns() - age_ns - captured_ns
        return start_ns

    def _take_all(self, stream: int) -> None:
        try:
            while not self._over and self._take(stream):
                pass
            self._hand_on()
        except Exception as error:  # an exception here would vanish in C
            log.exception("a block of %s was not handled", self.source)
            self._lose(SourceError("internal", f"a block of {self.source} was not handled: {error}", retryable=True))
        self._portion.taken(self._read_frames, self._listener.run_frames())

    def _take(self, stream: int) -> bool:
        if self._pa.stream_peek(stream, ctypes.byref(self._data), ctypes.byref(self._size)) < 0 or not self._size.value:
            return False
        frames = self._size.value // (4 * self._spec.channels)
        if self._data.value:
            self._gather(stream, self._data.value, frames)
        else:
            self._tell_hole("overflow")
        self._read_frames += frames
        self._pa.stream_drop(stream)
        return True

    def _first_sample_ns(self, stream: int) -> int:
        """The capture clock at the first sample that waits."""
        waiting: int = self._pa.stream_readable_size(stream) // (4 * self._spec.channels)
        by_arrival_ns: int = clock.now_ns() - waiting * NS_PER_S // self._spec.rate
        if self._start.ns is None:
            return by_arrival_ns
        rate_hz: int = self._spec.rate
        by_timing_ns = self._start.ns + self._read_frames * NS_PER_S // rate_hz
        plausible = abs(by_timing_ns - by_arrival_ns) <= PLAUSIBLE_NS
        return by_timing_ns if plausible else by_arrival_ns

    def _gather(self, stream: int, address: int, frames: int) -> None:
        done, frame_bytes = 0, 4 * self._spec.channels
        while done < frames:
            if not self._gathered:
                self._gathered_ns = self._first_sample_ns(stream) + done * NS_PER_S // self._spec.rate
            count = min(frames - done, len(self._scratch) - self._gathered)
            place = self._scratch_address + self._gathered * frame_bytes
            ctypes.memmove(place, address + done * frame_bytes, count * frame_bytes)
            self._gathered += count
            done += count
            if self._gathered == len(self._scratch):
                self._hand_on()

    def _hand_on(self) -> None:
        if self._gathered:
            count, self._gathered = self._gathered, 0
            self._listener.on_samples(self._scratch[:count], self._gathered_ns)

    def _tell_hole(self, reason: str) -> None:
        self._hand_on()
        self._listener.on_hole(reason)
        self._portion.taken(self._read_frames, 0)

    def _suspended(self, stream: int, _: Any) -> None:
        # At both ends: what was on its way when the device was suspended still comes, and what comes when it goes on
        # does not follow that.
        suspended = self._pa.stream_is_suspended(stream) > 0
        self._take_all(stream)
        self._tell_hole("suspended")
        if not suspended:
            self._start.forget()
        self._on_suspended_device(suspended)

    def _overflowed(self, stream: int, _: Any) -> None:
        self._take_all(stream)
        self._tell_hole("overflow")

    def _moved(self, stream: int, _: Any) -> None:
        self._take_all(stream)
        now_at = (self._pa.stream_get_device_name(stream) or b"?").decode(errors="replace")
        self._lose(SourceError("device-lost", f"the server moved {self.source} to {now_at}", retryable=True))

    def _lose(self, error: SourceError) -> None:
        if not self._over:
            self._over = True
            self._listener.on_lost(error)

    def _let_go(self, operation: int | None) -> None:
        if operation:
            self._pa.operation_unref(operation)

    def _explained(self, code: int, *, connected: bool) -> SourceError:
        text = (self._pa.strerror(code) or b"unknown error").decode(errors="replace")
        if code in (PulseError.ACCESS, PulseError.AUTH_KEY):
            return SourceError(
                "permission-denied",
                f"the sound server does not let us record {self.source} ({text})",
                "Allow this program to use the sound server, or run it as the user who owns the desktop session.",
            )
        if code == PulseError.NO_ENTITY:
            return SourceError("device-not-found", f"the sound server has no source {self.source}", LIST_HINT)
        if connected:
            return SourceError("device-lost", f"{self.source} has gone ({text})", GONE_HINT, retryable=True)
        return no_server(text)


LIST_HINT = "causal-ctl list shows what there is."
GONE_HINT = "It is taken up again when it comes back."


def no_server(text: str) -> SourceError:
    """What to say when no sound server answers."""
    return SourceError(
        "device-unavailable",
        f"no sound server answers ({text})",
        "Start PulseAudio or PipeWire (pipewire-pulse) for this user; PULSE_SERVER names another one.",
        retryable=True,
    )
