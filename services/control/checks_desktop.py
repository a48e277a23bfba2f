"""What `causal-ctl doctor` makes of a short listening where the system itself has the sound: macOS, Windows. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from causal import permission
from causal.messages.control import Device
from causal.screen import clean

from .checks import Result
from .checks_sound import Ear, Hearing, Problem, to_hear, undelivered


@dataclass(frozen=True)
class Fixes:
    """The commands that open the settings."""

    microphone: str
    """Where microphones are allowed."""
    devices: str
    """Where devices are chosen."""
    system: str = ""
    """Where the system's sound is allowed; empty where nobody has to allow it."""


MACOS = Fixes(
    microphone=f"{permission.OPEN_MICROPHONE_PANE}   (allow this terminal, quit it, open it again)",
    devices='open "x-apple.systempreferences:com.apple.preference.sound"',
    system=f"{permission.OPEN_SOUND_PANE}   (allow this terminal, quit it, open it again)",
)
WINDOWS = Fixes(
    microphone="start ms-settings:privacy-microphone   (let desktop apps use it)", devices="start ms-settings:sound"
)


def sound(hearing: Hearing | Problem, fixes: Fixes) -> list[Result]:
    """The verdicts on the microphone and on the system's sound."""
    if isinstance(hearing, Problem):
        return [Result("sound", "failed", clean(hearing.message), hearing.hint)]
    problems = [Result("sound", "failed", clean(problem.message), problem.hint) for problem in hearing.problems]
    ears = {ear.device: ear for ear in hearing.ears}
    chosen = {device.kind: device for device in to_hear(hearing.devices)}
    found = []
    if (device := chosen.get("input")) or not problems:
        found.append(_microphone(device, ears, fixes))
    if (device := chosen.get("loopback")) or not problems:
        found.append(_loopback(device, ears, fixes))
    return [*problems, *found]


def _microphone(device: Device | None, ears: dict[str, Ear], fixes: Fixes) -> Result:
    name = "microphone"
    if device is None:
        return Result(name, "warning", "there is none", fixes.devices)
    ear = ears.get(device.id, Ear(device.id))
    if silent := undelivered(name, ear, fixes.microphone):
        return silent
    if ear.muted:
        return Result(name, "failed", f"{device.name} is muted", fixes.devices)
    if ear.peak == 0.0:
        found = f"{device.name} delivers nothing but zeros: a missing permission, or a switch on the device"
        return Result(name, "failed", found, fixes.microphone)
    return Result(name, "ok", f"{device.name} delivers")


def _loopback(device: Device | None, ears: dict[str, Ear], fixes: Fixes) -> Result:
    name = "system sound"
    if device is None:
        return Result(name, "warning", "there is no output whose sound could be heard", fixes.devices)
    ear = ears.get(device.id, Ear(device.id))
    if silent := undelivered(name, ear, fixes.system or fixes.devices):
        return silent
    if ear.peak > 0.0:
        return Result(name, "ok", f"{device.name} delivers")
    if not fixes.system:
        return Result(name, "ok", f"{device.name} delivers; nothing is playing at the moment")
    found = f"{device.name} delivers nothing but zeros: nothing is playing, or the permission is missing"
    return Result(name, "warning", found, f"Play something and look again. If it stays so: {fixes.system}")
