"""What `causal-ctl doctor` makes of a Mac's permissions. No I/O."""

from __future__ import annotations

from causal.permission import Answer

from .checks import Result
from .checks_desktop import MACOS

SCREEN_KIT_ALONE = ((13, 0), (14, 2))
"""From, and before: where system sound needs the permission to record the screen."""


def permissions(version: tuple[int, ...], microphone: Answer, screen: Answer) -> list[Result]:
    """What macOS says about this terminal. For Core Audio taps, which later versions use, it says nothing."""
    first, beyond = SCREEN_KIT_ALONE
    return [_microphone_permission(microphone), *([_screen(screen)] if first <= version < beyond else [])]


def _microphone_permission(answer: Answer) -> Result:
    name = "may hear"
    match answer:
        case "granted":
            return Result(name, "ok", "this terminal may hear the microphone")
        case "undecided":
            return Result(name, "warning", "nobody was asked for the microphone yet", "causal-ctl start mic")
        case "denied":
            return Result(name, "failed", "this terminal may not hear the microphone", MACOS.microphone)
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
            return Result(name, "failed", found, MACOS.system)
