import io

import pytest

from causal.capture import driver_frames
from causal.capture.driver_frames import Gone, Heard, Hole, Opened, Order
from causal.errors import SourceError


def frames(data):
    take = io.BytesIO(data).read
    found = []
    while (frame := driver_frames.read(take)) is not None:
        found.append(frame)
    return found


def test_what_is_told_arrives_in_order():
    error = SourceError("device-lost", "gone", "wait", retryable=True)
    told = [Opened(rate_hz=48_000, channels=2), Hole(reason="overflow"), driver_frames.gone(error)]
    data = b"".join(map(driver_frames.pack, told)) + driver_frames.pack_samples(b"\0" * 8, 123)
    assert frames(data) == [*told, Heard(123, b"\0" * 8)]


def test_an_error_keeps_all_that_is_known_of_it():
    error = driver_frames.as_error(Gone(code="device-lost", message="gone", hint="wait", retryable=True))
    assert (error.code, error.message, error.hint, error.retryable) == ("device-lost", "gone", "wait", True)


def test_times_before_the_machine_started_are_times():
    assert frames(driver_frames.pack_samples(b"1234", -5)) == [Heard(-5, b"1234")]


@pytest.mark.parametrize("length", range(1, 20))
def test_a_frame_that_is_cut_off_is_the_end(length):
    assert frames(driver_frames.pack_samples(b"12345678", 7)[:length]) == []


def test_an_order_survives_the_command_line():
    order = Order(device='portaudio:ALSA/"é" $HOME', kind="loopback", block_ms=20)
    assert driver_frames.order(driver_frames.text(order)) == order
