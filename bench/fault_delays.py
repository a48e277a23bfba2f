"""How late words came after faults, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from causal.testing.live_delay import Delay

IN_SPELL = "any, while the host took the processors"
AWAY = "any, while the service was away"
HEAD = ["fault", "times", "latest word, s", "live again, worst, s", "not before the next"]


def rows(delays: Iterable[Delay]) -> list[list[object]]:
    """A row a kind of fault."""
    kinds = defaultdict(list)
    for delay in delays:
        label = delay.label.split()[0] if "-two" in delay.label else delay.label
        kinds[IN_SPELL if delay.in_spell else AWAY if delay.in_another else label].append(delay)
    table: list[list[object]] = []
    for kind, several in sorted(kinds.items()):
        again = live_again_s(several)
        worst_s = max(delay.worst_ms for delay in several) / 1000
        table.append([kind, len(several), worst_s, max(again, default="-"), len(several) - len(again)])
    return table


def worst(delays: Iterable[Delay], *kinds: str) -> object:
    """Live again after the faults of these kinds that happened while the service and the processors were there, in
    seconds."""
    meant = [d for d in delays if d.label.split()[0] in kinds and not d.in_another and not d.in_spell]
    return max(live_again_s(meant), default="-")


def late(delays: Iterable[Delay], target_s: float) -> list[str]:
    """Each fault after which words were live later than they should be, a line."""
    slow = [one for one in delays if one.live_again_ms is not None and one.live_again_ms > target_s * 1000]
    lines = [
        f"- {one.label}: {one.slowest} after {(one.live_again_ms or 0) / 1000:.2f} s, "
        f"from {one.owed_from_ms / 1000:.1f} s of the session on"
        for one in sorted(slow, key=lambda one: one.live_again_ms or 0, reverse=True)
    ]
    return [f"Live again after more than {target_s:g} s, whatever the reason:", "\n".join(lines)] if lines else []


def live_again_s(delays: Sequence[Delay]) -> list[float]:
    """Of each fault after which words were live before the next."""
    return [delay.live_again_ms / 1000 for delay in delays if delay.live_again_ms is not None]
