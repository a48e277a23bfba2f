"""Where a new lane begins: in the quietest chunk of what was heard last."""

from __future__ import annotations

from collections.abc import Sequence

SEARCH_CHUNKS = 30
"""The last three seconds."""


def seam(levels: Sequence[float], first_index: int) -> int:
    """The index of the quietest chunk, the latest of several; `levels` begin with that of chunk `first_index`."""
    quietest = min(levels)
    return first_index + max(n for n, level in enumerate(levels) if level == quietest)
