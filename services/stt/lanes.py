"""The lanes of one stream side by side, as the broker told them; and what they come to together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from causal.messages.log import LaneRange

from .finals import FinalQueue
from .lane import CHUNK_MS, Lane


class Lanes:
    """From the stream's start on; the open lane, which has all that is to come, is the last."""

    def __init__(self, stream: str, epoch: int, known: Iterable[LaneRange]) -> None:
        self._stream = stream
        self._epoch = epoch
        self._queues: dict[str, FinalQueue] = {}
        for lane in known:
            self.add(lane)

    @property
    def open(self) -> FinalQueue:
        """The lane that has all that is to come."""
        return next(reversed(self._queues.values()))

    def add(self, lane: LaneRange) -> FinalQueue:
        """A new open lane."""
        made = Lane(lane.lane, lane.covered_to, from_chunk=lane.from_chunk, to_chunk=lane.to_chunk)
        self._queues[lane.lane] = FinalQueue(self._stream, made, self._epoch)
        return self._queues[lane.lane]

    def __iter__(self) -> Iterator[FinalQueue]:
        return iter(self._queues.values())

    def get(self, name: str) -> FinalQueue | None:
        return self._queues.get(name)

    def behind(self, without: Collection[FinalQueue]) -> FinalQueue | None:
        """The first lane that has an end and is not promised up to there; not one of those."""
        for queue in self._queues.values():
            if queue not in without and queue.lane.to_chunk is not None and not queue.lane.all_promised:
                return queue
        return None

    @property
    def all_stored(self) -> bool:
        """Whether the broker has every final."""
        return not any(len(queue) for queue in self._queues.values())

    def backlog_ms(self, newest_index: int) -> int:
        """Length of what was neither sent nor covered, of all chunks before this one."""
        ends = ((queue.lane, queue.lane.to_chunk or newest_index) for queue in self._queues.values())
        return sum(max(0, end - max(lane.next_index, lane.promised_to)) for lane, end in ends) * CHUNK_MS

    @property
    def covered_to(self) -> int:
        """The first chunk of the stream that nothing covers; 0 where all is covered."""
        for queue in self._queues.values():
            if queue.lane.to_chunk is None or queue.lane.covered_to < queue.lane.to_chunk:
                return queue.lane.covered_to
        return 0
