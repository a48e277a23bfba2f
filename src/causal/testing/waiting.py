"""Waiting for what another thread or process does: the one place where tests look again and again.

    until(ready.exists)
    until(lambda: hook.seqs == [1, 2, 3], 20.0, lambda: f"three posts; there are {hook.seqs}")
    await until_async(lambda: gateway.claims)

Where there is an event, a socket or a loop to wait for, wait for that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

WITHIN_S = 10.0
LOOK_EVERY_S = 0.01

T = TypeVar("T")


def until(
    look: Callable[[], T],
    within_s: float = WITHIN_S,
    what: str | Callable[[], str] = "what was waited for",
    look_every_s: float = LOOK_EVERY_S,
) -> T:
    """The first result of `look` that is true.

    Raises `TimeoutError` when even a look after that time shows nothing: a test that stood still meanwhile looks once
    more. Its text has `what`; a function is asked for it then, to tell what there is instead.
    """
    end_s = time.monotonic() + within_s
    while True:
        late = time.monotonic() > end_s
        if found := look():
            return found
        if late:
            raise _not_so(within_s, what)
        time.sleep(look_every_s)


async def until_async(
    look: Callable[[], T], within_s: float = WITHIN_S, what: str | Callable[[], str] = "what was waited for"
) -> T:
    """As `until`, while the loop turns."""
    end_s = time.monotonic() + within_s
    while True:
        late = time.monotonic() > end_s
        if found := look():
            return found
        if late:
            raise _not_so(within_s, what)
        await asyncio.sleep(LOOK_EVERY_S)


def _not_so(within_s: float, what: str | Callable[[], str]) -> TimeoutError:
    return TimeoutError(f"not within {within_s:g} s: {what if isinstance(what, str) else what()}")
