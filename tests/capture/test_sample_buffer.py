import numpy as np
import pytest

from causal.capture.sample_buffer import read
from causal.errors import SourceError
from causal.testing.fake_mac import FakeMac
from causal.testing.fake_screen_kit import CMTime, FakeSampleBuffer, host_ns

MS = 1_000_000
NOW_NS = 500_000 * MS
STEREO = np.stack([np.arange(480), -np.arange(480)], axis=1).astype(np.float32)


@pytest.fixture(autouse=True)
def mac():
    with FakeMac((13, 0)) as mac:
        yield mac


def buffer(age_ms=40.0, **form):
    return FakeSampleBuffer(STEREO, CMTime(host_ns() - round(age_ms * MS), 1_000_000_000), **form)


@pytest.mark.parametrize("planar", [True, False])
@pytest.mark.parametrize("as_record", [True, False])
def test_planar_and_interleaved_sound_is_the_same(planar, as_record):
    sound = read(buffer(planar=planar, as_record=as_record), NOW_NS)
    assert np.array_equal(sound.samples, STEREO)
    assert sound.rate_hz == 48_000


def test_the_stamp_is_taken_over_to_the_capture_clock():
    sound = read(buffer(age_ms=40.0), NOW_NS)
    assert NOW_NS - 60 * MS < sound.captured_ns <= NOW_NS - 40 * MS


@pytest.mark.parametrize("age_ms", [-1000.0, 60_000.0])
def test_a_stamp_that_cannot_be_gives_way_to_the_time_of_arrival(age_ms):
    assert read(buffer(age_ms), NOW_NS).captured_ns == NOW_NS - 10 * MS


def test_an_invalid_stamp_gives_way_to_the_time_of_arrival():
    sound = FakeSampleBuffer(STEREO, CMTime(0, 0, flags=0))
    assert read(sound, NOW_NS).captured_ns == NOW_NS - 10 * MS


@pytest.mark.parametrize("form", [{"ready": False}, {"empty": True}])
def test_a_buffer_without_sound_is_none(form):
    assert read(buffer(**form), NOW_NS) is None


def test_a_buffer_of_no_frames_is_none():
    assert read(FakeSampleBuffer(STEREO[:0], CMTime(host_ns(), 1_000_000_000)), NOW_NS) is None


@pytest.mark.parametrize("form", [{"flags": 1 << 2}, {"bits": 64}])
def test_samples_that_are_not_float32_are_refused(form):
    with pytest.raises(SourceError, match="float32 was expected") as caught:
        read(buffer(**form), NOW_NS)
    assert caught.value.code == "format-unsupported"
