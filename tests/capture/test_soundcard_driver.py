import sys
import threading

import pytest

from causal.capture import soundcard_driver
from causal.capture.driver_frames import Order
from causal.errors import SourceError

LIBRARY = """
class Device:
    def __init__(self, id, isloopback=False):
        self.id, self.name, self.isloopback, self.channels = id, id.upper(), isloopback, 2
def all_microphones(include_loopback):
    return [Device("mic"), Device("headset"), Device("speakers.monitor", True), Device("hdmi.monitor", True)]
def default_microphone(): return Device("mic")
def default_speaker(): return Device("speakers")
"""


@pytest.fixture
def library(tmp_path, monkeypatch):
    def write(text):
        (tmp_path / "soundcard.py").write_text(text)
        monkeypatch.delitem(sys.modules, "soundcard", raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    yield write
    sys.modules.pop("soundcard", None)


def hear(device, kind):
    soundcard_driver.hear(Order(device=device, kind=kind, block_ms=50), None, threading.Event())


def test_the_defaults_are_the_default_microphone_and_the_default_speakers_loopback(library):
    library(LIBRARY)
    assert [(d.id, d.kind, d.default) for d in soundcard_driver.devices()] == [
        ("soundcard:mic", "input", True),
        ("soundcard:headset", "input", False),
        ("soundcard:speakers.monitor", "loopback", True),
        ("soundcard:hdmi.monitor", "loopback", False),
    ]


def test_without_a_default_there_is_none(library):
    library(LIBRARY + "def default_speaker(): raise IndexError('list index out of range')\n")
    assert [d.id for d in soundcard_driver.devices() if d.default] == ["soundcard:mic"]


def test_a_microphone_is_not_heard_in_a_loopbacks_place(library):
    library(LIBRARY)
    with pytest.raises(SourceError, match="was a loopback"):
        hear("soundcard:mic", "loopback")


def test_a_device_that_is_away_may_come_back(library):
    library(LIBRARY)
    with pytest.raises(SourceError) as caught:
        hear("soundcard:usb", None)
    assert (caught.value.code, caught.value.retryable) == ("device-not-found", True)


@pytest.mark.parametrize("failure", ["AssertionError", "IndexError('list index out of range')"])
def test_a_library_that_does_not_start_says_so(library, failure):
    library(f"raise {failure}")
    with pytest.raises(SourceError, match="does not start") as caught:
        soundcard_driver.devices()
    assert "sound server" in caught.value.hint
