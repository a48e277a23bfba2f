"""Says how a stream is doing, from what is known of its device."""

from __future__ import annotations

from causal.messages.events import CaptureState

from .backend import DriverState

STALLED_AFTER_S = 1.0
SILENT_AFTER_S = 3.0
REOPEN_AFTER_S = 4.0
"""A device that says nothing for so long, and does not say why, is opened again: its server may have forgotten us."""


def state_of(*, waited_s: float, heard: bool, zeros_s: float, driver: DriverState) -> CaptureState:
    """The state of a stream whose device is open. `waited_s` counts since samples came last, or since it was opened;
    `zeros_s` is the length of the digital silence until now."""
    if waited_s > STALLED_AFTER_S or driver == "suspended":
        return "stalled"
    if not heard:
        return "starting"
    if driver == "muted":
        return "muted"
    return "silent" if zeros_s > SILENT_AFTER_S else "capturing"


def should_reopen(*, waited_s: float, driver: DriverState) -> bool:
    """Whether a stalled device is opened anew."""
    return waited_s > REOPEN_AFTER_S and driver != "suspended"
