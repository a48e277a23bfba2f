"""What a person asked for, as streams with labels."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from causal.control.sources import Chosen, choose
from causal.errors import CausalError
from causal.messages.control import Device


def device(name: str, kind: str) -> Device:
    return Device(id=name, name=name, kind=kind, backend="pulse", default=True, channels=1, rate_hz=48000)


MIC = device("pulse:alsa_input.usb-Blue_Yeti", "input")
SECOND_MIC = device("pulse:alsa_input.pci-0000", "input")
SPEAKERS = device("pulse:alsa_output.pci-0000.monitor", "loopback")
ALL = [MIC, SECOND_MIC, SPEAKERS]


def chosen(*wanted: str, devices: list[Device] = ALL, file_exists: bool = True) -> list[tuple[str, str]]:
    return [(one.source, one.device) for one in choose(wanted, devices, lambda _: file_exists)]


def refused(*wanted: str, devices: list[Device] = ALL, file_exists: bool = True) -> CausalError:
    with pytest.raises(CausalError) as refusal:
        choose(wanted, devices, lambda _: file_exists)
    assert refusal.value.code == "device-not-found"
    assert refusal.value.hint
    return refusal.value


@pytest.mark.parametrize(("devices", "sources"), [(ALL, ["mic", "system"]), ([MIC], ["mic"]), ([SPEAKERS], ["system"])])
def test_without_a_wish_it_is_mic_and_system_whichever_exist(devices, sources):
    assert chosen(devices=devices) == [(source, source) for source in sources]


def test_without_a_wish_and_without_a_device_a_file_is_offered():
    assert "causal-ctl start file:" in refused(devices=[]).hint


def test_aliases_stay_aliases_since_they_follow_the_default():
    assert choose(["system", "mic"], ALL, bool) == [Chosen("system", "system"), Chosen("mic", "mic")]


def test_labels_say_what_kind_of_sound_it_is():
    assert chosen(SPEAKERS.id, MIC.id, "file:/a.wav") == [
        ("system", SPEAKERS.id),
        ("mic", MIC.id),
        ("file", "file:/a.wav"),
    ]


def test_a_second_of_a_kind_gets_a_number():
    assert [source for source, _ in chosen("mic", SECOND_MIC.id, "file:/a", MIC.id, "file:/b")] == [
        "mic",
        "mic-2",
        "file",
        "mic-3",
        "file-2",
    ]


@pytest.mark.parametrize(("alias", "devices"), [("mic", [SPEAKERS]), ("system", [MIC])])
def test_an_alias_without_a_device_is_never_another_kind_of_device(alias, devices):
    assert f"there is no device for '{alias}'" in refused(alias, devices=devices).message


def test_a_slip_names_the_nearest_devices():
    assert MIC.id in refused("pulse:alsa_input.usb-Blue_Yetti").hint
    assert "mic" in refused("mc").hint
    assert "system" in refused("sistem").hint


def test_what_is_near_to_nothing_gets_all_names():
    hint = refused("zzz").hint
    assert all(one.id in hint for one in ALL)


def test_a_file_is_looked_for_without_its_options():
    looked = []
    choose(["file:/a.wav?speed=2"], [], lambda path: looked.append(path) or True)
    assert looked == ["/a.wav"]


@pytest.mark.parametrize("name", ["file:", "file:/none.wav", "file:?speed=2", "file:\x00"])
def test_a_file_that_is_not_there_is_named(name):
    assert "there is no file" in refused(name, file_exists=False).message


def test_a_long_list_of_devices_does_not_make_a_long_hint():
    many = [device(f"pulse:device-{number}", "input") for number in range(500)]
    assert len(refused("zzz", devices=many).hint) < 500


@given(st.lists(st.sampled_from(["mic", "system", MIC.id, SPEAKERS.id, "file:/a.wav"]), min_size=1, max_size=12))
@settings(derandomize=True)
def test_labels_are_different_and_fit_the_rules(wanted):
    labels = [source for source, _ in chosen(*wanted)]
    assert len(set(labels)) == len(wanted)
    assert all(re.fullmatch("[a-z0-9-]{1,32}", label) for label in labels)
