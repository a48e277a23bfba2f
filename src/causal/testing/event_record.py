"""What a stack publishes, for tests: transcripts with the time at which they came, and the log as it is in the end."""

from __future__ import annotations

from dataclasses import dataclass

import zmq

from causal import clock, topics, wire
from causal.errors import WireError
from causal.feed import readable
from causal.messages import EVENT_TYPES, Event
from causal.messages.log import Replay, Replayed
from causal.paths import Paths
from causal.transport import Line

from .meanwhile import Meanwhile

KINDS = ("transcript-partial", "transcript-final")
LOOK_MS = 100
ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True)
class Came:
    event: Event
    at_ns: int
    """On the capture clock."""


class EventRecord(Meanwhile):
    """Listens from `__enter__` to `__exit__`, also when the broker goes and comes back. Keeps everything."""

    def __init__(self, paths: Paths) -> None:
        super().__init__()
        self.came: list[Came] = []
        self._paths = paths

    def work(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
        with context.socket(zmq.SUB) as socket:
            socket.linger = 0
            for kind in KINDS:
                socket.subscribe(topics.subscription(kind))
            line = Line(socket, self._paths, "events")
            while not self.ending.is_set():
                line.renew()
                if socket.poll(LOOK_MS):
                    parts = socket.recv_multipart()
                    now_ns = clock.now_ns()
                    self.came.append(Came(wire.unpack(parts, EVENT_TYPES[topics.kind_of(parts[0])]), now_ns))


def stored(paths: Paths, session: str | None = None) -> list[Event]:
    """All durable events, or those of one session, asked of the broker. Raises `TimeoutError` when it is silent."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context.instance()
    events: list[Event] = []
    next_seq, head_seq = 1, 1
    with context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        Line(socket, paths, "log")
        while next_seq <= head_seq:
            socket.send_multipart(wire.pack(topics.REPLAY, Replay(from_seq=next_seq, session=session)))
            if not socket.poll(round(ANSWER_WITHIN_S * 1000)):
                raise TimeoutError("the broker does not replay")
            answer = wire.unpack(socket.recv_multipart(), Replayed)
            for logged in answer.events:
                event = readable(logged)
                if event is None:
                    raise WireError(f"the log holds what cannot be read: {logged}")
                events.append(event)
            next_seq, head_seq = answer.next_seq, answer.head_seq
    return events
