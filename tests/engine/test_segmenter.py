import numpy as np

from causal.engine.segmenter import (
    FRAME_SAMPLES,
    LONG_SAMPLES,
    MAX_SAMPLES,
    PRE_ROLL_SAMPLES,
    RATE_HZ,
    TAIL_SAMPLES,
    Ended,
    Event,
    Rested,
    Segmenter,
    Speaking,
)


def frame(value: float = 0.0) -> np.ndarray:
    return np.full(FRAME_SAMPLES, value, np.float32)


def numbered(index: int) -> np.ndarray:
    """A frame whose samples say where they are in the stream."""
    return np.arange(index * FRAME_SAMPLES, (index + 1) * FRAME_SAMPLES, dtype=np.float32)


def play(segmenter: Segmenter, probabilities: list[float], first: int = 0) -> list[Event]:
    return [e for i, p in enumerate(probabilities, first) for e in segmenter.push(numbered(i), p)]


def of(kind: type, events: list[Event]) -> list:
    return [event for event in events if isinstance(event, kind)]


QUIET, SPEECH = [0.0], [1.0]


def test_silence_says_nothing():
    assert play(Segmenter(), QUIET * 1000) == []


def test_three_frames_of_speech_are_a_click():
    assert play(Segmenter(), (QUIET * 10 + SPEECH * 3) * 5 + QUIET * 20) == []


def test_the_fourth_frame_of_speech_begins_a_segment_with_pre_roll():
    events = play(Segmenter(), QUIET * 20 + SPEECH * 4)
    assert [type(event) for event in events] == [Speaking]
    assert len(events[0].samples) == PRE_ROLL_SAMPLES
    assert events[0].segment.start == 24 * FRAME_SAMPLES - PRE_ROLL_SAMPLES
    assert events[0].samples[0] == events[0].segment.start


def test_silence_ends_the_segment_and_only_a_tail_of_it_stays():
    (ended,) = of(Ended, play(Segmenter(0.5), QUIET * 20 + SPEECH * 30 + QUIET * 16))
    spoken_until = 50 * FRAME_SAMPLES
    assert ended.segment.start + len(ended.samples) == spoken_until + TAIL_SAMPLES
    assert ended.samples[-1] == spoken_until + TAIL_SAMPLES - 1


def test_a_shorter_silence_does_not_end_it():
    events = play(Segmenter(0.5), QUIET * 20 + SPEECH * 30 + QUIET * 15 + SPEECH * 5)
    assert of(Ended, events) == []
    assert isinstance(events[-1], Speaking)


def test_a_doubtful_frame_keeps_speech_going():
    assert of(Ended, play(Segmenter(0.5, threshold=0.5), SPEECH * 30 + [0.4] * 100)) == []
    assert len(of(Ended, play(Segmenter(0.5, threshold=0.5), SPEECH * 30 + [0.3] * 100))) == 1


def test_halfway_into_the_silence_it_rests_once_on_what_will_be_the_final():
    events = play(Segmenter(0.5), QUIET * 20 + SPEECH * 30 + QUIET * 16)
    (rested,), (ended,) = of(Rested, events), of(Ended, events)
    assert len(rested.samples) == len(ended.samples)
    assert rested.segment is ended.segment
    assert not of(Speaking, events[events.index(rested) :])


def test_speech_after_a_rest_goes_on_in_the_same_segment():
    events = play(Segmenter(0.5), SPEECH * 30 + QUIET * 10 + SPEECH * 30 + QUIET * 20)
    assert len(of(Rested, events)) == 2
    assert len(of(Ended, events)) == 1


def test_the_endpoint_follows_the_client():
    events = play(Segmenter(1.0), SPEECH * 30 + QUIET * 31)
    assert of(Ended, events) == []
    assert len(of(Ended, play(Segmenter(0.1), SPEECH * 30 + QUIET * 4))) == 1


def test_a_long_segment_ends_at_the_next_short_pause():
    long = LONG_SAMPLES // FRAME_SAMPLES
    pause = QUIET * 5
    assert len(of(Ended, play(Segmenter(0.5), SPEECH * (long - 30) + pause + SPEECH * 20))) == 0
    (ended,) = of(Ended, play(Segmenter(0.5), SPEECH * (long + 10) + pause + SPEECH * 20))
    assert len(ended.samples) == (long + 14) * FRAME_SAMPLES


def test_a_full_segment_is_cut_at_its_quietest_recent_frame_and_no_sample_is_lost():
    long = MAX_SAMPLES // FRAME_SAMPLES
    probabilities = SPEECH * (long - 20) + [0.6] + SPEECH * 60 + QUIET * 20
    first, second = of(Ended, play(Segmenter(), probabilities))
    assert len(first.samples) <= MAX_SAMPLES
    cut = first.segment.start + len(first.samples)
    assert cut == (long - 19) * FRAME_SAMPLES
    assert second.segment.start == cut
    assert np.array_equal(
        np.concatenate([first.samples, second.samples]), np.arange(second.segment.start + len(second.samples))
    )


def test_what_is_left_of_a_cut_segment_without_speech_in_it_is_dropped():
    long = MAX_SAMPLES // FRAME_SAMPLES
    events = play(Segmenter(0.5), SPEECH * (long - 8) + QUIET * 40)
    assert len(of(Ended, events)) == 1


def test_a_segment_is_never_longer_than_the_model_bears():
    rng = np.random.default_rng(3)
    events = play(Segmenter(), list(rng.uniform(0.45, 1.0, 4000)))
    assert len(of(Ended, events)) >= 4000 * FRAME_SAMPLES // MAX_SAMPLES
    assert max(len(event.samples) for event in events) <= MAX_SAMPLES


def test_a_cut_ends_the_segment_with_all_that_was_heard():
    segmenter = Segmenter()
    play(segmenter, SPEECH * 30)
    rest = np.arange(30 * FRAME_SAMPLES, 30 * FRAME_SAMPLES + 100, dtype=np.float32)
    (ended,) = segmenter.cut(rest)
    assert np.array_equal(ended.samples, np.arange(ended.segment.start, 30 * FRAME_SAMPLES + 100))


def test_a_cut_between_segments_does_nothing():
    segmenter = Segmenter()
    play(segmenter, QUIET * 30)
    assert segmenter.cut(np.zeros(100, np.float32)) == []


def test_after_a_cut_speech_begins_anew_without_what_was_cut_off():
    segmenter = Segmenter()
    play(segmenter, SPEECH * 30)
    segmenter.cut(np.zeros(0, np.float32))
    (began, *_) = play(segmenter, SPEECH * 4, first=30)
    assert began.segment.start == 30 * FRAME_SAMPLES


def test_samples_handed_out_do_not_change_later():
    segmenter = Segmenter()
    (began,) = play(segmenter, QUIET * 20 + SPEECH * 4)
    before = began.samples.copy()
    play(segmenter, SPEECH * 300, first=24)
    assert np.array_equal(began.samples, before)


def test_two_turns_hold_every_sample_between_pre_roll_and_tail():
    events = of(Ended, play(Segmenter(0.5), QUIET * 20 + SPEECH * 30 + QUIET * 30 + SPEECH * 30 + QUIET * 20))
    for ended in events:
        assert np.array_equal(ended.samples, np.arange(len(ended.samples)) + ended.segment.start)
    assert len(events) == 2
    assert events[0].segment.start + len(events[0].samples) <= events[1].segment.start
    assert RATE_HZ * 0.9 < len(events[0].samples) < RATE_HZ * 1.6
