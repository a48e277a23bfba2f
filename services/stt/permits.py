"""Permission to begin a session with the speech service: the account's limit is shared, so the controller gives it.

a runner wishes ──▶ told in the next poll ──▶ granted in an answer ──▶ the runner goes on
                    (again in each poll until then, by the same id, so an answer may get lost)
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from causal.messages.control import Wish

LOOK_AGAIN_S = 0.25


class Permits:
    """The wishes of one gateway. Holds one for each connection that waits to be made."""

    def __init__(self, gateway: str, changed: Callable[[], None]) -> None:
        """`gateway` names this process, for ever; `changed` has the controller asked without delay."""
        self._gateway = gateway
        self._changed = changed
        self._numbers = itertools.count()
        self._waiting: dict[str, tuple[Wish, asyncio.Event]] = {}

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What to tell the controller."""
        return tuple(wish for wish, granted in self._waiting.values() if not granted.is_set())

    def grant(self, ids: tuple[str, ...]) -> None:
        """The controller's answer."""
        for wish_id in ids:
            if wish_id in self._waiting:
                self._waiting[wish_id][1].set()

    async def get(self, *, live: bool, unless: Callable[[], bool]) -> bool:
        """Waits for permission; False when `unless` becomes true first."""
        wish = Wish(id=f"{self._gateway}-{next(self._numbers)}", live=live)
        granted = asyncio.Event()
        self._waiting[wish.id] = (wish, granted)
        self._changed()
        try:
            while not granted.is_set() and not unless():
                try:
                    async with asyncio.timeout(LOOK_AGAIN_S):
                        await granted.wait()
                except TimeoutError:
                    continue
            return granted.is_set()
        finally:
            del self._waiting[wish.id]
