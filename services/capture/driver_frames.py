"""What a driver process tells: samples, and short messages between them. Opens nothing.

A frame is a header of 12 bytes, little-endian: the length of what follows (u32), and the capture clock at the first
sample (i64), or `NO_TIME` before a message. Samples are float32, interleaved; messages are JSON.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from causal.errors import Code, SourceError
from causal.messages.base import Message
from causal.messages.control import Device, DeviceKind

HEADER = struct.Struct("<Iq")
NO_TIME = -(2**63)


class Order(Message):
    """What a driver process shall hear."""

    device: str
    """The device's id, with its prefix."""
    kind: DeviceKind | None
    """What it must be; None when nobody has seen it in a list."""
    block_ms: int


class Opened(Message, tag="opened"):
    """The device is open."""

    rate_hz: int
    channels: int


class Hole(Message, tag="hole"):
    """Samples are missing before the next ones."""

    reason: str


class Gone(Message, tag="gone"):
    """The device is lost, or could not be opened, or listed."""

    code: Code
    message: str
    hint: str
    retryable: bool


class Found(Message, tag="found"):
    """All devices."""

    devices: tuple[Device, ...]


Told = Opened | Hole | Gone | Found

_decoder = msgspec.json.Decoder(Told)


class Heard(NamedTuple):
    """Samples."""

    captured_ns: int
    data: bytes


def order(text: str) -> Order:
    return msgspec.json.decode(text, type=Order)


def text(order: Order) -> str:
    return msgspec.json.encode(order).decode()


def pack(message: Told) -> bytes:
    """A message as a frame."""
    body = msgspec.json.encode(message)
    return HEADER.pack(len(body), NO_TIME) + body


def pack_samples(data: bytes, captured_ns: int) -> bytes:
    """Samples as a frame."""
    return HEADER.pack(len(data), captured_ns) + data


def gone(error: SourceError) -> Gone:
    return Gone(code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)  # type: ignore[arg-type]


def as_error(message: Gone) -> SourceError:
    return SourceError(message.code, message.message, message.hint, retryable=message.retryable)


def read(take: Callable[[int], bytes]) -> Told | Heard | None:
    """The next frame; None at the end, in mid-frame too. `take(count)` gives fewer bytes than asked at the end only."""
    header = take(HEADER.size)
    if len(header) < HEADER.size:
        return None
    length, captured_ns = HEADER.unpack(header)
    body = take(length)
    if len(body) < length:
        return None
    return _decoder.decode(body) if captured_ns == NO_TIME else Heard(captured_ns, body)
