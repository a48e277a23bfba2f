"""What Windows calls its sound devices: ids that last, names, defaults, and formats, from the MMDevice API.

PortAudio has neither ids nor a list that changes. This is the little of COM that is needed, by ctypes; names and
numbers are those of `mmdeviceapi.h` and `functiondiscoverykeys_devpkey.h`.
"""

from __future__ import annotations

import ctypes
import struct
import sys
import uuid
from ctypes import POINTER, byref, c_uint16, c_uint32, c_void_p, c_wchar_p
from typing import Any, Literal, NamedTuple

from causal.errors import SourceError

PREFIX = "wasapi:"
"""Before an endpoint's id, it makes a device's."""

KINDS: tuple[Literal["loopback", "input"], ...] = ("loopback", "input")
"""What an endpoint is to us, by the number of its data flow: 0 plays, 1 hears."""

ACTIVE, CONSOLE, READ, ALL_CONTEXTS = 1, 0, 0, 23
VT_LPWSTR, VT_BLOB = 31, 65


class Endpoint(NamedTuple):
    id: str
    name: str
    kind: Literal["loopback", "input"]
    default: bool
    channels: int
    rate_hz: int


def read() -> list[Endpoint]:
    """All that are plugged in and switched on, in the order in which PortAudio finds them too. Raises `SourceError`."""
    if sys.platform != "win32":
        raise SourceError("device-unavailable", f"WASAPI is of Windows, this is {sys.platform}", 'backend = "auto"')
    ole = ctypes.OleDLL("ole32")
    # Another kind of COM may be there already, which serves as well: then nothing was begun that has to be ended.
    begun = ctypes.windll.ole32.CoInitializeEx(None, 0) >= 0
    try:
        with _Object() as enumerator:
            ole.CoCreateInstance(_ENUMERATOR, None, ALL_CONTEXTS, _I_ENUMERATOR, byref(enumerator.pointer))
            defaults = [_default(enumerator, flow) for flow in range(len(KINDS))]
            return [endpoint for flow in range(len(KINDS)) for endpoint in _endpoints(enumerator, flow, defaults[flow])]
    except OSError as error:
        raise SourceError(
            "device-unavailable",
            f"Windows does not list its sound devices ({error})",
            "The service Windows Audio must run: services.msc shows it.",
            retryable=True,
        ) from error
    finally:
        if begun:
            ctypes.windll.ole32.CoUninitialize()


class _Guid(ctypes.Structure):
    _fields_ = (("bytes", ctypes.c_ubyte * 16),)

    def __init__(self, text: str) -> None:
        super().__init__((ctypes.c_ubyte * 16)(*uuid.UUID(text).bytes_le))


class _Key(ctypes.Structure):
    _fields_ = (("format", _Guid), ("number", c_uint32))


class _Value(ctypes.Structure):
    """`PROPVARIANT`: the kind, and at byte 8 a pointer, or a size with a pointer behind it."""

    _fields_ = (("kind", c_uint16), ("reserved", c_uint16 * 3), ("first", c_void_p), ("second", c_void_p))


_ENUMERATOR = byref(_Guid("BCDE0395-E52F-467C-8E3D-C4579291692E"))
_I_ENUMERATOR = byref(_Guid("A95664D2-9614-4F35-A746-DE8DB63617E6"))
_NAME = _Key(_Guid("a45c254e-df1c-4efd-8020-67d146a850e0"), 14)
_FORMAT = _Key(_Guid("f19f064d-082c-4e27-bc73-6882a1bb8e4c"), 0)


class _Object:
    """A pointer to a COM object, released at the end. Methods are called by their place in its table."""

    def __init__(self) -> None:
        self.pointer = c_void_p()

    def __enter__(self) -> _Object:
        return self

    def __exit__(self, *_: object) -> None:
        if self.pointer:
            self._method(2, c_uint32)(self.pointer)

    def call(self, place: int, *arguments: Any) -> None:
        """Raises `OSError` with Windows' own text."""
        if sys.platform == "win32":
            types = [type(argument) if hasattr(argument, "_type_") else c_void_p for argument in arguments]
            self._method(place, ctypes.HRESULT, *types)(self.pointer, *arguments)

    def _method(self, place: int, result: Any, *types: Any) -> Any:
        if sys.platform == "win32":
            table = ctypes.cast(self.pointer, POINTER(POINTER(c_void_p))).contents
            return ctypes.WINFUNCTYPE(result, c_void_p, *types)(table[place])
        return None


def _default(enumerator: _Object, flow: int) -> str | None:
    with _Object() as device:
        try:
            enumerator.call(4, c_uint32(flow), c_uint32(CONSOLE), byref(device.pointer))
        except OSError:  # there is none
            return None
        return _id(device)


def _endpoints(enumerator: _Object, flow: int, default: str | None) -> list[Endpoint]:
    found = []
    with _Object() as collection:
        enumerator.call(3, c_uint32(flow), c_uint32(ACTIVE), byref(collection.pointer))
        count = c_uint32()
        collection.call(3, byref(count))
        for number in range(count.value):
            with _Object() as device:
                collection.call(4, c_uint32(number), byref(device.pointer))
                found.append(_endpoint(device, flow, default))
    return found


def _endpoint(device: _Object, flow: int, default: str | None) -> Endpoint:
    own = _id(device)
    with _Object() as store:
        device.call(4, c_uint32(READ), byref(store.pointer))
        channels, rate_hz = _format(_property(store, _FORMAT))
        return Endpoint(own, str(_property(store, _NAME) or own), KINDS[flow], own == default, channels, rate_hz)


def _id(device: _Object) -> str:
    text = c_wchar_p()
    device.call(5, byref(text))
    found = text.value or ""
    if sys.platform == "win32":
        ctypes.windll.ole32.CoTaskMemFree(text)
    return found


def _property(store: _Object, key: _Key) -> str | bytes | None:
    value = _Value()
    store.call(5, byref(key), byref(value))
    found: str | bytes | None = None
    if value.kind == VT_LPWSTR and value.first:
        found = ctypes.wstring_at(value.first)
    elif value.kind == VT_BLOB and value.second:
        found = ctypes.string_at(value.second, (value.first or 0) & 0xFFFFFFFF)
    if sys.platform == "win32":
        ctypes.windll.ole32.PropVariantClear(byref(value))
    return found


def _format(blob: str | bytes | None) -> tuple[int, int]:
    """Channels and rate of a `WAVEFORMATEX`."""
    if not isinstance(blob, bytes) or len(blob) < 8:
        return 2, 48_000
    channels, rate_hz = struct.unpack_from("<HI", blob, 2)
    return channels, rate_hz
