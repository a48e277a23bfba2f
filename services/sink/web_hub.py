"""All open pages: who is told what.

    session-status, capture-status     every page
    finals, partials, gaps, errors     the pages that show their session
    stack, devices                     every page, when they change

One thread, the server's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from causal.messages import CaptureStatus, Event, QueueDepth, SessionStatus

from .web_history import History, for_page
from .web_live import Live

MAX_PAGES = 64


class Page:
    """What one page is to be told. Holds at most 2000 messages; when they are full it `is_late`, and has to come again
    for what it missed. The hub writes, the page's socket reads."""

    CAPACITY = 2000

    def __init__(self) -> None:
        self.is_late = False
        self.session = ""
        """The one that it shows."""
        self.seq = 0
        """The newest event of that session that it was told."""
        self.refused = 0
        """Messages that it had no room for."""
        self._messages: deque[bytes] = deque()
        self._news = asyncio.Event()

    def offer(self, message: bytes) -> None:
        if len(self._messages) < self.CAPACITY:
            self._messages.append(message)
            self._news.set()
        else:
            self.refused += 1
            self.send_away()

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._messages)

    def send_away(self) -> None:
        """What it was told is not worth going on with: it comes again, and is told what it misses."""
        self.is_late = True
        self._news.set()

    def take(self) -> bytes | None:
        """The next message, if one waits and the page is not late."""
        return self._messages.popleft() if self._messages and not self.is_late else None

    async def next(self) -> bytes | None:
        """The next message, waited for; None when the page is late."""
        while not self._messages and not self.is_late:
            self._news.clear()
            await self._news.wait()
        return self.take()


class Hub:
    """Holds at most 64 pages."""

    def __init__(self, history: History, catch_up: Callable[[], None] | None = None) -> None:
        """`catch_up` tells what waits to be told: nobody hurries with it while no page is open."""
        self.occupied = asyncio.Event()
        """Whether a page is open."""
        self._history = history
        self._live = Live()
        self._pages: set[Page] = set()
        self._refused = 0
        """Messages that pages had no room for which have left."""
        self._facts: dict[str, bytes] = {}
        self._log = history.log
        self._catch_up = catch_up

    def enter(self) -> Page | None:
        """A new page, told how things are; None when there are too many."""
        if len(self._pages) >= MAX_PAGES:
            return None
        self.occupied.set()
        if self._catch_up is not None:  # after it is known that somebody looks, or an event could fall between
            self._catch_up()
        page = Page()
        self._pages.add(page)
        for fact in self._facts.values():
            page.offer(fact)
        for status in self._live.statuses():
            page.offer(for_page(status))
        return page

    def leave(self, page: Page) -> None:
        if page in self._pages:
            self._pages.remove(page)
            self._refused += page.refused
        if not self._pages:
            self.occupied.clear()

    def queue(self) -> QueueDepth:
        """What waits for all pages together. May be called from any thread."""
        pages = tuple(self._pages)
        return QueueDepth(
            depth=sum(map(len, pages)),
            capacity=Page.CAPACITY * len(pages),
            dropped=self._refused + sum(page.refused for page in pages),
        )

    def show(self, page: Page, session: str, after: int, log: str) -> None:
        """Tells a page all of a session, or what came behind `after`; from now on, what comes."""
        same_log = log == self._history.log
        events = self._history.events(session, after if same_log else 0)
        partials = [for_page(partial) for partial in self._live.partials(session)]
        page.session = session
        page.seq = self._history.seq
        about = {"session": session, "log": self._history.log, "after": after if same_log else 0, "seq": page.seq}
        raw = {
            name: msgspec.Raw(b"[" + b",".join(found) + b"]")
            for name, found in (("events", events), ("partials", partials))
        }
        page.offer(msgspec.json.encode({"type": "shown"} | about | raw))

    def tell(self, event: Event) -> None:
        """An event, to the pages that want it."""
        self._live.on(event)
        if self._log != self._history.log:
            self._log = self._history.log
            for page in self._pages:
                page.send_away()
        if not self._pages:
            return
        message = for_page(event)
        for page in self._pages:
            if isinstance(event, SessionStatus | CaptureStatus):
                page.offer(message)
            elif page.session == event.session and (event.seq is None or event.seq > page.seq):
                page.seq = event.seq or page.seq
                page.offer(message)

    def tell_fact(self, kind: str, fields: dict[str, Any]) -> None:
        """Something that is true until it is told anew. The same twice is told once."""
        message = msgspec.json.encode({"type": kind} | fields)
        if self._facts.get(kind) != message:
            self._facts[kind] = message
            for page in self._pages:
                page.offer(message)
