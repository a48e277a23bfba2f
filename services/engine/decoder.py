"""Reads speech in threads of its own, so that nobody who receives audio ever waits for the model."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from .hypothesis import NOTHING, RATE_HZ, Hypothesis
from .schedule import Kind, Reading, Schedule
from .segmenter import Samples
from .vocabulary import Vocabulary
from .words import Word, timed_words

log = logging.getLogger("causal.engine.decoder")


class Model(Protocol):
    """What reads samples; called from several threads."""

    vocabulary: Vocabulary

    def draft(self, samples: Samples, before: Hypothesis, give_up: Callable[[], bool]) -> Hypothesis:
        """What the samples seem to say so far."""

    def confirm(self, samples: Samples, before: Hypothesis) -> Hypothesis:
        """The last word on the samples."""


@dataclass(frozen=True, eq=False)
class Read:
    """What a reading brought."""

    reading: Reading
    hypothesis: Hypothesis
    words: tuple[Word, ...]


Deliver = Callable[[Read | Exception], None]
"""Gets what was read for a stream, in order, on the event loop."""


class Decoder:
    """One model for all streams. Use as ``async with decoder.running():``.

    ``load`` makes the model, in a thread, at the first `ready`; if it fails, the next `ready` tries again.
    """

    def __init__(self, load: Callable[[], Model], threads: int = 1) -> None:
        self._load = load
        self._threads = threads
        self._schedule = Schedule()
        self._listeners: dict[Hashable, Deliver] = {}
        self._last: dict[Hashable, Read] = {}
        self._model: Model | None = None
        self._loading = asyncio.Lock()
        self._asked = asyncio.Event()
        self._urgent = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The threads, for as long as the context lasts."""
        with ThreadPoolExecutor(self._threads, "decoder") as pool:
            workers = [asyncio.create_task(self._work(pool)) for _ in range(self._threads)]
            try:
                yield
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def ready(self) -> None:
        """Returns when the model is loaded. Raises `EngineError` when it cannot be."""
        async with self._loading:
            if self._model is None:
                began_s = time.monotonic()
                self._model = await asyncio.to_thread(self._load)
                log.info("the speech model is loaded (%.1f s)", time.monotonic() - began_s)

    def attach(self, stream: Hashable, deliver: Deliver) -> None:
        """From now on the stream may `ask`; it must `detach`. Call `ready` before."""
        self._listeners[stream] = deliver

    def detach(self, stream: Hashable) -> None:
        """Nothing more is read for the stream, and nothing more delivered."""
        self._listeners.pop(stream, None)
        self._last.pop(stream, None)
        self._schedule.forget(stream)

    def ask(self, wish: Reading) -> None:
        """Puts a wish in line; what comes of it is delivered, unless a newer wish replaces it."""
        self._schedule.ask(wish)
        self._urgent = self._schedule.urgent()
        self._asked.set()

    async def _work(self, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            reading = await self._next()
            began_s = time.monotonic()
            found: Read | Exception
            try:
                found = await loop.run_in_executor(pool, self._read, reading, self._last.get(reading.stream))
            except Exception as error:  # whatever the model raises ends this stream, not the engine
                log.exception("a reading of %.1f s failed", len(reading.samples) / RATE_HZ)
                found = error
            self._schedule.done(reading, began_s, time.monotonic())
            self._asked.set()
            self._hand_over(reading.stream, found)

    async def _next(self) -> Reading:
        while True:
            self._asked.clear()
            now_s = time.monotonic()
            reading = self._schedule.take(now_s)
            self._urgent = self._schedule.urgent()
            if reading is not None:
                return reading
            wake_at_s = self._schedule.wake_at_s()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if wake_at_s is None else max(0.0, wake_at_s - now_s)):
                    await self._asked.wait()

    def _read(self, reading: Reading, last: Read | None) -> Read:
        """Runs in a thread. Starts from what was last read of the same segment."""
        assert self._model is not None, "ready() comes before attach()"
        if last is None or last.reading.segment is not reading.segment:
            last = Read(reading, NOTHING, ())
        elif _settles(last.reading, reading):
            return Read(reading, last.hypothesis, last.words)
        if reading.kind is not Kind.DRAFT:
            heard = self._model.confirm(reading.samples, last.hypothesis)
        else:
            heard = self._model.draft(
                reading.samples, last.hypothesis, lambda: self._urgent or reading.stream not in self._listeners
            )
            if not heard.complete and len(heard.tokens) < len(last.hypothesis.tokens):
                return last
        return Read(reading, heard, tuple(timed_words(reading.samples, heard, self._model.vocabulary)))

    def _hand_over(self, stream: Hashable, found: Read | Exception) -> None:
        deliver = self._listeners.get(stream)
        if deliver is None:
            return
        if isinstance(found, Read):
            earlier = self._last.get(stream)
            self._last[stream] = found
            if found is earlier or not found.hypothesis.complete:
                return
        deliver(found)


def _settles(candidate: Reading, final: Reading) -> bool:
    """Whether a candidate turned out to be what the final would be: it was read with the same care."""
    return (
        final.kind is Kind.FINAL
        and candidate.kind is Kind.CANDIDATE
        and candidate.segment is final.segment
        and len(candidate.samples) == len(final.samples)
    )
