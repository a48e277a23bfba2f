"""Which worker gets a stream: the one that has it, else the one with the fewest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .registry import Registry
from .session import ROLES, Session


def assign(sessions: Iterable[Session], registry: Registry, now_s: float) -> list[Session]:
    """Gives every stream without a live worker to one, where there is one. Returns the sessions that changed.

    A stream sticks to its worker, even through the worker's restarts and the controller's own; it moves only when that
    one is gone for good and another instance lives.
    """
    sessions = list(sessions)
    changed = []
    for role in ROLES:
        alive = registry.alive(role, now_s)
        streams = [(session, stream) for session in sessions for stream in session.streams if stream.needs(role)]
        loads = Counter(stream.holders[role].instance for _, stream in streams if role in stream.holders)
        for session, stream in streams:
            holder = stream.holders.get(role)
            if not alive or (holder is not None and not registry.gone(role, holder.instance, now_s)):
                continue
            instance = min(alive, key=lambda name: (loads[name], name))
            loads[instance] += 1
            stream.hand_to(role, instance, alive[instance].poll.incarnation)
            if session not in changed:
                changed.append(session)
    return changed
