"""What a short listening means."""

from __future__ import annotations

from typing import Any

import pytest

from causal.control.checks import Result
from causal.control.checks_sound import Ear, Hearing, Problem, sound, to_hear
from causal.messages.control import Device

MIC, SPEAKERS = "pulse:mic", "pulse:out.monitor"


def device(name: str, kind: Any, default: bool = True) -> Device:
    return Device(id=name, name=name, kind=kind, backend="pulse", default=default, channels=2, rate_hz=48_000)


BOTH = (device(MIC, "input"), device(SPEAKERS, "loopback"))


def verdicts(*ears: Ear, devices: tuple[Device, ...] = BOTH) -> dict[str, Result]:
    return {result.name: result for result in sound(Hearing(devices, ears), ["pulseaudio"], "usual")}


def states(results: dict[str, Result]) -> dict[str, str]:
    return {name: result.state for name, result in results.items()}


def test_a_speaking_microphone_and_a_quiet_loopback_are_well() -> None:
    results = verdicts(Ear(MIC, 0.5, 0.01), Ear(SPEAKERS, 0.5, 0.0))
    assert states(results) == {"sound": "ok", "microphone": "ok", "system sound": "ok"}
    assert "nothing is playing" in results["system sound"].found


@pytest.mark.parametrize(
    ("ear", "fix"),
    [
        (Ear(MIC, 0.5, 0.0), "pactl set-default-source"),
        (Ear(MIC, 0.5, 0.0, muted=True), "pactl set-source-mute mic 0"),
        (Ear(MIC), "pactl suspend-source mic 0"),
        (Ear(MIC, problem=Problem("permission-denied", "not allowed", "Allow it.")), "Allow it."),
    ],
)
def test_a_microphone_that_is_not_heard_has_failed(ear: Ear, fix: str) -> None:
    result = verdicts(ear, Ear(SPEAKERS, 0.5))["microphone"]
    assert result.state == "failed"
    assert fix in result.fix


def test_a_loopback_that_delivers_nothing_or_is_muted_has_failed() -> None:
    mic = Ear(MIC, 0.5, 0.1)
    assert verdicts(mic, Ear(SPEAKERS))["system sound"].fix == "pactl suspend-sink out 0"
    assert verdicts(mic, Ear(SPEAKERS, 0.5, muted=True))["system sound"].fix == "pactl set-sink-mute out 0"


def test_what_is_not_there_is_a_warning_and_nothing_at_all_has_failed() -> None:
    only_mic = verdicts(Ear(MIC, 0.5, 0.1), devices=BOTH[:1])
    assert states(only_mic) == {"sound": "ok", "microphone": "ok", "system sound": "warning"}
    assert states(verdicts(devices=())) == {"sound": "failed"}


def test_the_dummy_output_is_told() -> None:
    dummy = device("pulse:auto_null.monitor", "loopback")
    results = verdicts(Ear(MIC, 0.5, 0.1), Ear(dummy.id, 0.5), devices=(BOTH[0], dummy))
    assert results["system sound"].state == "warning"
    assert "dummy" in results["system sound"].found


@pytest.mark.parametrize(
    ("servers", "way", "fix"),
    [
        (["pipewire"], "usual", "systemctl --user start"),
        (["pulseaudio"], "usual", "pulseaudio --start"),
        ([], "usual", "apt-get install"),
        (["pulseaudio"], "named", "unset PULSE_SERVER"),
        (["pulseaudio"], "hidden", "XDG_RUNTIME_DIR"),
    ],
)
def test_without_a_server_the_fix_is_that_of_this_system(servers: list[str], way: Any, fix: str) -> None:
    (result,) = sound(Hearing(problems=(Problem("device-unavailable", "no sound server answers"),)), servers, way)
    assert result.state == "failed"
    assert fix in result.fix


def test_a_missing_library_keeps_its_own_hint() -> None:
    problem = Problem("device-unavailable", "the sound library libpulse.so.0 cannot be loaded", "Install it: libpulse0")
    (result,) = sound(Hearing(problems=(problem,)), [], "usual")
    assert result.fix == "Install it: libpulse0"


def test_a_listening_that_failed_is_told() -> None:
    (result,) = sound(Problem("internal", "listening ended with code -11"), [], "usual")
    assert (result.state, result.found) == ("failed", "listening ended with code -11")


def test_the_defaults_are_listened_to_or_else_the_first_of_each_kind() -> None:
    others = (device("pulse:a", "input", False), device("pulse:b", "input"), device("pulse:c", "loopback", False))
    assert [chosen.id for chosen in to_hear(others)] == ["pulse:b", "pulse:c"]
    assert to_hear(()) == []
