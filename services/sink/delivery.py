"""Events on their way to a receiver that may be slow, away or wrong: in order, retried, given up at last. No I/O.

offer ──▶ waiting ──▶ post ──taken──▶ Settled
                       │ ▲
              not taken▼ │after a pause that grows, with chance in it
                      pause ──tried for too long, or refused for good──▶ Dead
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from causal.messages import Event

CAPACITY = 1000
LINGER_S = 2.0
"""How long an event waits for others to fill a batch."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LONGEST_WISH_S = 300.0
"""Of a receiver that says when to come again."""
REFUSED_FOR_GOOD = frozenset({400, 413, 415, 422})
"""These mean the body. Other answers mean the receiver, or its address, and may change."""


@dataclass(frozen=True)
class Post:
    """What is sent at once: events of one session, in order. The same one is sent until it is settled or dead."""

    events: tuple[Event, ...]

    @property
    def session(self) -> str:
        return self.events[0].session

    @property
    def first_seq(self) -> int:
        return self.events[0].seq or 0

    @property
    def last_seq(self) -> int:
        return self.events[-1].seq or 0


@dataclass(frozen=True)
class Answer:
    """What came of a post: an HTTP status, or in words why there is none."""

    status: int | None
    text: str = ""
    retry_after_s: float = 0.0

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class Settled:
    post: Post


@dataclass(frozen=True)
class Dead:
    post: Post
    reason: str


class Delivery:
    """At most 1000 events wait; more are refused. One post is on its way at a time. One thread at a time."""

    def __init__(self, batch: int, give_up_s: float, chance: Callable[[], float]) -> None:
        """`chance` gives numbers from 0 to 1."""
        self.trouble: str | None = None
        """Why the last post was not taken; None when it was."""
        self._batch = batch
        self._give_up_s = give_up_s
        self._chance = chance
        self._waiting: deque[tuple[Event, float]] = deque()
        self._post: Post | None = None
        self._tried = 0
        self._began_s = 0.0
        self._due_s = 0.0

    def __len__(self) -> int:
        """Events that are not settled."""
        return len(self._waiting) + (len(self._post.events) if self._post else 0)

    def offer(self, event: Event, now_s: float) -> bool:
        """Takes an event; False when too many wait."""
        if len(self) >= CAPACITY:
            return False
        self._waiting.append((event, now_s))
        return True

    def next_post(self, now_s: float, *, hurry: bool = False) -> Post | float | None:
        """What to send now, or in how many seconds to ask again; None when nothing waits. In a `hurry` batches are
        not filled."""
        if self._post is None:
            if not self._waiting:
                return None
            ready = self._ready()
            full_in_s = self._waiting[0][1] + LINGER_S - now_s
            if len(ready) < self._batch and len(ready) == len(self._waiting) and full_in_s > 0 and not hurry:
                return full_in_s
            for _ in ready:
                self._waiting.popleft()
            self._post, self._tried, self._began_s, self._due_s = Post(tuple(ready)), 0, now_s, now_s
        return self._post if now_s >= self._due_s else self._due_s - now_s

    def on_answer(self, answer: Answer, now_s: float) -> Settled | Dead | None:
        """What came of the post; None means that it is sent again."""
        post = self._post
        assert post is not None
        if answer.is_taken:
            self._post, self.trouble = None, None
            return Settled(post)
        self.trouble = f"answers {answer.status}" if answer.status else answer.text
        if answer.status in REFUSED_FOR_GOOD or now_s - self._began_s >= self._give_up_s:
            self._post = None
            return Dead(post, self.trouble)
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self._tried, 30)) * (0.5 + 0.5 * self._chance())
        self._tried += 1
        self._due_s = now_s + max(pause_s, min(answer.retry_after_s, LONGEST_WISH_S))
        return None

    def _ready(self) -> list[Event]:
        """The oldest events, as far as they are of one session and fit into a batch."""
        ready: list[Event] = []
        for event, _ in self._waiting:
            if len(ready) == self._batch or (ready and event.session != ready[0].session):
                break
            ready.append(event)
        return ready
