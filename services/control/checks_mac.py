"""What `causal-ctl doctor` makes of a Mac's permissions, and of a short listening there. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from causal import permission
from causal.messages.control import Device
from causal.permission import Answer
from causal.screen import clean

from .checks import Result
from .checks_sound import Ear, Hearing, Problem, to_hear, undelivered

SCREEN_KIT_ALONE = ((13, 0), (14, 2))
"""From, and before: where system sound needs the permission to record the screen."""

FIX_MICROPHONE = f"{permission.OPEN_MICROPHONE_PANE}   (allow this terminal, quit it, open it again)"
FIX_SOUND = f"{permission.OPEN_SOUND_PANE}   (allow this terminal, quit it, open it again)"


def permissions(version: tuple[int, ...], microphone: Answer, screen: Answer) -> list[Result]:
    """What macOS says about this terminal. For Core Audio taps, which later versions use, it says nothing."""
    first, beyond = SCREEN_KIT_ALONE
    return [_microphone_permission(microphone), *([_screen(screen)] if first <= version < beyond else [])]


def sound(hearing: Hearing | Problem) -> list[Result]:
    """The verdicts on the microphone and on the system's sound."""
    if isinstance(hearing, Problem):
        return [Result("sound", "failed", clean(hearing.message), hearing.hint)]
    problems = [Result("sound", "failed", clean(problem.message), problem.hint) for problem in hearing.problems]
    ears = {ear.device: ear for ear in hearing.ears}
    chosen = {device.kind: device for device in to_hear(hearing.devices)}
    return [*problems, *_microphone(chosen.get("input"), ears), *_loopback(chosen.get("loopback"), ears, problems)]


def _microphone_permission(answer: Answer) -> Result:
    name = "may hear"
    match answer:
        case "granted":
            return Result(name, "ok", "this terminal may hear the microphone")
        case "undecided":
            return Result(name, "warning", "nobody was asked for the microphone yet", "causal-ctl start mic")
        case "denied":
            return Result(name, "failed", "this terminal may not hear the microphone", FIX_MICROPHONE)
        case "restricted":
            found = "a profile on this Mac forbids the microphone"
            return Result(name, "failed", found, "Whoever administers this Mac can allow it.")
        case "unknown":
            fix = "python -m pip install pyobjc-framework-AVFoundation"
            return Result(name, "warning", "whether the microphone may be heard cannot be looked up", fix)


def _screen(answer: Answer) -> Result:
    name = "may record"
    match answer:
        case "granted":
            return Result(name, "ok", "this terminal may record the screen, and so the system's sound")
        case "unknown":
            fix = "python -m pip install pyobjc-framework-Quartz"
            return Result(name, "warning", "whether the screen may be recorded cannot be looked up", fix)
        case _:
            found = "this terminal may not record the screen, and so not the system's sound"
            return Result(name, "failed", found, FIX_SOUND)


def _microphone(device: Device | None, ears: dict[str, Ear]) -> list[Result]:
    name = "microphone"
    if device is None:
        return [Result(name, "warning", "there is none", 'open "x-apple.systempreferences:com.apple.preference.sound"')]
    ear = ears.get(device.id, Ear(device.id))
    if silent := undelivered(name, ear, FIX_MICROPHONE):
        return [silent]
    if ear.peak == 0.0:
        found = f"{device.id} delivers nothing but zeros: a missing permission, or a switch on the device"
        return [Result(name, "failed", found, FIX_MICROPHONE)]
    return [Result(name, "ok", f"{device.id} delivers")]


def _loopback(device: Device | None, ears: dict[str, Ear], problems: Sequence[Result]) -> list[Result]:
    name = "system sound"
    if device is None:
        return (
            [] if problems else [Result(name, "warning", "it cannot be heard", "macOS 13 and later let it be heard.")]
        )
    ear = ears.get(device.id, Ear(device.id))
    if silent := undelivered(name, ear, FIX_SOUND):
        return [silent]
    if ear.peak == 0.0:
        found = f"{device.id} delivers nothing but zeros: nothing is playing, or the permission is missing"
        return [Result(name, "warning", found, f"Play something and look again. If it stays so: {FIX_SOUND}")]
    return [Result(name, "ok", f"{device.id} delivers")]
