"""What macOS lets this program hear, and what to say when it does not.

macOS gives permissions to the application that a program was started from: for a command that is the terminal. It
answers for the microphone (AVFoundation) and for recording the screen (Core Graphics). For the sound that a tap hears
it has no answer: a forbidden tap delivers zeros. Nothing here waits for a person.
"""

from __future__ import annotations

import sys
from typing import Literal

from causal.errors import SourceError

Answer = Literal["granted", "denied", "restricted", "undecided", "unknown"]
"""`restricted`: by a profile, the person at the Mac cannot change it. `undecided`: nobody has been asked yet.
`unknown`: the package that would know is missing."""

MICROPHONE_PANE = "System Settings > Privacy & Security > Microphone"
SOUND_PANE = "System Settings > Privacy & Security > Screen & System Audio Recording"
OPEN_MICROPHONE_PANE = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy_Microphone"'
OPEN_SOUND_PANE = 'open "x-apple.systempreferences:com.apple.preference.security?Privacy_ScreenCapture"'

MICROPHONE_HINT = f"Allow the terminal that starts Causal in {MICROPHONE_PANE}, then quit it and open it again."
SOUND_HINT = f"Allow the terminal that starts Causal in {SOUND_PANE}, then quit it and open it again."

MICROPHONE_ASKED_HINT = f"Answer it. If there is no question to be seen: {MICROPHONE_HINT}"

_BY_STATUS: dict[int, Answer] = {0: "undecided", 1: "restricted", 2: "denied", 3: "granted"}
"""AVAuthorizationStatus."""

asked: set[str] = set()
"""What this process has asked the person at the Mac for. It asks once."""


def microphone() -> Answer:
    """Whether microphones may be heard. Without this permission they deliver zeros for ever, and no error."""
    if sys.platform != "darwin":
        return "granted"
    try:
        import AVFoundation
    except ImportError:
        return "unknown"
    status = AVFoundation.AVCaptureDevice.authorizationStatusForMediaType_(AVFoundation.AVMediaTypeAudio)
    return _BY_STATUS.get(int(status), "unknown")


def screen() -> Answer:
    """Whether the screen, and with it the system's sound by ScreenCaptureKit, may be recorded. macOS does not say
    whether somebody was asked."""
    if sys.platform != "darwin":
        return "granted"
    try:
        import Quartz
    except ImportError:
        return "unknown"
    return "granted" if Quartz.CGPreflightScreenCaptureAccess() else "denied"


def require_microphone() -> None:
    """Call it before a microphone is opened: returns at once where that may be done, or where nobody knows. Raises
    `SourceError` where not. Who was never asked is asked, once in a process, and the answer counts from the next
    call on: the driver itself never asks."""
    match microphone():
        case "undecided":
            _ask_for_microphone()
            raise _denied("macOS asks at this moment whether the microphone may be heard", MICROPHONE_ASKED_HINT)
        case "denied":
            raise _denied("macOS does not let us hear the microphone", MICROPHONE_HINT)
        case "restricted":
            raise _denied("a profile on this Mac forbids the microphone", "Whoever administers this Mac can allow it.")


def require_screen() -> None:
    """Call it before ScreenCaptureKit is used, for that asks each time. Otherwise as `require_microphone`."""
    if screen() == "denied" and not _ask_for_screen():
        raise _denied("macOS does not let us record the screen, and with it the system's sound", SOUND_HINT)


def _ask_for_microphone() -> None:
    if "microphone" not in asked:
        asked.add("microphone")
        import AVFoundation

        AVFoundation.AVCaptureDevice.requestAccessForMediaType_completionHandler_(
            AVFoundation.AVMediaTypeAudio, _note_answer
        )


def _note_answer(_granted: bool) -> None:
    """macOS keeps the answer; the next call finds it."""


def _ask_for_screen() -> bool:
    """Whether it is granted at once. Otherwise macOS shows a question, and the answer counts after a restart."""
    if "screen" in asked:
        return False
    asked.add("screen")
    import Quartz

    return bool(Quartz.CGRequestScreenCaptureAccess())


def _denied(found: str, hint: str) -> SourceError:
    return SourceError("permission-denied", found, hint, retryable=True)
