"""Whether a source of PulseAudio or PipeWire is muted or turned down, and the command that mends it. Opens nothing.

A loopback hears what its sink plays after the sink's volume and mute, except where those are not made by the server:
in the hardware, or on PipeWire, whose monitors are taken before the volume unless the sink says otherwise.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

QUIET_DB = -20.0
"""What is turned down by more than this is told: words are lost from there on."""

HARDWARE_VOLUME, HARDWARE_MUTE = 0x1, 0x4
"""`PA_SINK_HW_VOLUME_CTRL` and `PA_SINK_HW_MUTE_CTRL`."""

CHANNEL_VOLUMES = "monitor.channel-volumes"


class Loudness(NamedTuple):
    """What the server does to the sound of one source."""

    muted: bool = False
    hint: str = ""
    """What was found, and the command that mends it; empty when all is well."""


def loudness_of(source: Any, sink: Any | None, *, pipewire: bool) -> Loudness:
    """`source`, and for a loopback the `sink` whose monitor it is, as pulsectl gives them."""
    name = source.description or source.name
    if source.mute:
        return Loudness(True, f"{name} is muted: pactl set-source-mute {source.name} 0")
    if sink is not None and sink.mute and _applies(sink, HARDWARE_MUTE, pipewire):
        return Loudness(True, f"{sink.description or sink.name} is muted: pactl set-sink-mute {sink.name} 0")
    found = _turned_down(name, source.volume.value_flat, f"pactl set-source-volume {source.name} 100%")
    if sink is not None and not found.hint and _applies(sink, HARDWARE_VOLUME, pipewire):
        volume = sink.volume.value_flat
        found = _turned_down(sink.description or sink.name, volume, f"pactl set-sink-volume {sink.name} 100%")
    return found


def wake_hint(source: str) -> str:
    """What to do about a suspended source. A monitor is suspended with its sink."""
    kind, name = ("sink", source.removesuffix(".monitor")) if source.endswith(".monitor") else ("source", source)
    return f"the sound server has suspended it: pactl suspend-{kind} {name} 0"


def _applies(sink: Any, hardware: int, pipewire: bool) -> bool:
    """Whether the sink's setting is heard on its monitor."""
    if pipewire:
        return str(sink.proplist.get(CHANNEL_VOLUMES, "")).lower() in ("true", "1")
    return not sink.flags & hardware


def _turned_down(name: str, volume: float, command: str) -> Loudness:
    """`volume` is the server's: 1.0 is 100 %, and the amplitude goes by its cube."""
    if volume <= 0.0:
        return Loudness(True, f"the volume of {name} is 0 %: {command}")
    gain_db = 60 * math.log10(volume)
    if gain_db > QUIET_DB:
        return Loudness()
    return Loudness(False, f"the volume of {name} is {volume:.0%}, so it is heard {-gain_db:.0f} dB quieter: {command}")
