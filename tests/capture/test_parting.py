"""What is still heard of a device that is to be left."""

import numpy as np

from causal.capture.parting import Parting
from causal.clock import NS_PER_MS

RATE_HZ = 48_000
BLOCK_MS = 50
BEGIN_MS = 1000


def block(*sounding: bool) -> np.ndarray:
    """A block of 50 ms, of as many equal parts."""
    part = RATE_HZ * BLOCK_MS // 1000 // len(sounding)
    return np.concatenate([np.full((part, 1), 0.5 * is_loud, np.float32) for is_loud in sounding])


class Stage:
    """Blocks come one after the other from `BEGIN_MS` on; each call says what is heard then, by times in ms."""

    def __init__(self) -> None:
        self.parting = Parting(RATE_HZ)
        self.now_ms = BEGIN_MS

    def hear(self, *sounding: bool) -> list[tuple[float, float]]:
        heard = self.parting.take(block(*sounding), self.now_ms * NS_PER_MS)
        self.now_ms += BLOCK_MS
        return [(at_ns / NS_PER_MS, len(samples) * 1000 / RATE_HZ) for at_ns, samples in heard]


def test_sound_is_heard_at_once():
    stage = Stage()
    assert stage.hear(True) == [(1000, 50)]
    assert stage.hear(True, False, True) == [(1050, 50)]
    assert not stage.parting.has_fallen_silent


def test_a_silence_is_held_back_until_sound_follows():
    stage = Stage()
    assert stage.hear(True, False) == [(1000, 25)]
    assert stage.hear(False) == []
    assert stage.hear(False, True) == [(1025, 25), (1050, 50), (1100, 50)]
    assert stage.parting.release() == []


def test_after_a_tenth_of_a_second_without_sound_it_has_fallen_silent_and_after_half_a_second_it_is_over():
    stage = Stage()
    stage.parting.answered = True
    found = []
    for _ in range(10):
        assert stage.hear(False) == []
        found.append((stage.parting.has_fallen_silent, stage.parting.is_over))
    assert found == [(False, False)] + 8 * [(True, False)] + [(True, True)]


def test_before_the_other_one_answers_it_is_not_over_however_long_it_is_silent():
    stage = Stage()
    for _ in range(20):
        stage.hear(False)
    assert stage.parting.has_fallen_silent and not stage.parting.is_over
    stage.parting.answered = True
    assert stage.parting.is_over


def test_what_is_held_back_does_not_change_when_the_driver_uses_its_buffer_again():
    parting = Parting(RATE_HZ)
    buffer = block(False)
    parting.take(buffer, NS_PER_MS)
    buffer[:] = 0.5
    assert not any(samples.any() for _, samples in parting.release())
