"""The tap by `catap`, against a fake of it."""

import numpy as np
import pytest

from causal import clock
from causal.capture.gate import Gate
from causal.capture.tap_core_audio import CoreAudioTap
from causal.errors import SourceError
from causal.testing.fake_listener import FakeListener
from causal.testing.fake_mac import FakeMac

MS = 1_000_000


@pytest.fixture
def mac():
    with FakeMac((14, 4)) as mac:
        yield mac


@pytest.fixture
def listener():
    return FakeListener()


def started(listener, mac):
    tap = CoreAudioTap(Gate(listener, block_ms=10))
    tap.start()
    return tap, mac.taps.sessions[-1]


def sound(frames=480, channels=2):
    return np.random.default_rng(frames).uniform(-1, 1, (frames, channels)).astype(np.float32)


def test_it_hears_what_the_tap_delivers(mac, listener):
    tap, session = started(listener, mac)
    first, second = sound(), sound()
    before_ns = clock.now_ns()
    session.deliver(first)
    session.deliver(second)
    tap.close()
    assert listener.told == ["format 48000/2", "480 frames", "480 frames"]
    assert np.array_equal(np.concatenate([samples for samples, _ in listener.heard]), np.concatenate([first, second]))
    assert before_ns - 10 * MS <= listener.heard[0][1] <= clock.now_ns() - 10 * MS
    assert not session.is_recording


def test_frames_that_core_audio_skipped_are_a_hole(mac, listener):
    tap, session = started(listener, mac)
    session.deliver(sound())
    session.deliver(sound(), skip_frames=512)
    session.deliver(sound())
    tap.close()
    assert listener.told == ["format 48000/2", "480 frames", "hole overflow", "480 frames", "480 frames"]


def test_the_loudspeakers_rate_and_channels_are_taken_as_they_are(mac, listener):
    tap, session = started(listener, mac)
    session.deliver(sound(441, channels=1), sample_rate=44_100.0)
    tap.close()
    assert listener.told == ["format 44100/1", "441 frames"]


@pytest.mark.parametrize("message", ["AudioHardwareCreateProcessTap failed with status 1852797029",
                                     "Failed to start audio device: status 1852797029"])  # fmt: skip
def test_nope_is_a_permission_that_is_missing(mac, listener, message):
    mac.taps.refusal = OSError(message)
    with pytest.raises(SourceError) as caught:
        started(listener, mac)
    assert caught.value.code == "permission-denied"
    assert "Screen & System Audio Recording" in caught.value.hint


def test_another_refusal_is_told_with_its_words(mac, listener):
    mac.taps.refusal = OSError("Failed to create aggregate device: status 560947818")
    with pytest.raises(SourceError, match="560947818") as caught:
        started(listener, mac)
    assert (caught.value.code, caught.value.retryable) == ("device-unavailable", True)


def test_without_catap_it_says_how_to_get_it(listener):
    with FakeMac((14, 4), missing=["catap"]), pytest.raises(SourceError) as caught:
        CoreAudioTap(Gate(listener, 50)).start()
    assert caught.value.hint == "python -m pip install catap"


def test_while_it_runs_nothing_has_failed(mac, listener):
    tap, session = started(listener, mac)
    session.deliver(sound())
    assert tap.failure(0.0) is None
    tap.close()


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("Dropped 3 native audio buffer(s) (1536 frame(s)) before they reached on_buffer.", "Dropped 3 native audio"),
        ("Tap stream format changed during capture (started as A(rate=48000), now B)", "changed during capture"),
        ("Tap 77 disappeared during capture", "Tap 77 disappeared"),
    ],
)
def test_a_capture_that_fails_is_a_lost_device_with_the_reason(mac, listener, message, told):
    tap, session = started(listener, mac)
    session.fail(message)
    error = tap.failure(0.0)
    tap.close()
    assert (error.code, error.retryable) == ("device-lost", True)
    assert told in error.message
    assert "started as" not in error.message
    assert not session.is_recording


def test_a_queue_that_runs_over_is_a_failure(mac, listener):
    class Slow(FakeListener):
        def on_samples(self, samples, captured_ns):
            if session.overrun:
                return
            session.overrun = True
            for _ in range(session.max_pending_buffers + 1):  # all that comes while the first one is looked at
                session._put(buffer_like(samples))

    slow = Slow()
    tap, session = started(slow, mac)
    session.overrun = False
    session.deliver(sound())
    error = tap.failure(10.0)
    tap.close()
    assert error.code == "device-lost"
    assert "Dropped" in error.message


def buffer_like(samples):
    from causal.testing.fake_catap import AudioBuffer, AudioStreamFormat

    return AudioBuffer(data=samples.tobytes(), frame_count=len(samples), format=AudioStreamFormat())


def test_samples_that_are_not_float32_are_told_and_not_heard(mac, listener):
    tap, session = started(listener, mac)
    session.deliver(sound(), sample_type="signed_integer", bits_per_sample=16)
    error = tap.failure(0.0)
    tap.close()
    assert (error.code, listener.heard) == ("format-unsupported", [])
    assert "16-bit signed_integer" in error.message


def test_what_could_not_be_undone_is_undone_at_the_second_try(mac, listener):
    mac.taps.stuck_closings = 1
    tap, session = started(listener, mac)
    tap.close()
    assert (session.is_recording, session.needs_cleanup) == (False, False)


def test_a_tap_that_cannot_be_closed_ends_nobody(mac, listener):
    mac.taps.stuck_closings = 9
    tap, _ = started(listener, mac)
    tap.close()
    assert mac.taps.stuck_closings == 7


def test_one_that_was_never_opened_can_be_closed(listener):
    CoreAudioTap(Gate(listener, 50)).close()
