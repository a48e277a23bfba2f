"""Says how a stream is doing, from what is known of its device."""

from __future__ import annotations

from causal.messages.control import DeviceKind
from causal.messages.events import CaptureState

from .backend import DriverState

STALLED_AFTER_S = 1.0
SILENT_AFTER_S = 3.0
ZEROS_FIRST_S, ZEROS_LONG_S = 10.0, 60.0
"""After so long a microphone's zeros are worth a hint: one that was never heard, and one that was."""
REOPEN_AFTER_S, REOPEN_SLOWEST_S = 4.0, 10.0
"""A device that says nothing for so long, and does not say why, is opened again: its server may have forgotten us."""
RETRY_FIRST_S, RETRY_SLOWEST_S = 0.1, 2.0
"""A device that is away is tried again after such times: it may be back before anybody is told of it."""


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


def hint_of(
    state: CaptureState, *, kind: DeviceKind | None, driver_hint: str, zeros_s: float = 0.0, sounded: bool = False
) -> str:
    """What a person can do about the state. The driver knows best. A loopback may be silent, and a file wait; a device
    that has `sounded` since it was opened may have a gate that makes pauses perfectly silent."""
    if driver_hint or kind is None:
        return driver_hint
    match state:
        case "stalled" if kind != "file":
            return "nothing is delivered; it is opened again by itself, and what was not heard is a gap"
        case "silent" if kind == "input" and zeros_s > (ZEROS_LONG_S if sounded else ZEROS_FIRST_S):
            return "only zeros are delivered: look for a switch on the device, an empty socket, or a missing permission"
    return ""


def should_reopen(*, waited_s: float, driver: DriverState, tries: int = 0) -> bool:
    """Whether a stalled device is opened anew. `tries` counts its openings since it was last heard."""
    patience_s = min(REOPEN_SLOWEST_S, REOPEN_AFTER_S * 2.0 ** max(0, min(tries, 9) - 1))
    return waited_s > patience_s and driver != "suspended"


def retry_after_s(tries: int) -> float:
    """How long to wait before a device that is away is tried again."""
    return min(RETRY_SLOWEST_S, RETRY_FIRST_S * 2.0 ** min(tries, 9))
