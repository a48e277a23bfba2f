"""A stream's chunks by number: the newest from memory, all others from the journal."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from causal.journal import JournalReader
from causal.journal_record import Recorded

JOURNAL_CHECK_S = 0.25
"""How often the journal is asked for a chunk that has not come the fast way."""


class Supply:
    """Chunks of one stream.

    Keeps the newest `capacity` chunks that came the fast way; the oldest go first, and are in the journal. One writer,
    which is the socket's callback; one reader, which is the stream's task.
    """

    def __init__(self, journal: JournalReader, capacity: int = 50) -> None:
        self._journal = journal
        self._capacity = capacity
        self._recent: OrderedDict[int, Recorded] = OrderedDict()
        self._news = asyncio.Event()

    def offer(self, recorded: Recorded) -> None:
        """A chunk came the fast way."""
        self._recent[recorded.chunk.index] = recorded
        if len(self._recent) > self._capacity:
            self._recent.popitem(last=False)
        self._news.set()

    def wake(self) -> None:
        """Makes `wait_for` look again whether it is still wanted."""
        self._news.set()

    def get(self, index: int) -> Recorded | None:
        """Chunk `index`, if it exists by now."""
        recent = self._recent.get(index)
        return recent if recent is not None else self._journal.read(index)

    async def wait_for(
        self, index: int, unless: Callable[[], bool], *, or_newest_of: int | None = None
    ) -> Recorded | None:
        """Chunk `index` as soon as it exists; `None` when `unless` becomes true first.

        `or_newest_of`: the newest chunk will do where that one is missing, and so many later ones are in memory: a full
        disk has not taken it yet.
        """
        is_next = index == self.newest_index + 1 and bool(self._recent)  # so it is about to come the fast way
        while not unless():
            self._news.clear()
            recorded = self._recent.get(index) if is_next else self.get(index)
            if recorded is not None:
                return recorded
            if or_newest_of is not None and self._runs_on_behind(index, or_newest_of):
                return self._recent[self.newest_index]
            try:
                async with asyncio.timeout(JOURNAL_CHECK_S):
                    await self._news.wait()
                is_next = is_next and index >= self.newest_index
            except TimeoutError:
                is_next = False
        return None

    def _runs_on_behind(self, index: int, count: int) -> bool:
        """Whether the newest `count` chunks are in memory, all of them later than `index`."""
        first = self.newest_index - count + 1
        return first > index and all(n in self._recent for n in range(first, self.newest_index + 1))

    @property
    def newest_index(self) -> int:
        """The newest chunk that came the fast way; -1 for none."""
        return next(reversed(self._recent), -1)

    @property
    def next_index(self) -> int:
        """The number behind the newest chunk that exists, in memory or in the journal."""
        return max(self.newest_index + 1, self._journal.next_index)

    def close(self) -> None:
        self._journal.close()
