"""Everything that travels between processes, a module for each part of the way.

`audio` from device to gateway, `events` from the services to whoever listens, `log` to and from the
broker, `control` to and from the controller. `docs/protocol.md` tells the same to other languages.
"""

from .audio import Block, Chunk, Next
from .base import Message
from .events import (
    DURABLE,
    EVENT_TYPES,
    CaptureError,
    CaptureStatus,
    Event,
    Gap,
    HopLatency,
    QueueDepth,
    ServiceStatus,
    SessionStatus,
    TranscriptFinal,
    TranscriptPartial,
    TranscriptVoid,
    Word,
)
from .streams import StreamName

__all__ = [
    "DURABLE",
    "EVENT_TYPES",
    "Block",
    "CaptureError",
    "CaptureStatus",
    "Chunk",
    "Event",
    "Gap",
    "HopLatency",
    "Message",
    "Next",
    "QueueDepth",
    "ServiceStatus",
    "SessionStatus",
    "StreamName",
    "TranscriptFinal",
    "TranscriptPartial",
    "TranscriptVoid",
    "Word",
]
