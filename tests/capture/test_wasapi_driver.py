"""The driver of Windows' devices, on a Windows that a script moves on."""

import sys

import numpy as np
import pytest

from causal import clock
from causal.capture import endpoints, wasapi_driver
from causal.capture.driver_frames import Order
from causal.errors import SourceError
from causal.testing.fake_wasapi import FakeWindows

MS = 1_000_000


class Told:
    """What the driver tells."""

    def __init__(self):
        self.formats, self.blocks, self.holes = [], [], []

    def opened(self, rate_hz, channels):
        self.formats.append((rate_hz, channels))

    def samples(self, data, captured_ns):
        self.blocks.append((captured_ns // MS, np.frombuffer(data, np.float32).reshape(-1, self.formats[0][1])[:, 0]))

    def hole(self, reason):
        self.holes.append((reason, len(self.blocks)))

    @property
    def levels(self):
        """Of each 20 ms, in thousandths: the number of the packet, 0 for silence."""
        sound = np.concatenate([samples for _, samples in self.blocks])
        packets = sound[: len(sound) // 960 * 960].reshape(-1, 960)
        assert (packets == packets[:, :1]).all()
        return [round(level * 1000) for level in packets[:, 0].tolist()]


@pytest.fixture
def windows(monkeypatch):
    machine = FakeWindows()
    machine.time_ns = 1000 * MS
    monkeypatch.setitem(sys.modules, "pyaudiowpatch", machine)
    monkeypatch.setattr(endpoints, "read", machine.read)
    monkeypatch.setattr(clock, "now_ns", machine.now_ns)
    return machine


def hear(windows, endpoint, kind=None):
    told = Told()
    try:
        wasapi_driver.hear(Order(device=f"wasapi:{endpoint.id}", kind=kind, block_ms=40), told, windows)
    except SourceError as error:
        return told, error
    return told, None


def test_a_microphone_is_opened_at_its_own_format_and_heard_in_blocks(windows):
    mic = windows.add("Mikrofon (USB-Gerät)", channels=1, rate_hz=48_000)
    windows.then(4, windows.packet)
    told, error = hear(windows, mic)
    assert error is None
    assert told.formats == [(48_000, 1)]
    assert windows.opened[0]["name"] == "Mikrofon (USB-Gerät)"
    assert told.levels == [1, 2, 3, 4]
    assert [at for at, _ in told.blocks] == [1000, 1040]


def test_a_microphone_that_delivers_nothing_gets_no_silence_made_up(windows):
    mic = windows.add("Mikrofon", channels=1)
    windows.then(2, windows.packet)
    windows.then(100, windows.nothing)
    told, _ = hear(windows, mic)
    assert told.levels == [1, 2]


def test_a_loopback_is_that_of_the_output_at_its_own_rate_and_channels(windows):
    windows.add("Lautsprecher (Größe 2)", plays=True)
    hdmi = windows.add("ディスプレイ", plays=True, channels=6, rate_hz=44_100)
    windows.then(2, windows.packet)
    told, _ = hear(windows, hdmi, "loopback")
    assert windows.opened[0]["name"] == "ディスプレイ [Loopback]"
    assert told.formats == [(44_100, 6)]


def test_silence_is_filled_where_nothing_played(windows):
    speakers = windows.add("Lautsprecher", plays=True)
    windows.then(2, windows.packet)
    windows.then(50, windows.nothing)
    windows.then(2, windows.packet)
    told, _ = hear(windows, speakers)
    assert told.levels == [1, 2] + [0] * 50 + [3, 4]
    assert told.holes == []
    ends = [at + len(samples) / 48 for at, samples in told.blocks]
    assert [at for at, _ in told.blocks][1:] == pytest.approx(ends[:-1], abs=2)


def test_a_discontinuity_after_silence_is_none(windows):
    speakers = windows.add("Lautsprecher", plays=True)
    windows.overflow = True
    windows.then(2, windows.packet)
    windows.then(50, windows.nothing)
    windows.then(1, lambda: setattr(windows, "overflow", True))
    windows.then(2, windows.packet)
    assert hear(windows, speakers)[0].holes == []


def test_a_hole_in_what_plays_is_told_where_it_is(windows):
    speakers = windows.add("Lautsprecher", plays=True)
    windows.then(3, windows.packet)

    def lose():
        windows.overflow = True
        windows.packet()

    windows.then(1, lose)
    windows.then(1, windows.packet)
    told, _ = hear(windows, speakers)
    assert told.holes == [("overflow", 2)]
    assert told.levels == [1, 2, 3, 4, 5]


def test_a_machine_that_slept_was_not_silent(windows):
    speakers = windows.add("Lautsprecher", plays=True)
    windows.then(2, windows.packet)

    def sleep():
        windows.time_ns += 3_600_000 * MS

    windows.then(1, sleep)
    windows.then(2, windows.packet)
    told, _ = hear(windows, speakers)
    assert told.holes == [("suspended", 1)]
    assert told.levels == [1, 2, 3, 4]


def test_an_endpoint_that_is_invalidated_is_lost_and_may_come_back(windows):
    speakers = windows.add("Lautsprecher", plays=True)
    windows.then(2, windows.packet)
    windows.then(1, windows.unplug)
    windows.then(9, windows.nothing)
    _, error = hear(windows, speakers)
    assert (error.code, error.retryable) == ("device-lost", True)
    assert len(windows.script) == 9


def test_a_stream_that_does_not_answer_is_lost(windows):
    mic = windows.add("Mikrofon")

    def close():
        windows.stream.close()

    windows.then(1, close)
    _, error = hear(windows, mic)
    assert error.code == "device-lost"


@pytest.mark.parametrize(("plays", "hint"), [(True, "advanced settings"), (False, "Privacy & security > Microphone")])
def test_what_cannot_be_opened_says_what_to_look_for(windows, plays, hint):
    endpoint = windows.add("Gerät", plays=plays)
    windows.refuses = True
    _, error = hear(windows, endpoint)
    assert (error.code, error.retryable) == ("device-unavailable", True)
    assert "-9999" in error.message and hint in error.hint


def test_an_endpoint_that_is_away_is_not_found(windows):
    gone = windows.add("Kopfhörer", plays=True)
    windows.endpoints.clear()
    _, error = hear(windows, gone)
    assert (error.code, error.retryable) == ("device-not-found", True)


def test_a_microphone_with_the_name_of_an_output_is_not_heard_in_its_place(windows):
    speakers = windows.add("Headset", plays=True)
    windows.add("Headset")
    windows.add("Headset [Loopback]")
    windows.then(1, windows.packet)
    hear(windows, speakers, "loopback")
    loopback = windows.opened[0]["input_device_index"]
    assert loopback == 23
    assert windows.opened[0]["name"] == "Headset [Loopback]"


def test_an_endpoint_of_the_wrong_kind_is_not_opened(windows):
    mic = windows.add("Mikrofon")
    _, error = hear(windows, mic, "loopback")
    assert error.code == "device-lost"
    assert windows.opened == []


def test_of_two_with_one_name_each_is_found(windows):
    first, second = windows.add("USB Audio"), windows.add("USB Audio")
    for endpoint, number in ((first, 20), (second, 21)):
        windows.then(1, windows.packet)
        hear(windows, endpoint)
        assert windows.opened[-1]["input_device_index"] == number


def test_a_name_that_portaudio_cuts_off_is_found(windows):
    name = "Mikrofonarray (Intel® Smart Sound Technologie für digitale Mikrofone)"
    windows.then(1, windows.packet)
    assert hear(windows, windows.add(name))[1] is None


def test_what_portaudio_has_no_room_for_is_told(windows):
    for number in range(16):
        windows.add(f"Mikrofon {number}")
    _, error = hear(windows, windows.add("Lautsprecher", plays=True))
    assert error.code == "device-unavailable"
    assert "16 devices" in error.hint
