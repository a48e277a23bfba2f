"""What `mic` and `system` mean at the moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from causal.errors import SourceError
from causal.messages.control import Device

KINDS: dict[str, Literal["input", "loopback"]] = {"mic": "input", "system": "loopback"}
"""The alias decides the kind: a microphone never stands in for what the computer plays, nor the other way round."""

NAMES = {"input": "microphone", "loopback": "loopback of the loudspeakers"}


def resolve(source: str, devices: Iterable[Device], problems: Iterable[SourceError] = ()) -> str:
    """The device id behind `source`; an id stands for itself. Raises `SourceError`: the first of the `problems` with
    listing devices, or that there is no such device."""
    kind = KINDS.get(source)
    if kind is None:
        return source
    candidates = [device for device in devices if device.kind == kind]
    for device in candidates:
        if device.default:
            return device.id
    for problem in problems:
        raise problem
    if candidates:
        raise SourceError(
            "device-not-found",
            f"the system has no default {NAMES[kind]}, but {len(candidates)} to choose from",
            f"Choose a default in the sound settings, or name one: {candidates[0].id}",
            retryable=True,
        )
    raise SourceError(
        "device-not-found", f"there is no {NAMES[kind]}", "It is taken up as soon as there is one.", retryable=True
    )
