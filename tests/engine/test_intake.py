import numpy as np
import pytest

from causal.engine.intake import Intake


def pcm(values: np.ndarray) -> bytes:
    return np.round(values * 32767).astype("<i2").tobytes()


def test_frames_hold_every_sample_in_order():
    given = np.random.default_rng(2).uniform(-1, 1, 16_000)
    intake = Intake(16_000)
    frames = [frame for i in range(0, 16_000, 1600) for frame in intake.push(pcm(given[i : i + 1600]))]
    got = np.concatenate([*frames, intake.take_rest()])
    assert all(len(frame) == 512 for frame in frames)
    assert np.allclose(got, given, atol=1e-4)


def test_the_rest_is_taken_once():
    intake = Intake(16_000)
    intake.push(pcm(np.zeros(1600)))
    assert len(intake.take_rest()) == 1600 - 3 * 512
    assert len(intake.take_rest()) == 0


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_another_rate_keeps_pitch_and_length(rate_hz):
    length_s = 2
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate_hz * length_s) / rate_hz)
    intake = Intake(rate_hz)
    step = rate_hz // 10
    frames = [frame for i in range(0, len(tone), step) for frame in intake.push(pcm(tone[i : i + step]))]
    got = np.concatenate(frames)
    assert 16_000 * length_s - len(got) < 1500
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(got)) / 16_000)
    assert np.abs(got[2000:] - expected[2000:]).max() < 0.01
