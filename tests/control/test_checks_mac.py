import sys

import pytest

from causal.control import checks_mac, doctor, probes
from causal.control.checks_mac import permissions, sound
from causal.control.checks_sound import Ear, Hearing, Problem
from causal.messages.control import Device
from causal.testing.fake_mac import AUTHORIZED, DENIED, RESTRICTED, UNDECIDED, FakeMac

MICROPHONE = Device(id="portaudio:Core Audio/Built-in", name="Built-in", kind="input", backend="portaudio",
                    default=True, channels=1, rate_hz=48_000)  # fmt: skip
TAP = Device(id="tap:system", name="System sound", kind="loopback", backend="tap", default=True, channels=2,
             rate_hz=48_000)  # fmt: skip


def heard(*ears, devices=(MICROPHONE, TAP), problems=()):
    return {result.name: result for result in sound(Hearing(devices, ears, problems))}


def ear(device, **found):
    return Ear(device.id, **({"heard_s": 1.0, "peak": 0.1} | found))


@pytest.mark.parametrize(
    ("status", "state", "fix"),
    [
        (AUTHORIZED, "ok", ""),
        (UNDECIDED, "warning", "causal-ctl start mic"),
        (DENIED, "failed", "Privacy_Microphone"),
        (RESTRICTED, "failed", "administers"),
    ],
)
def test_the_microphones_permission_comes_with_what_mends_it(status, state, fix):
    with FakeMac((14, 4)) as mac:
        mac.microphone = status
        (result,) = permissions(*probes.mac_permissions())
    assert (result.name, result.state) == ("may hear", state)
    assert fix in result.fix
    assert mac.questions == []


@pytest.mark.parametrize(("version", "looked_up"), [((13, 0), True), ((14, 1), True), ((14, 2), False), ((15,), False)])
def test_the_screens_permission_counts_where_screencapturekit_is_the_only_way(version, looked_up):
    with FakeMac(version) as mac:
        mac.screen_allowed = False
        results = {result.name: result for result in permissions(*probes.mac_permissions())}
    assert ("may record" in results) == looked_up
    if looked_up:
        assert results["may record"].state == "failed"
        assert "Privacy_ScreenCapture" in results["may record"].fix


def test_without_the_packages_the_permissions_are_not_known():
    with FakeMac((13, 5), missing=["AVFoundation", "Quartz"]):
        results = permissions(*probes.mac_permissions())
    assert [result.state for result in results] == ["warning", "warning"]
    assert all(result.fix.startswith("python -m pip install pyobjc") for result in results)


def test_where_both_deliver_all_is_well():
    found = heard(ear(MICROPHONE), ear(TAP))
    assert {name: result.state for name, result in found.items()} == {"microphone": "ok", "system sound": "ok"}


def test_zeros_from_the_microphone_have_failed_and_from_the_tap_are_doubted():
    found = heard(ear(MICROPHONE, peak=0.0), ear(TAP, peak=0.0))
    assert (found["microphone"].state, found["system sound"].state) == ("failed", "warning")
    assert "Privacy_Microphone" in found["microphone"].fix
    assert "nothing is playing, or the permission is missing" in found["system sound"].found
    assert "Privacy_ScreenCapture" in found["system sound"].fix


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
    (result,) = checks_mac.sound(Problem("internal", "listening ended with code 1", ""))
    assert (result.name, result.state) == ("sound", "failed")


def test_doctor_looks_at_the_permissions_of_a_mac(monkeypatch, tmp_path):
    monkeypatch.setattr(probes, "hearing", lambda backend: Hearing((TAP,), (ear(TAP),)))
    with FakeMac((14, 4)) as mac:
        mac.microphone = DENIED
        assert sys.platform == "darwin"
        results = {result.name: result for result in doctor.sound({})}
    assert results["may hear"].state == "failed"
    assert results["system sound"].state == "ok"
