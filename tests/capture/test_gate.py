import numpy as np

from causal.capture.gate import Gate
from causal.testing.fake_listener import FakeListener

MS = 1_000_000


def ramp(frames, first=0, channels=2):
    return np.repeat(np.arange(first, first + frames, dtype=np.float32)[:, None], channels, axis=1)


def test_small_buffers_become_blocks_with_the_time_of_their_first_sample():
    listener = FakeListener()
    gate = Gate(listener, block_ms=50)
    for n in range(10):
        gate.on_samples(ramp(480, n * 480), 48_000, 1_000 * MS + n * 10 * MS)
    assert listener.told == ["format 48000/2", "2400 frames", "2400 frames"]
    assert [captured_ns for _, captured_ns in listener.heard] == [1_000 * MS, 1_050 * MS]
    assert np.array_equal(np.concatenate([samples for samples, _ in listener.heard]), ramp(4800))


def test_a_buffer_that_is_longer_than_a_block_is_cut():
    listener = FakeListener()
    gate = Gate(listener, block_ms=50)
    gate.on_samples(ramp(6000), 48_000, 0)
    gate.shut()
    assert listener.told == ["format 48000/2", "2400 frames", "2400 frames", "1200 frames"]
    assert [captured_ns for _, captured_ns in listener.heard] == [0, 50 * MS, 100 * MS]
    assert np.array_equal(np.concatenate([samples for samples, _ in listener.heard]), ramp(6000))


def test_a_hole_comes_after_what_was_before_it():
    listener = FakeListener()
    gate = Gate(listener, block_ms=50)
    gate.on_samples(ramp(100), 48_000, 0)
    gate.on_hole("overflow")
    gate.on_samples(ramp(2400), 48_000, 70 * MS)
    assert listener.told == ["format 48000/2", "100 frames", "hole overflow", "2400 frames"]
    assert listener.heard[1][1] == 70 * MS


def test_another_format_ends_a_block():
    listener = FakeListener()
    gate = Gate(listener, block_ms=50)
    gate.on_samples(ramp(100), 48_000, 0)
    gate.on_samples(ramp(800, channels=1), 16_000, 10 * MS)
    assert listener.told == ["format 48000/2", "100 frames", "format 16000/1", "800 frames"]


def test_nothing_comes_through_a_gate_that_is_shut():
    listener = FakeListener()
    gate = Gate(listener, block_ms=50)
    gate.on_samples(ramp(100), 48_000, 0)
    gate.shut()
    gate.shut()
    gate.on_samples(ramp(4800), 48_000, 10 * MS)
    gate.on_hole("overflow")
    assert listener.told == ["format 48000/2", "100 frames"]
