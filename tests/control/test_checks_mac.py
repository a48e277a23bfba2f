import pytest

from causal.control import doctor, probes
from causal.control.checks_mac import permissions
from causal.control.checks_sound import Ear, Hearing
from causal.messages.control import Device
from causal.testing.fake_mac import AUTHORIZED, DENIED, RESTRICTED, UNDECIDED, FakeMac

TAP = Device(id="tap:system", name="System sound", kind="loopback", backend="tap", default=True, channels=2,
             rate_hz=48_000)  # fmt: skip


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


def test_doctor_looks_at_the_permissions_of_a_mac(monkeypatch):
    monkeypatch.setattr(probes, "hearing", lambda backend: Hearing((TAP,), (Ear(TAP.id, 1.0, 0.1),)))
    with FakeMac((14, 4)) as mac:
        mac.microphone = DENIED
        results = {result.name: result for result in doctor.sound({})}
    assert results["may hear"].state == "failed"
    assert results["system sound"].state == "ok"
