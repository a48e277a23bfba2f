"""What `causal-ctl doctor` makes of a short listening: the sound server, the microphone, the loopback. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from causal.messages.control import Device
from causal.screen import clean

from .checks import Result

DUMMY = "auto_null"
"""What PulseAudio and PipeWire make up when there is no output."""

SERVER_FIX = {
    "pipewire": "systemctl --user start pipewire.service pipewire-pulse.service",
    "pulseaudio": "pulseaudio --start",
    "": "Install PulseAudio or PipeWire with its PulseAudio door: sudo apt-get install pulseaudio",
}
"""By what is installed."""


class Problem(msgspec.Struct, frozen=True):
    """Why something cannot be heard."""

    code: str
    message: str
    hint: str = ""


class Ear(msgspec.Struct, frozen=True):
    """What a short listening to one device brought."""

    device: str
    heard_s: float = 0.0
    """Length of what was delivered."""
    peak: float = 0.0
    """Greatest sample, full scale 1.0."""
    muted: bool = False
    """The system says so."""
    problem: Problem | None = None


class Hearing(msgspec.Struct, frozen=True):
    """What the child process says: all devices, and how the default ones sound."""

    devices: tuple[Device, ...] = ()
    ears: tuple[Ear, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Of backends that cannot be loaded, or cannot list their devices."""


NAMES = {
    "pulse": "the sound server answers",
    "portaudio": "PortAudio",
    "wasapi": "WASAPI",
    "tap": "Core Audio",
}
"""What the devices are heard by."""

CHOOSE = "Choose another one: pactl list short sources; pactl set-default-source …"

Way = Literal["usual", "named", "hidden"]
"""How clients find the sound server: by the user's runtime directory; by PULSE_SERVER; or not at all, since
XDG_RUNTIME_DIR is not set though there is such a directory."""


def to_hear(devices: Sequence[Device]) -> list[Device]:
    """What stands for `mic` and `system`: of each kind the default, else the first."""
    by_kind = ([device for device in devices if device.kind == kind] for kind in ("input", "loopback"))
    return [next((device for device in found if device.default), found[0]) for found in by_kind if found]


def sound(hearing: Hearing | Problem, servers: Sequence[str], way: Way) -> list[Result]:
    """The verdicts. `servers` are the sound servers that are installed."""
    if isinstance(hearing, Problem):
        return [Result("sound", "failed", clean(hearing.message), hearing.hint)]
    if hearing.problems:
        return [_no_server(problem, servers, way) for problem in hearing.problems]
    count = len(hearing.devices)
    if not count:
        return [Result("sound", "failed", "the sound server answers, but nothing can be heard", "pactl list short")]
    answers = " and ".join(dict.fromkeys(NAMES.get(device.backend, device.backend) for device in hearing.devices))
    results = [Result("sound", "ok", f"{answers}: {count} device{'s' if count > 1 else ''}")]
    ears = {ear.device: ear for ear in hearing.ears}
    chosen = {device.kind: device for device in to_hear(hearing.devices)}
    return [
        *results,
        _microphone(chosen.get("input"), ears),
        _loopback(chosen.get("loopback"), ears, {device.backend for device in hearing.devices}),
    ]


def undelivered(name: str, ear: Ear, fix: str) -> Result | None:
    """What is wrong with a device that delivers nothing at all; None when it delivers."""
    if ear.problem is not None:
        return Result(name, "failed", clean(ear.problem.message), ear.problem.hint or fix)
    if ear.heard_s == 0.0:
        return Result(name, "failed", f"{ear.device} is there, but delivers nothing", fix)
    return None


def _no_server(problem: Problem, servers: Sequence[str], way: Way) -> Result:
    found = clean(problem.message)
    if problem.code != "device-unavailable" or "no sound server" not in problem.message:
        return Result("sound", "failed", found, problem.hint)
    match way:
        case "named":
            return Result("sound", "failed", f"{found}; PULSE_SERVER names it", "unset PULSE_SERVER, or start that one")
        case "hidden":
            fix = 'export XDG_RUNTIME_DIR="/run/user/$(id -u)"   (is missing after su and sudo)'
            return Result("sound", "failed", found, fix)
        case "usual":
            return Result("sound", "failed", found, SERVER_FIX[servers[0] if servers else ""])


def _microphone(device: Device | None, ears: dict[str, Ear]) -> Result:
    name = "microphone"
    if device is None:
        return Result(name, "warning", "there is none", "Plug one in, then: pactl list short sources")
    ear = ears.get(device.id, Ear(device.id))
    source = device.id.removeprefix("pulse:")
    if silent := undelivered(name, ear, _by_pulse(device, f"pactl suspend-source {source} 0")):
        return silent
    if ear.muted:
        return Result(name, "failed", f"{device.id} is muted", _by_pulse(device, f"pactl set-source-mute {source} 0"))
    if ear.peak == 0.0:
        found = f"{device.id} delivers nothing but zeros: a switch on it, an empty socket, or a missing permission"
        return Result(name, "failed", found, _by_pulse(device, CHOOSE))
    return Result(name, "ok", f"{device.id} delivers")


def _loopback(device: Device | None, ears: dict[str, Ear], by: set[str]) -> Result:
    name = "system sound"
    if device is None:
        fix = "pactl list short sinks" if by == {"pulse"} else "PulseAudio and PipeWire have what an output plays"
        return Result(name, "warning", "there is no output whose sound could be heard", fix)
    sink = device.id.removeprefix("pulse:").removesuffix(".monitor")
    if sink == DUMMY:
        found = "there is no output but the server's dummy: what is played goes nowhere"
        return Result(name, "warning", found, "Connect or switch on an output, then: pactl list short sinks")
    ear = ears.get(device.id, Ear(device.id))
    if silent := undelivered(name, ear, _by_pulse(device, f"pactl suspend-sink {sink} 0")):
        return silent
    if ear.muted:
        return Result(
            name, "failed", f"the output of {device.id} is muted", _by_pulse(device, f"pactl set-sink-mute {sink} 0")
        )
    playing = "" if ear.peak > 0.0 else "; nothing is playing at the moment"
    return Result(name, "ok", f"{device.id} delivers{playing}")


def _by_pulse(device: Device, command: str) -> str:
    """The command where it works; elsewhere the place to look."""
    return command if device.backend == "pulse" else "Look at it in the system's sound settings; causal-ctl list"
