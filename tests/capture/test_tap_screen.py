"""ScreenCaptureKit's sound, against fakes of Apple's frameworks as pyobjc shows them."""

import numpy as np
import pytest

from causal import clock
from causal.capture import tap_screen
from causal.capture.gate import Gate
from causal.capture.tap_screen import ScreenSound
from causal.errors import SourceError
from causal.testing.fake_listener import FakeListener
from causal.testing.fake_mac import FakeMac

MS = 1_000_000
STEREO = np.stack([np.arange(480), -np.arange(480)], axis=1).astype(np.float32)


@pytest.fixture
def mac():
    with FakeMac((13, 5)) as mac:
        yield mac


@pytest.fixture
def listener():
    return FakeListener()


def started(listener, mac):
    way = ScreenSound(Gate(listener, block_ms=10))
    way.start()
    return way, mac.screen_kit.streams[-1]


def refusal(listener):
    with pytest.raises(SourceError) as caught:
        ScreenSound(Gate(listener, block_ms=10)).start()
    return caught.value


def test_it_hears_the_sound_and_looks_at_no_picture(mac, listener):
    way, stream = started(listener, mac)
    stream.show()
    stream.deliver(STEREO, age_ms=40)
    way.close()
    assert listener.told == ["format 48000/2", "480 frames"]
    samples, captured_ns = listener.heard[0]
    assert np.array_equal(samples, STEREO)
    assert clock.now_ns() - 10_000 * MS < captured_ns <= clock.now_ns() - 40 * MS
    assert not stream.running
    assert stream.escaped == []


def test_it_asks_for_the_sound_of_others_and_for_next_to_no_picture(mac, listener):
    way, stream = started(listener, mac)
    way.close()
    assert stream.settings["CapturesAudio"] is True
    assert stream.settings["ExcludesCurrentProcessAudio"] is True
    assert (stream.settings["SampleRate"], stream.settings["ChannelCount"]) == (48_000, 2)
    assert (stream.settings["Width"], stream.settings["Height"]) == (2, 2)
    assert stream.settings["MinimumFrameInterval"][:2] == (1, 1)


def test_the_class_that_is_called_is_made_once_in_a_process(mac, listener):
    for _ in range(2):  # a second class of that name is an error of Objective-C
        way, _ = started(listener, mac)
        way.close()


def test_a_permission_that_is_missing_is_asked_for_once_and_explained(mac, listener):
    mac.screen_allowed = False
    for _ in range(3):
        error = refusal(listener)
        assert error.code == "permission-denied"
        assert "System Settings > Privacy & Security > Screen & System Audio Recording" in error.hint
    assert mac.questions == ["screen"]
    assert mac.screen_kit.streams == []


def test_a_refusal_that_nobody_foresaw_is_a_permission_too(listener):
    with FakeMac((13, 5), missing=["Quartz"]) as mac:
        mac.screen_allowed = False
        error = refusal(listener)
    assert error.code == "permission-denied"
    assert "-3801" in error.message


def test_without_a_display_there_is_no_sound(mac, listener):
    mac.screen_kit.displays = 0
    error = refusal(listener)
    assert (error.code, error.retryable) == ("device-unavailable", True)
    assert "no display" in error.message


@pytest.mark.parametrize("missing", ["ScreenCaptureKit", "dispatch"])
def test_a_package_that_is_missing_is_named(listener, missing):
    with FakeMac((13, 5), missing=[missing]):
        error = refusal(listener)
    assert missing in error.message
    assert error.hint.startswith("python -m pip install")


@pytest.mark.parametrize("silent", ["content", "start"])
def test_a_handler_that_is_never_called_is_not_waited_for_for_ever(mac, listener, silent, monkeypatch):
    monkeypatch.setattr(tap_screen, "ANSWER_WITHIN_S", 0.01)
    mac.screen_kit.mute_handlers.add(silent)
    assert "has not answered" in refusal(listener).message


def test_a_stop_that_is_never_answered_is_over_all_the_same(mac, listener, monkeypatch):
    monkeypatch.setattr(tap_screen, "STOP_WITHIN_S", 0.01)
    mac.screen_kit.mute_handlers.add("stop")
    way, _ = started(listener, mac)
    way.close()


@pytest.mark.parametrize(("fault", "code"), [("start_error", -3818), ("output_error", -3812)])
def test_what_cannot_be_begun_is_told_with_its_number(mac, listener, fault, code):
    setattr(mac.screen_kit, fault, code)
    error = refusal(listener)
    assert (error.code, error.retryable) == ("device-unavailable", True)
    assert str(code) in error.message


@pytest.mark.parametrize(
    ("code", "error_code", "words"),
    [
        (-3805, "device-lost", "-3805"),
        (-3821, "device-lost", "-3821"),
        (-3817, "device-lost", "menu bar"),
        (-3801, "permission-denied", "-3801"),
        (0, "device-lost", "no reason given"),
    ],
)
def test_a_stream_that_ends_by_itself_says_why(mac, listener, code, error_code, words):
    way, stream = started(listener, mac)
    assert way.failure(0.0) is None
    stream.end(code)
    error = way.failure(0.0)
    way.close()  # what has ended can be closed
    assert (error.code, error.retryable) == (error_code, True)
    assert words in error.message


def test_a_format_that_cannot_be_used_ends_it_and_reaches_no_queue(mac, listener):
    way, stream = started(listener, mac)
    stream.deliver(STEREO, bits=16)
    assert way.failure(0.0).code == "format-unsupported"
    assert stream.escaped == []
    way.close()


def test_a_buffer_that_makes_no_sense_ends_it_and_reaches_no_queue(mac, listener):
    way, stream = started(listener, mac)
    stream.deliver(STEREO, rate_hz=0.0)
    error = way.failure(0.0)
    assert error.code == "internal"
    assert stream.escaped == []
    way.close()


def test_one_that_was_never_opened_can_be_closed(listener):
    ScreenSound(Gate(listener, 50)).close()
