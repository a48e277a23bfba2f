import numpy as np
import pytest
import soxr

from causal.testing.oracle_speech import Decoder, SpokenWord, silence, speak, to_s16, understand

ALL = list(range(100))
SOME = list(range(0, 100, 7))


def numbers(words: list[SpokenWord]) -> list[int]:
    return [word.number for word in words]


def test_every_number_is_understood():
    assert numbers(understand(to_s16(speak(ALL)))) == ALL


def test_words_are_where_they_were_spoken():
    audio = np.concatenate([silence(1000), speak([5, 17])])
    first, second = understand(to_s16(audio))
    assert (first.start_ms, first.end_ms) == pytest.approx((1000, 1240), abs=10)
    assert (second.start_ms, second.end_ms) == pytest.approx((1400, 1640), abs=10)


@pytest.mark.parametrize("gain", [0.02, 0.3, 2.4])
@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 8_000])
def test_another_rate_stereo_and_a_change_of_gain_do_no_harm(rate_hz, gain):
    stereo = np.repeat(speak(SOME, rate_hz)[:, None], 2, axis=1) * gain
    mono = soxr.resample(stereo.mean(axis=1).astype(np.float32), rate_hz, 16_000)
    assert numbers(understand(to_s16(mono))) == SOME


def test_the_sizes_of_the_pieces_do_not_matter():
    audio, decoder, words = to_s16(speak(SOME)), Decoder(), []
    for start in range(0, len(audio), 777):
        words += decoder.push(audio[start : start + 777])
    assert words + decoder.flush() == understand(audio)


def test_noise_is_not_a_word():
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000 * 5).astype(np.float32)
    assert understand(to_s16(noise)) == []


def test_a_lost_word_is_missing_and_a_repeated_one_is_there_twice():
    one, two = speak([1]), speak([2])
    assert numbers(understand(to_s16(np.concatenate([one, two, two, one])))) == [1, 2, 2, 1]


def test_a_word_cut_in_two_shows():
    word = speak([42])
    middle = np.concatenate([word[:1920], silence(200), word[1920:]])
    assert numbers(understand(to_s16(middle))) == [42, 42]


def test_a_word_is_open_until_its_silence():
    decoder, audio = Decoder(), to_s16(speak([7]))
    assert decoder.push(audio[:3200]) == []
    assert decoder.is_open
    assert numbers(decoder.push(audio[3200:])) == [7]
    assert not decoder.is_open
