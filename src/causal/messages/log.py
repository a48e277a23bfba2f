"""What the services say to the broker, and what it answers."""

from typing import Any

from .base import Message

HEARD_SILENCE = "heard-silence"
"""The kind of a `Publish` that only moves coverage: the service has processed these chunks, and nothing was said in
them, or they are silence that is not sent. Nobody but the broker hears of it; its `Stored.seq` is the newest number."""


class Coverage(Message):
    """Which chunks of a lane a final, or a mark, covers; it is stored only if it begins where the lane's coverage ends,
    and does not end behind the lane."""

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
    """From now on this epoch writes the stream's lanes, and older ones are refused.

    A lane that is not there yet begins at `from_chunk`, and the stream's open lane ends there, unless that part of it
    is covered already: then there will be no such lane in the answer.
    """

    stream: str
    lane: str
    """Its name: the number of its first chunk."""
    epoch: int
    from_chunk: int = 0


class LaneRange(Message):
    """One lane: `from_chunk` up to, and without, `to_chunk`."""

    lane: str
    from_chunk: int
    to_chunk: int | None
    """Absent for the open lane, which has all that is to come."""
    covered_to: int


class Claimed(Message):
    stream: str
    lane: str
    epoch: int
    """The lane's epoch now; greater than asked for means: refused."""
    covered_to: int
    """The first chunk that no stored final or mark covers."""
    lanes: tuple[LaneRange, ...] = ()
    """All lanes of the stream that are not covered to their end, from the stream's start on."""


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
