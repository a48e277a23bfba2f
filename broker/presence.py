"""Who may still publish: the broker ends after them."""

from __future__ import annotations

SILENT_AFTER_S = 3.0


class Presence:
    """Publishers that said hello within the last 3 s and have not said bye."""

    def __init__(self) -> None:
        self._seen_s: dict[str, float] = {}

    def hello(self, publisher: str, now_s: float) -> None:
        if publisher not in self._seen_s:
            self._forget_silent(now_s)
        self._seen_s[publisher] = now_s

    def bye(self, publisher: str) -> None:
        self._seen_s.pop(publisher, None)

    def __len__(self) -> int:
        return len(self._seen_s)

    def anybody(self, now_s: float) -> bool:
        self._forget_silent(now_s)
        return bool(self._seen_s)

    def _forget_silent(self, now_s: float) -> None:
        self._seen_s = {name: seen_s for name, seen_s in self._seen_s.items() if now_s - seen_s < SILENT_AFTER_S}
