"""Bytes to messages and back. Elsewhere there are only objects.

A message is `[topic, version, body]`, the body a MessagePack map; samples travel as a fourth part, uncopied.
Control is one frame, a map with the version inside. What does not fit raises `WireError`, which its receiver
counts and drops.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import msgpack
import msgspec

from causal.errors import WireError
from causal.messages import Message

VERSION = b"1"
MAX_BODY_BYTES = 4 << 20
MAX_ITEMS = 1 << 16

Buffer = bytes | bytearray | memoryview
M = TypeVar("M", bound=Message)
T = TypeVar("T")


def pack(topic: bytes, message: Message, *samples: Any) -> list[Any]:
    """The parts of a message; `samples` is any buffer, sent as it is."""
    return [topic, VERSION, pack_map(msgspec.to_builtins(message)), *samples]


def unpack(parts: Sequence[Buffer], kind: type[M]) -> M:
    """The message in `parts`. Raises `WireError` when version, size or fields are not as agreed."""
    if len(parts) < 3:
        raise WireError(f"a message has 3 or 4 parts, this one {len(parts)}")
    if bytes(parts[1]) != VERSION:
        raise WireError(
            f"version {bytes(parts[1])[:20]!r} instead of {VERSION!r}: are all parts of Causal of one release?"
        )
    return convert(unpack_map(parts[2]), kind)


def pack_map(fields: dict[str, Any]) -> bytes:
    """One map as bytes."""
    packed: bytes = msgpack.packb(fields, use_bin_type=True)
    return packed


def unpack_map(frame: Buffer) -> dict[str, Any]:
    """The map in `frame`. Raises `WireError` for anything else, and for a body over 4 MiB."""
    if len(frame) > MAX_BODY_BYTES:
        raise WireError(f"a body of {len(frame)} bytes; {MAX_BODY_BYTES} are allowed")
    # Room for an array is made before its items are read, and arrays nest: no more items than there are bytes.
    most = min(MAX_ITEMS, len(frame))
    try:
        fields = msgpack.unpackb(
            frame, raw=False, max_str_len=1 << 20, max_bin_len=1 << 20, max_array_len=most, max_map_len=1 << 12
        )
    except msgpack.StackError as error:
        raise WireError("not MessagePack: nested too deep") from error
    except (ValueError, msgpack.UnpackException, RecursionError, TypeError) as error:
        raise WireError(f"not MessagePack: {str(error) or 'malformed'}") from error
    if not isinstance(fields, dict):
        raise WireError(f"a {type(fields).__name__} instead of a map")
    return fields


def convert(fields: Any, kind: type[T]) -> T:
    """`fields` as a `kind`, checked. Raises `WireError` naming the first field that does not fit."""
    try:
        return msgspec.convert(fields, kind, strict=True)
    except (msgspec.ValidationError, TypeError) as error:
        raise WireError(str(error)) from error


def to_map(message: Message) -> dict[str, Any]:
    """A message's fields, as they appear in JSON."""
    fields: dict[str, Any] = msgspec.to_builtins(message)
    return fields
