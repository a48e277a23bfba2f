"""The bucket for new sessions: the speech service's account allows so many a minute, and all gateways share it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from causal.messages.control import Wish

WINDOW_S = 61.0
"""A minute, and a second for what is under way."""
ASKED_WITHIN_S = 3.0
"""A wish that has not been told for so long is not waited for any more."""


class Bucket:
    """At most `per_minute` grants within a minute. Live goes before backlog: as long as somebody waits with live
    speech no backlog is begun, and the last grant of a minute is kept for live speech, where there are several.

    Remembers the grants of a minute, and the wishes of three seconds. `granted_s` are a former controller's grants.
    """

    def __init__(self, per_minute: int, granted_s: Mapping[str, float] | None = None) -> None:
        self._per_minute = per_minute
        self._granted_s = dict(granted_s or {})
        self._live_asked_s: dict[str, float] = {}

    @property
    def granted_s(self) -> dict[str, float]:
        """When what was granted, by the wish's id: for a controller that comes after this one."""
        return dict(self._granted_s)

    def grant(self, wishes: Iterable[Wish], now_s: float) -> tuple[str, ...]:
        """Which of these wishes may be carried out now. One that was granted already is granted again, and counts
        once: its answer may have been lost."""
        self._granted_s = {name: at_s for name, at_s in self._granted_s.items() if 0 <= now_s - at_s < WINDOW_S}
        self._live_asked_s = {n: at_s for n, at_s in self._live_asked_s.items() if now_s - at_s < ASKED_WITHIN_S}
        granted = []
        for wish in sorted(wishes, key=lambda wish: not wish.live):
            if wish.live:
                self._live_asked_s[wish.id] = now_s
            if wish.id not in self._granted_s and self._is_free(wish):
                self._granted_s[wish.id] = now_s
            if wish.id in self._granted_s:
                self._live_asked_s.pop(wish.id, None)
                granted.append(wish.id)
        return tuple(granted)

    def _is_free(self, wish: Wish) -> bool:
        free = self._per_minute - len(self._granted_s)
        if wish.live:
            return free > 0
        return not self._live_asked_s and free > (1 if self._per_minute > 1 else 0)
