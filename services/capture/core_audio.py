"""What macOS says cheaply of its devices: whether one has come or gone, and which one is the default input."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from ctypes import c_uint32, c_void_p
from typing import Any

LIBRARY = "/System/Library/Frameworks/CoreAudio.framework/CoreAudio"
SYSTEM_OBJECT = 1
DEVICES, DEFAULT_INPUT, RUN_LOOP, GLOBAL = (
    int.from_bytes(name, "big") for name in (b"dev#", b"dIn ", b"rnlp", b"glob")
)
"""kAudioHardwarePropertyDevices, …DefaultInputDevice, …RunLoop, and kAudioObjectPropertyScopeGlobal."""


class Address(ctypes.Structure):
    """AudioObjectPropertyAddress."""

    _fields_ = (("selector", c_uint32), ("scope", c_uint32), ("element", c_uint32))


def device_sign(load: Callable[[str], Any] = ctypes.CDLL) -> Callable[[], object] | None:
    """A function whose answer differs when the devices do; None where there is no Core Audio."""
    try:
        library = load(LIBRARY)
    except OSError:
        return None
    # Core Audio waits for the program's main run loop to tell it of changes. With none it has a thread of its own.
    none = c_void_p()
    library.AudioObjectSetPropertyData(
        c_uint32(SYSTEM_OBJECT), ctypes.byref(_address(RUN_LOOP)), c_uint32(0), None,
        c_uint32(ctypes.sizeof(none)), ctypes.byref(none),
    )  # fmt: skip
    return functools.partial(_sign, library)


def _sign(library: Any) -> tuple[bytes, bytes]:
    return _property(library, DEVICES), _property(library, DEFAULT_INPUT)


def _property(library: Any, selector: int) -> bytes:
    """A property of the whole system, as it lies in memory; empty when it cannot be had."""
    address, size = _address(selector), c_uint32()
    key = (c_uint32(SYSTEM_OBJECT), ctypes.byref(address), c_uint32(0), None)
    if library.AudioObjectGetPropertyDataSize(*key, ctypes.byref(size)):
        return b""
    found = ctypes.create_string_buffer(size.value)
    if library.AudioObjectGetPropertyData(*key, ctypes.byref(size), found):
        return b""
    return found.raw[: size.value]


def _address(selector: int) -> Address:
    return Address(selector, GLOBAL, 0)
