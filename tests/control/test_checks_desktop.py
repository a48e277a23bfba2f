import sys

from causal.control import doctor, probes
from causal.control.checks_desktop import MACOS, WINDOWS, sound
from causal.control.checks_sound import Ear, Hearing, Problem
from causal.messages.control import Device

MICROPHONE = Device(id="portaudio:Core Audio/Built-in", name="Built-in", kind="input", backend="portaudio",
                    default=True, channels=1, rate_hz=48_000)  # fmt: skip
TAP = Device(id="tap:system", name="System sound", kind="loopback", backend="tap", default=True, channels=2,
             rate_hz=48_000)  # fmt: skip


def heard(*ears, devices=(MICROPHONE, TAP), problems=(), fixes=MACOS):
    return {result.name: result for result in sound(Hearing(devices, ears, problems), fixes)}


def ear(device, **found):
    return Ear(device.id, **({"heard_s": 1.0, "peak": 0.1} | found))


def test_where_both_deliver_all_is_well():
    found = heard(ear(MICROPHONE), ear(TAP))
    assert {name: result.state for name, result in found.items()} == {"microphone": "ok", "system sound": "ok"}


def test_zeros_from_the_microphone_have_failed_and_from_the_tap_are_doubted():
    found = heard(ear(MICROPHONE, peak=0.0), ear(TAP, peak=0.0))
    assert (found["microphone"].state, found["system sound"].state) == ("failed", "warning")
    assert "Privacy_Microphone" in found["microphone"].fix
    assert "nothing is playing, or the permission is missing" in found["system sound"].found
    assert "Privacy_ScreenCapture" in found["system sound"].fix


def test_where_nobody_has_to_allow_the_systems_sound_its_zeros_are_silence():
    found = heard(ear(MICROPHONE, peak=0.0), ear(TAP, peak=0.0), fixes=WINDOWS)
    assert (found["microphone"].state, found["system sound"].state) == ("failed", "ok")
    assert "ms-settings:privacy-microphone" in found["microphone"].fix
    assert "nothing is playing" in found["system sound"].found


def test_a_muted_microphone_has_failed():
    assert "muted" in heard(ear(MICROPHONE, muted=True), ear(TAP))["microphone"].found


def test_without_any_device_both_are_warned_of():
    found = heard(devices=(), fixes=WINDOWS)
    assert {(result.state, result.fix) for result in found.values()} == {("warning", "start ms-settings:sound")}


def test_doctor_knows_windows(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(probes, "hearing", lambda backend: Hearing((MICROPHONE,), (ear(MICROPHONE, peak=0.0),)))
    assert "ms-settings" in {result.name: result.fix for result in doctor.sound({})}["microphone"]


def test_a_refused_device_says_what_the_driver_said():
    problem = Problem("permission-denied", "macOS does not let us hear what the computer plays ('nope')", "Allow it.")
    found = heard(ear(MICROPHONE), Ear(TAP.id, problem=problem))
    assert (found["system sound"].state, found["system sound"].fix) == ("failed", "Allow it.")


def test_a_device_that_says_nothing_has_failed():
    assert heard(ear(MICROPHONE, heard_s=0.0), ear(TAP))["microphone"].found.endswith("delivers nothing")


def test_a_mac_without_a_microphone_is_warned_of_it():
    found = heard(ear(TAP), devices=(TAP,))
    assert (found["microphone"].state, found["system sound"].state) == ("warning", "ok")


def test_a_macos_that_is_too_old_says_so_once():
    problem = Problem(
        "device-unavailable", "macOS 12.6 does not let programs hear what the computer plays", "macOS 13."
    )
    found = heard(ear(MICROPHONE), devices=(MICROPHONE,), problems=(problem,))
    assert found["sound"].state == "failed"
    assert "system sound" not in found


def test_a_listening_that_failed_is_all_there_is_to_say():
    (result,) = sound(Problem("internal", "listening ended with code 1", ""), WINDOWS)
    assert (result.name, result.state) == ("sound", "failed")
