import numpy as np

from causal.capture.level import FLOOR_DBFS, Level


def test_a_full_scale_square_is_at_zero_dbfs():
    level = Level()
    level.add(np.tile(np.float32([[1.0], [-1.0]]), (100, 1)), 48_000)
    assert level.take() == (0.0, 0.0)


def test_a_sine_of_half_scale_has_its_peak_at_minus_6_and_its_rms_3_below():
    level = Level()
    level.add((0.5 * np.sin(np.arange(48_000) * 2 * np.pi / 48))[:, None].astype(np.float32), 48_000)
    assert level.take() == (-9.0, -6.0)


def test_negative_peaks_count():
    level = Level()
    level.add(np.float32([[0.1], [-0.5]]), 48_000)
    assert level.take()[1] == -6.0


def test_silence_and_nothing_are_at_the_floor():
    level = Level()
    assert level.take() == (FLOOR_DBFS, FLOOR_DBFS)
    level.add(np.zeros((480, 2), np.float32), 48_000)
    assert level.take() == (FLOOR_DBFS, FLOOR_DBFS)


def test_each_reading_begins_anew():
    level = Level()
    level.add(np.ones((10, 1), np.float32), 48_000)
    level.take()
    level.add(np.full((10, 1), 0.1, np.float32), 48_000)
    assert level.take() == (-20.0, -20.0)


def test_zeros_are_counted_until_a_sound_comes():
    level = Level()
    level.add(np.zeros((24_000, 2), np.float32), 48_000)
    level.add(np.zeros((12_000, 2), np.float32), 48_000)
    assert level.zeros_s == 0.75
    level.add(np.full((1, 2), 1e-6, np.float32), 48_000)
    assert level.zeros_s == 0.0


def test_an_empty_block_changes_nothing():
    level = Level()
    level.add(np.zeros((0, 1), np.float32), 48_000)
    assert level.zeros_s == 0.0
