"""How a stream is doing: its state, what is wrong, and what a person can do about it."""

from __future__ import annotations

from dataclasses import dataclass

from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.messages.control import DeviceKind
from causal.messages.events import CaptureState

from .line import Line, Track
from .watch import hint_of, state_of

COMES_WITHIN_NS = 2 * NS_PER_S
"""So long a new default may take to deliver before that is told."""

MUTED_WITHIN_NS = NS_PER_S
"""Sound that was on its way when a device was muted comes within this time."""

FOLLOWER_HINT = "The next default device is heard as soon as there is one."


@dataclass(frozen=True)
class Condition:
    """How a track is doing."""

    device: str | None
    state: CaptureState
    error: SourceError | None = None
    retrying: bool = False
    hint: str = ""
    """What a person can do about the state."""


def condition_of(track: Track, kind: DeviceKind | None, now_ns: int) -> Condition:
    """The condition of a track; `kind` is that of its device, None when that is not known."""
    line = track.line
    device = line.device_id if line else None
    if track.over:
        return Condition(device, "failed" if track.error else "stopped", track.error)
    error = _error(track)
    if line is None or line.intake is None or error:
        return Condition(device, "failed" if error else "starting", error, retrying=error is not None)
    intake = line.intake
    driver = (
        "running" if intake.driver_state == "muted" and not _is_muted(track, intake.state_ns) else intake.driver_state
    )
    zeros_s, waited_s = track.level.zeros_s, (now_ns - line.quiet_since_ns) / NS_PER_S
    state = state_of(waited_s=waited_s, heard=line.heard, zeros_s=zeros_s, driver=driver)
    sounded = (track.sounded_ns or 0) >= intake.opened_ns
    hint = hint_of(state, kind=kind, driver_hint=intake.driver_hint, zeros_s=zeros_s, sounded=sounded)
    return Condition(device, state, hint=hint or _of_coming(track.coming, now_ns))


def _error(track: Track) -> SourceError | None:
    """Of its device; who follows the default need not wait for that one."""
    error = track.line.error if track.line else track.error
    if error is None or error.code != "device-lost" or not track.follows:
        return error
    return SourceError("device-lost", error.message, FOLLOWER_HINT, retryable=True)


def _is_muted(track: Track, since_ns: int) -> bool:
    """Whether nothing is heard since the system said so. What sounds on a second later is not muted: loudspeakers may
    be silent to the room, and heard on their loopback."""
    return track.sounded_ns is None or track.sounded_ns - since_ns < MUTED_WITHIN_NS


def _of_coming(coming: Line | None, now_ns: int) -> str:
    if coming is None or now_ns - coming.quiet_since_ns < COMES_WITHIN_NS:
        return ""
    return f"{coming.device_id} is the default now, but delivers nothing; it is heard as soon as it does"
