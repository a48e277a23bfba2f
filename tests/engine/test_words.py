import itertools

import numpy as np
import pytest

from causal.engine.hypothesis import FRAME_SAMPLES, RATE_HZ, Hypothesis
from causal.engine.vocabulary import SPACE, Vocabulary
from causal.engine.words import HEAD_DELAYS, SILENCE, align, best_paths, spread, timed_words

WORDS = Vocabulary([b"<unk>", b"<s>", b"</s>", SPACE + b"one", SPACE + b"tw", b"o", SPACE + b"three"])
FRAME_S = FRAME_SAMPLES / RATE_HZ


def looks(spans: list[tuple[int, int]], frames: int) -> np.ndarray:
    """What heads see that follow time, each as late as it is in the model."""
    seen = np.full((len(HEAD_DELAYS), len(spans), frames), 0.01, np.float32)
    for head, delay in enumerate(HEAD_DELAYS):
        for token, (start, end) in enumerate(spans):
            seen[head, token, start + delay : end + delay] = 1.0
    return seen


def sound(loud: list[tuple[int, int]], frames: int, noise: float = 1e-3) -> np.ndarray:
    rng = np.random.default_rng(4)
    samples = rng.normal(0, noise, frames * FRAME_SAMPLES)
    for start, end in loud:
        samples[start * FRAME_SAMPLES : end * FRAME_SAMPLES] += rng.normal(0, 0.1, (end - start) * FRAME_SAMPLES)
    return samples.astype(np.float32)


def test_words_are_where_the_model_looked_and_where_it_is_loud():
    tokens = [(10, 20), (30, 38), (38, 45), (60, 75)]
    heard = Hypothesis((3, 4, 5, 6), (0.9, 0.8, 0.3, 0.7), looks(tokens, 90))
    words = timed_words(sound([(10, 20), (30, 45), (60, 75)], 90), heard, WORDS)
    assert [word.text for word in words] == ["one", "two", "three"]
    found = [(word.start_s / FRAME_S, word.end_s / FRAME_S) for word in words]
    assert np.allclose(found, [(10, 20), (30, 45), (60, 75)], atol=1.01)
    assert [word.confidence for word in words] == [0.9, 0.3, 0.7]


def test_without_silence_between_words_the_looks_decide():
    tokens = [(5, 20), (20, 50), (50, 60)]
    words = timed_words(
        sound([(5, 60)], 70), Hypothesis((3, 6, 3), (1.0,) * 3, looks(tokens, 70)), WORDS
    )  # fmt: skip
    assert np.allclose([word.start_s / FRAME_S for word in words], [5, 20, 50], atol=1.01)


def test_noise_in_the_pauses_is_no_speech():
    tokens = [(20, 30), (50, 60)]
    quiet = timed_words(
        sound([(20, 30), (50, 60)], 90, noise=0.03), Hypothesis((3, 6), (1.0, 1.0), looks(tokens, 90)), WORDS
    )
    assert np.allclose([word.end_s / FRAME_S for word in quiet], [30, 60], atol=2.01)


def test_times_stay_within_the_samples():
    frames = 20
    samples = sound([(0, 20)], frames)[: frames * FRAME_SAMPLES - 100]
    (word,) = timed_words(samples, Hypothesis((3,), (1.0,), looks([(0, 20)], frames)), WORDS)
    assert word.start_s == 0.0
    assert len(samples) / RATE_HZ - 2 * FRAME_S < word.end_s <= len(samples) / RATE_HZ


def test_nothing_heard_has_no_words():
    assert timed_words(sound([], 10), Hypothesis(), WORDS) == []


@pytest.mark.parametrize("frames", [1, 2, 3, 5])
def test_more_tokens_than_frames_still_give_every_word_a_place_in_order(frames):
    tokens = (3, 4, 5, 6, 3, 4, 5, 6)
    heard = Hypothesis(tokens, (0.5,) * 8, np.ones((3, 8, frames), np.float32))
    words = timed_words(sound([(0, frames)], frames), heard, WORDS)
    assert len(words) == 6
    assert all(0 <= word.start_s < word.end_s <= frames * FRAME_S + 1e-9 for word in words)
    assert sorted(words, key=lambda word: word.start_s) == words


def test_shared_out_letters_fill_the_loud_frames():
    loud = np.array([-80.0] * 10 + [-20.0] * 30 + [-80.0] * 10)
    assert spread(loud, [("a", 0, 1), ("bb", 1, 2), ("ccc", 2, 3)]) == [(10, 15), (15, 25), (25, 40)]


@pytest.mark.parametrize("seed", range(8))
def test_the_best_path_earns_as_much_as_trying_all(seed):
    rng = np.random.default_rng(seed)
    words = [(0, 1), (1, 3)]
    states = [SILENCE, 0, SILENCE, 1, 2, SILENCE]
    scores, silence = rng.normal(size=(3, 7)), rng.normal(size=7)
    earned = np.stack([silence if state == SILENCE else scores[state] for state in states])

    def allowed(path: tuple[int, ...]) -> bool:
        steps = itertools.pairwise(path)
        right = all(b in (a, a + 1) or (b == a + 2 and states[a + 1] == SILENCE) for a, b in steps)
        return right and path[0] in (0, 1) and path[-1] in (4, 5)

    paths = [path for path in itertools.product(range(6), repeat=7) if allowed(path)]
    totals = [sum(earned[state, frame] for frame, state in enumerate(path)) for path in paths]
    best = paths[int(np.argmax(totals))]
    assert np.isclose(max(best_paths(earned, states)[2][-2:]), max(totals))
    expected = [
        (min(f for f, s in enumerate(best) if s in at), max(f for f, s in enumerate(best) if s in at) + 1)
        for at in ((1,), (3, 4))
    ]
    assert align(scores, silence, words) == expected
