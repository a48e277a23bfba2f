"""What a person asked to hear, as devices with labels."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from causal.errors import CausalError
from causal.messages.control import Device, DeviceKind

ALIASES: dict[str, DeviceKind] = {"mic": "input", "system": "loopback"}
LABELS: dict[DeviceKind, str] = {"input": "mic", "loopback": "system", "file": "file"}
MISSING = {
    "mic": "Plug in a microphone, or choose another source: causal-ctl list shows them.",
    "system": "The system's sound needs an output device: causal-ctl list shows what there is.",
}


class DeviceMissing(CausalError):
    """A device of this machine is not there; a file that is missing is another matter."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__("device-not-found", message, hint)


@dataclass(frozen=True)
class Chosen:
    source: str
    """The stream's label: `mic`, `system`, `file`, `mic-2` …"""
    device: str
    """A device id, or an alias that follows the default."""


def choose(wanted: Sequence[str], devices: Sequence[Device], file_exists: Callable[[str], bool]) -> list[Chosen]:
    """The streams for `wanted`; none wanted means `mic` and `system`, whichever exist.

    Raises `CausalError` for a device that is not there, naming the nearest ids.
    """
    kinds = {device.kind for device in devices}
    if not wanted:
        wanted = [alias for alias, kind in ALIASES.items() if kind in kinds]
        if not wanted:
            raise DeviceMissing(
                "there is neither a microphone nor system sound",
                "Is the sound server running? causal-ctl status tells what capture says. A file works without: "
                "causal-ctl start file:speech.wav",
            )
    counts: Counter[str] = Counter()
    chosen = []
    for device in wanted:
        label = LABELS[_kind(device, devices, file_exists)]
        counts[label] += 1
        chosen.append(Chosen(label if counts[label] == 1 else f"{label}-{counts[label]}", device))
    return chosen


def _kind(wanted: str, devices: Sequence[Device], file_exists: Callable[[str], bool]) -> DeviceKind:
    if wanted in ALIASES:
        if not any(device.kind == ALIASES[wanted] for device in devices):
            raise DeviceMissing(f"there is no device for {wanted!r}", MISSING[wanted])
        return ALIASES[wanted]
    if wanted.startswith("file:"):
        path = wanted.removeprefix("file:").partition("?")[0]
        if not file_exists(path):
            raise CausalError("device-not-found", f"there is no file {path}", "Give the whole path: file:/home/…")
        return "file"
    for device in devices:
        if device.id == wanted:
            return device.kind
    ids = [*ALIASES, *(device.id for device in devices)]
    near = difflib.get_close_matches(wanted, ids, 3, 0.4)
    some = f"There are: {', '.join(ids[:6])}; causal-ctl list shows all."
    hint = f"Near it are: {', '.join(near)}." if near else some
    raise DeviceMissing(f"there is no device {wanted!r}", hint)
