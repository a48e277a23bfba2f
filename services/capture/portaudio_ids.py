"""Which of PortAudio's devices can be heard, what they are, and under which ids. Opens nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from causal.messages.control import Device, DeviceKind

ALSA, JACK, WASAPI = "ALSA", "JACK Audio Connection Kit", "Windows WASAPI"
MOST_CHANNELS = 8
"""ALSA's plug-ins offer 32, 64 or 128 channels, which are made up; hardware has no more than this but rarely."""

MONITOR = "monitor"

_HARDWARE = re.compile(r" \(hw:(\d+),\d+\)$")
_CARD = re.compile(r"^ *(\d+) \[[^]]*\]: (\S+) - ", re.MULTILINE)


class JackPort(NamedTuple):
    """An output port of JACK: where samples come from."""

    client: str
    name: str
    physical: bool


class Entry(NamedTuple):
    """A device, and where PortAudio has it in its list."""

    device: Device
    number: int


def entries(
    devices: Sequence[Mapping[str, Any]],
    apis: Sequence[Mapping[str, Any]],
    default_api: int,
    *,
    cards: str = "",
    ports: Sequence[JackPort] = (),
) -> list[Entry]:
    """All that can be heard. `devices` and `apis` are as `sounddevice` lists them, `cards` is what
    /proc/asound/cards says."""
    loopback_cards = {int(number) for number, driver in _CARD.findall(cards) if driver == "Loopback"}
    names = [api["name"] for api in apis]
    only = WASAPI if WASAPI in names else None
    found: list[Entry] = []
    seen: Counter[str] = Counter()
    for index, device in enumerate(devices):
        api = names[device["hostapi"]]
        if device["max_input_channels"] < 1 or (only and api != only):
            continue
        name = _HARDWARE.sub("", device["name"])
        device_id = f"portaudio:{api}/{name}"
        seen[device_id] += 1
        found.append(
            Entry(
                Device(
                    id=device_id if seen[device_id] == 1 else f"{device_id} #{seen[device_id]}",
                    name=device["name"],
                    kind=_kind(device["name"], api, loopback_cards, ports),
                    backend="portaudio",
                    default=False,
                    channels=_channels(device["max_input_channels"]),
                    rate_hz=round(device["default_samplerate"]),
                ),
                index,
            )
        )
    hardware = {port.client for port in ports if port.physical and not port.name.startswith(MONITOR)}
    return _with_default(found, apis, names, default_api, hardware)


def _kind(name: str, api: str, loopback_cards: set[int], ports: Sequence[JackPort]) -> DeviceKind:
    if api == JACK:
        # A port of a loopback is a `monitor_…`, by JACK's convention. What is not known is no loopback.
        own = [port.name.startswith(MONITOR) for port in ports if port.client == name]
        return "loopback" if own and all(own) else "input"
    card = _HARDWARE.search(name)
    return "loopback" if card and int(card[1]) in loopback_cards else "input"


def _channels(offered: int) -> int:
    return offered if offered <= MOST_CHANNELS else 2


def _with_default(
    found: list[Entry], apis: Sequence[Mapping[str, Any]], names: list[str], default_api: int, hardware: set[str]
) -> list[Entry]:
    """The default microphone is JACK's hardware where JACK runs, for JACK has it then; else PortAudio's own default."""
    wanted = [index for index, name in enumerate(names) if name in (JACK, WASAPI)] + [default_api]
    for api in wanted:
        own = [one for one in found if one.device.id.startswith(f"portaudio:{names[api]}/")]
        own = [one for one in own if one.device.kind == "input"]
        likely = [one for one in own if one.device.name in hardware] if names[api] == JACK else []
        likely += [one for one in own if one.number == apis[api]["default_input_device"]]
        if likely:
            return [Entry(_as_default(one.device), one.number) if one is likely[0] else one for one in found]
    return found


def _as_default(device: Device) -> Device:
    return Device(
        id=device.id, name=device.name, kind=device.kind, backend=device.backend, default=True,
        channels=device.channels, rate_hz=device.rate_hz,
    )  # fmt: skip
