"""What the services say to the broker, and what it answers."""

from typing import Any

from .base import Message


class Coverage(Message):
    """Which chunks of a lane a final covers; it is stored only if it begins where the lane's coverage ends."""

    stream: str
    lane: str
    epoch: int
    from_chunk: int
    to_chunk: int
    """The first chunk that is not covered any more."""


class Hello(Message):
    """Somebody will publish: the broker stays until it says `bye`, or has been silent for 3 s."""

    publisher: str


class Publish(Message):
    """A durable event, sent again until it is stored or refused."""

    id: str
    """Unique for ever; the same one again is answered with the same `seq`."""
    kind: str
    event: dict[str, Any]
    coverage: Coverage | None = None


class Stored(Message):
    id: str
    seq: int


class Refused(Message):
    """Will never be stored: do not send it again."""

    id: str
    code: str
    """`stale-epoch`, `not-next`, `malformed`."""
    message: str
    covered_to: int | None = None


class Claim(Message):
    """From now on this epoch writes the lane, and older ones are refused."""

    stream: str
    lane: str
    epoch: int


class Claimed(Message):
    stream: str
    lane: str
    epoch: int
    """The lane's epoch now; greater than asked for means: refused."""
    covered_to: int
    """The first chunk that no stored final covers."""


class Replay(Message):
    """A wish for stored events from `from_seq` on."""

    from_seq: int
    session: str | None = None
    limit: int = 500


class LoggedEvent(Message):
    kind: str
    event: dict[str, Any]
    """With its `seq`."""


class Replayed(Message):
    events: tuple[LoggedEvent, ...]
    next_seq: int
    """Where to go on asking; beyond `head_seq` when all has been told."""
    head_seq: int
    oldest_seq: int


class Head(Message):
    """The newest number given, every second: so that the loss of the last message shows."""

    seq: int
    oldest_seq: int
    closing: bool = False
    """The broker is about to end: everything that will come has come."""
