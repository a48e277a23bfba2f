"""Which of Causal's own backends are used: by the setting `backend`, and by the system. Names only."""

from __future__ import annotations

BY_SYSTEM: dict[str, tuple[tuple[str, ...], ...]] = {
    "linux": (("pulse", "portaudio"),),
    "win32": (("wasapi", "portaudio"),),
    "darwin": (("tap",), ("portaudio",)),
}

OURS = {"pulse", "portaudio", "soundcard", "wasapi", "tap"}
"""What is used only when it is chosen. Files, and the backends of other packages, always are."""


def groups(wanted: str, system: str) -> tuple[tuple[str, ...], ...]:
    """Of each group, the first backend that can tell its devices is used. `wanted` is the setting, `system` is as
    `sys.platform` says."""
    if wanted == "auto":
        return BY_SYSTEM.get(system, (("portaudio",),))
    return BY_SYSTEM["darwin"] if wanted == "coreaudio" else ((wanted,),)
