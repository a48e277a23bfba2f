import pytest

from causal.capture.portaudio import PortAudioBackend
from causal.errors import SourceError
from causal.testing.fake_listener import FakeListener
from causal.testing.fake_mac import DENIED, FakeMac


def test_on_a_mac_no_microphone_is_opened_that_may_not_be_heard():
    listener = FakeListener()
    with FakeMac() as mac:
        mac.microphone = DENIED
        with pytest.raises(SourceError) as caught:
            PortAudioBackend().open("portaudio:Core Audio/Built-in", listener)
    assert caught.value.code == "permission-denied"
    assert "Privacy & Security > Microphone" in caught.value.hint
    assert listener.told == []
