from types import SimpleNamespace
from typing import Any

import pytest

from causal.capture.pulse_loudness import HARDWARE_MUTE, HARDWARE_VOLUME, Loudness, loudness_of, wake_hint


def made(name: str, *, mute: int = 0, volume: float = 1.0, flags: int = 0, **proplist: str) -> Any:
    """A sink or source as pulsectl gives it."""
    properties = {key.replace("__", ".").replace("_", "-"): value for key, value in proplist.items()}
    return SimpleNamespace(
        name=name, description=name.title(), mute=mute, volume=SimpleNamespace(value_flat=volume), flags=flags,
        proplist=properties,
    )  # fmt: skip


MIC = made("mic")
MONITOR = made("out.monitor")


def test_what_is_at_full_volume_needs_no_advice():
    assert loudness_of(MIC, None, pipewire=False) == Loudness()
    assert loudness_of(MONITOR, made("out"), pipewire=False) == Loudness()


def test_a_muted_source_or_sink_is_muted_and_the_hint_is_the_command():
    muted = Loudness(True, "Mic is muted: pactl set-source-mute mic 0")
    assert loudness_of(made("mic", mute=1), None, pipewire=True) == muted
    assert loudness_of(MONITOR, made("out", mute=1), pipewire=False) == Loudness(
        True, "Out is muted: pactl set-sink-mute out 0"
    )


def test_a_volume_of_zero_is_muted_too():
    told = loudness_of(MONITOR, made("out", volume=0.0), pipewire=False)
    assert told.muted
    assert told.hint == "the volume of Out is 0 %: pactl set-sink-volume out 100%"


@pytest.mark.parametrize(("volume", "told"), [(0.5, ""), (0.4, "40%, so it is heard 24 dB quieter")])
def test_what_is_turned_down_far_is_told(volume, told):
    found = loudness_of(MONITOR, made("out", volume=volume), pipewire=False)
    assert not found.muted
    assert told in found.hint and bool(found.hint) == bool(told)


def test_a_volume_that_the_hardware_makes_is_not_heard_on_the_monitor():
    assert loudness_of(MONITOR, made("out", volume=0.1, flags=HARDWARE_VOLUME), pipewire=False) == Loudness()
    assert loudness_of(MONITOR, made("out", mute=1, flags=HARDWARE_MUTE), pipewire=False) == Loudness()
    assert loudness_of(MONITOR, made("out", mute=1, flags=HARDWARE_VOLUME), pipewire=False).muted


def test_pipewire_takes_monitors_before_the_volume_unless_the_sink_says_otherwise():
    assert loudness_of(MONITOR, made("out", mute=1, volume=0.1), pipewire=True) == Loudness()
    after_it = made("out", mute=1, monitor__channel_volumes="true")
    assert loudness_of(MONITOR, after_it, pipewire=True).muted


def test_a_monitor_is_woken_with_its_sink():
    assert wake_hint("out.monitor").endswith("pactl suspend-sink out 0")
    assert wake_hint("mic").endswith("pactl suspend-source mic 0")
