"""A small binding of libpulse: one pinned record stream, with all that the server tells about it.

It works on PulseAudio and on PipeWire alike. The library is loaded when it is first used, not when this module is
imported. Names and numbers are those of `pulse/def.h`, `introspect.h`, `stream.h` and `thread-mainloop.h`.
"""

from __future__ import annotations

import ctypes
import enum
import functools
from ctypes import POINTER, c_char_p, c_int, c_int64, c_long, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

from causal.errors import SourceError

FLOAT32LE = 5
NOT_GIVEN = 0xFFFFFFFF
CONTEXT_NOAUTOSPAWN = 0x1

STREAM_DONT_MOVE = 0x0200
STREAM_ADJUST_LATENCY = 0x2000

RECORD_FLAGS = STREAM_DONT_MOVE | STREAM_ADJUST_LATENCY
"""Pinned: when the device goes, the stream ends. Unpinned, the server would move a loopback to the microphone.
Without INTERPOLATE_TIMING: the interpolated latency is up to 250 ms off in a stream's first seconds (measured on
PipeWire; 85 ms for a remapped source of PulseAudio)."""


class ContextState(enum.IntEnum):
    UNCONNECTED, CONNECTING, AUTHORIZING, SETTING_NAME, READY, FAILED, TERMINATED = range(7)


class StreamState(enum.IntEnum):
    UNCONNECTED, CREATING, READY, FAILED, TERMINATED = range(5)


class PulseError(enum.IntEnum):
    """The codes that mean something to us."""

    ACCESS = 1
    NO_ENTITY = 5
    CONNECTION_REFUSED = 6
    TIMEOUT = 8
    AUTH_KEY = 9
    CONNECTION_TERMINATED = 11
    KILLED = 12
    INVALID_SERVER = 13


class SampleSpec(ctypes.Structure):
    _fields_ = (("format", c_int), ("rate", c_uint32), ("channels", c_uint8))


class ChannelMap(ctypes.Structure):
    _fields_ = (("channels", c_uint8), ("map", c_int * 32))


class SourceInfo(ctypes.Structure):
    """The beginning of `pa_source_info`: what follows is not needed."""

    _fields_ = (
        ("name", c_char_p),
        ("index", c_uint32),
        ("description", c_char_p),
        ("sample_spec", SampleSpec),
        ("channel_map", ChannelMap),
    )


class BufferAttr(ctypes.Structure):
    _fields_ = tuple((name, c_uint32) for name in ("maxlength", "tlength", "prebuf", "minreq", "fragsize"))


class TimingInfo(ctypes.Structure):
    """`pa_timing_info`: where the device and the queues were at `seconds` + `microseconds` of the wall clock."""

    _fields_ = (
        ("seconds", c_long),
        ("microseconds", c_long),
        ("synchronized_clocks", c_int),
        ("sink_usec", c_uint64),
        ("source_usec", c_uint64),
        ("transport_usec", c_uint64),
        ("playing", c_int),
        ("write_index_corrupt", c_int),
        ("write_index", c_int64),
        ("read_index_corrupt", c_int),
        ("read_index", c_int64),
    )


Notify = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
Readable = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, c_void_p)
Success = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_void_p)
SourceInfoReply = ctypes.CFUNCTYPE(None, c_void_p, POINTER(SourceInfo), c_int, c_void_p)

_SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "strerror": (c_char_p, [c_int]),
    "threaded_mainloop_new": (c_void_p, []),
    "threaded_mainloop_get_api": (c_void_p, [c_void_p]),
    "threaded_mainloop_start": (c_int, [c_void_p]),
    "threaded_mainloop_stop": (None, [c_void_p]),
    "threaded_mainloop_free": (None, [c_void_p]),
    "threaded_mainloop_lock": (None, [c_void_p]),
    "threaded_mainloop_unlock": (None, [c_void_p]),
    "context_new": (c_void_p, [c_void_p, c_char_p]),
    "context_connect": (c_int, [c_void_p, c_char_p, c_int, c_void_p]),
    "context_disconnect": (None, [c_void_p]),
    "context_unref": (None, [c_void_p]),
    "context_errno": (c_int, [c_void_p]),
    "context_get_state": (c_int, [c_void_p]),
    "context_set_state_callback": (None, [c_void_p, Notify, c_void_p]),
    "context_get_source_info_by_name": (c_void_p, [c_void_p, c_char_p, SourceInfoReply, c_void_p]),
    "operation_unref": (None, [c_void_p]),
    "stream_new": (c_void_p, [c_void_p, c_char_p, POINTER(SampleSpec), POINTER(ChannelMap)]),
    "stream_unref": (None, [c_void_p]),
    "stream_connect_record": (c_int, [c_void_p, c_char_p, POINTER(BufferAttr), c_int]),
    "stream_disconnect": (c_int, [c_void_p]),
    "stream_get_state": (c_int, [c_void_p]),
    "stream_get_device_name": (c_char_p, [c_void_p]),
    "stream_get_timing_info": (POINTER(TimingInfo), [c_void_p]),
    "stream_update_timing_info": (c_void_p, [c_void_p, Success, c_void_p]),
    "stream_is_suspended": (c_int, [c_void_p]),
    "stream_readable_size": (c_size_t, [c_void_p]),
    "stream_peek": (c_int, [c_void_p, POINTER(c_void_p), POINTER(c_size_t)]),
    "stream_drop": (c_int, [c_void_p]),
    "stream_set_state_callback": (None, [c_void_p, Notify, c_void_p]),
    "stream_set_read_callback": (None, [c_void_p, Readable, c_void_p]),
    "stream_set_moved_callback": (None, [c_void_p, Notify, c_void_p]),
    "stream_set_suspended_callback": (None, [c_void_p, Notify, c_void_p]),
    "stream_set_overflow_callback": (None, [c_void_p, Notify, c_void_p]),
}


class Library:
    """libpulse's functions by their names without `pa_`, with their types."""

    def __init__(self, shared: ctypes.CDLL) -> None:
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(shared, f"pa_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"pa_{name} is not in the table of functions")


@functools.cache
def library() -> Library:
    """libpulse, loaded. Raises `SourceError` naming the package when it is not installed."""
    try:
        return Library(ctypes.CDLL("libpulse.so.0"))
    except OSError as error:
        raise SourceError(
            "device-unavailable",
            f"the sound library libpulse.so.0 cannot be loaded ({error})",
            "Install it: libpulse0 on Debian and Ubuntu, pulseaudio-libs on Fedora, libpulse on Arch.",
        ) from error
