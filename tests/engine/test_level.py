import numpy as np

from causal.engine.level import MOST_GAIN_DB, QUIETEST_DB, Leveller

FRAME_S = 0.032


def tone(level_db: float) -> np.ndarray:
    wave = np.sin(np.arange(512) * 2 * np.pi / 16)
    return (wave * np.sqrt(2) * 10 ** (level_db / 20)).astype(np.float32)


def level_db(frame: np.ndarray) -> float:
    return float(10 * np.log10((frame.astype(np.float64) ** 2).mean()))


def test_usual_speech_passes_unchanged():
    level = Leveller(FRAME_S)
    for frame_db in (-20.0, -39.0, -30.0):
        frame = tone(frame_db)
        assert level(frame) is frame


def test_quiet_speech_is_raised_to_the_level_that_can_be_understood():
    level = Leveller(FRAME_S)
    for _ in range(400):
        raised = level(tone(-65.0))
    assert abs(level_db(raised) - QUIETEST_DB) < 0.5


def test_the_gain_has_a_limit():
    level = Leveller(FRAME_S)
    for _ in range(2000):
        raised = level(tone(-100.0))
    assert abs(level_db(raised) - (-100.0 + MOST_GAIN_DB)) < 0.5


def test_digital_silence_stays_silence():
    level = Leveller(FRAME_S)
    for _ in range(100):
        assert not level(np.zeros(512, np.float32)).any()


def test_a_loud_frame_after_silence_is_not_raised():
    level = Leveller(FRAME_S)
    for _ in range(2000):
        level(tone(-90.0))
    loud = tone(-20.0)
    assert level(loud) is loud


def test_pauses_between_words_are_not_pumped_up():
    level = Leveller(FRAME_S)
    level(tone(-20.0))
    pause = [level_db(level(tone(-70.0))) for _ in range(31)]
    assert max(pause) < -69.0
