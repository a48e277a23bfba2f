"""An event as one line of JSON: its type, then its fields as they are on the wire."""

from __future__ import annotations

import msgspec

from causal import wire
from causal.messages import EVENT_TYPES, Event

_TYPE_OF = {event: kind for kind, event in EVENT_TYPES.items()}


def line(event: Event) -> bytes:
    """`{"type":"gap","session":…}` and a newline, in UTF-8."""
    return msgspec.json.encode({"type": _TYPE_OF[type(event)]} | wire.to_map(event)) + b"\n"
