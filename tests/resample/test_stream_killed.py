"""A stream whose resampler is killed, or whose capture is: the sound is the same and in its place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.resample.stream import KeepChunk, PublishGap, Stream
from causal.testing.stream_bench import STARTED_NS, STREAM, Desk, Sender, noise, one_shot

MS = 1_000_000
RATES = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])


@pytest.mark.parametrize("both", [False, True], ids=["capture", "both"])
@pytest.mark.parametrize("rate_hz", [8000, 44100, 48000])
@pytest.mark.parametrize("heard_s", [0.0, 0.3, 0.9, 1.6, 2.4])
def test_a_file_goes_on_where_it_was_after_a_kill(both, rate_hz, heard_s):
    """A file begins with the session; its new reader starts half a second before the position that it is told."""
    sound = noise(rate_hz * 3)
    desk = Desk().send(Sender(epoch=1, rate_hz=rate_hz).blocks(sound[: int(heard_s * rate_hz)], rate_hz // 20))
    if both:
        desk.kill()
    told = desk.stream.tell(desk.now_s + 1)
    begin = max(0, told.position - 8000) * rate_hz // 16000
    again = Sender(epoch=2, rate_hz=rate_hz, segment_started_ns=STARTED_NS + begin * 10**9 // rate_hz)
    desk.send(again.blocks(sound[begin:], rate_hz // 20).end())
    assert len(desk.heard) == 48000
    assert np.abs(desk.heard.astype(int) - one_shot(sound, rate_hz)).max() <= (1 if both else 0)
    assert [chunk.position for chunk in desk.chunks[:-1]] == list(range(0, 48000, 1600))
    assert desk.gaps == {}


def test_chunks_that_died_in_memory_are_a_gap_and_their_indexes_are_not_given_again():
    sender = Sender().blocks(noise(48000 * 4), 960)
    desk = Desk().send(sender)
    passed_on = len(desk.journal)
    del desk.journal[10:]
    desk.stream = Stream(STREAM, STARTED_NS, desk.journal[-1][0], outran=3000)
    after = []
    sender.blocks(noise(48000 * 2), 960)
    while sender.cursor < len(sender.kept):
        desk.tell(sender)
        after += desk.stream.hear(*sender.kept[sender.cursor])
        sender.cursor += 1
    first = next(action.chunk for action in after if isinstance(action, KeepChunk))
    (gap,) = [action.gap for action in after if isinstance(action, PublishGap)]
    assert gap.start_ms == 1000
    assert first.position == (gap.start_ms + gap.length_ms) * 16
    assert passed_on <= first.index <= passed_on + 12


def test_a_stream_that_ends_after_chunks_died_in_memory_ends_behind_them():
    desk = Desk().send(Sender().blocks(noise(48000 * 2), 960))
    passed_on = len(desk.journal)
    stream = Stream(STREAM, STARTED_NS, desk.journal[4][0], outran=3000)
    *_, end = stream.finish(until_ns=STARTED_NS + 2_000 * MS)
    assert end.chunk.end
    assert passed_on <= end.chunk.index <= passed_on + 12


@settings(max_examples=80)
@given(
    rate_hz=RATES,
    block_s=st.sampled_from([0.005, 0.02, 0.05, 0.1, 0.33]),
    kills_s=st.lists(st.floats(0, 2.5), min_size=1, max_size=3),
    lost=st.integers(0, 5),
    undone=st.integers(0, 3),
    pace_s=st.sampled_from([0.05, 0.001]),
    seed=st.integers(0, 99),
)
def test_killed_anywhere_the_sound_is_the_same_to_one_lsb(rate_hz, block_s, kills_s, lost, undone, pace_s, seed):
    """The journal is all that survives; `lost` blocks were in the pipe of the dead process."""
    sound = noise(round(2.5 * rate_hz), seed)
    sender = Sender(rate_hz=rate_hz).blocks(sound, round(block_s * rate_hz)).end()
    desk = Desk(pace_s)
    for kill_s in sorted(kills_s):
        desk.send(sender, stop=int(kill_s / block_s))
        desk.kill(undone)
        sender.cursor = min(sender.cursor + lost, len(sender.kept))
    desk.send(sender)
    expected = one_shot(sound, rate_hz)
    assert len(desk.heard) == len(expected)
    assert np.abs(desk.heard.astype(int) - expected).max() <= 1
    assert [chunk.position for chunk in desk.chunks[:-1]] == list(range(0, len(expected), 1600))
    assert [chunk.captured_ns for chunk in desk.chunks[:-1]] == [
        STARTED_NS + 62_500 * chunk.position for chunk in desk.chunks[:-1]
    ]
    assert desk.gaps == {}
    assert desk.chunks[-1].end


@settings(max_examples=60)
@given(
    lengths_s=st.lists(
        st.integers(1, 60).map(lambda blocks: blocks * 0.02) | st.floats(0.01, 1.2), min_size=2, max_size=4
    ),
    holes_ms=st.lists(st.integers(-150, 2_000), min_size=3, max_size=3),
    kills=st.lists(st.integers(0, 200), max_size=3),
    odd_ns=st.sampled_from([0, 12_345]),
    pace_s=st.sampled_from([0.05, 0.001]),
    seed=st.integers(0, 99),
)
def test_killed_between_breaks_nothing_is_twice_and_each_gap_is_told(lengths_s, holes_ms, kills, odd_ns, pace_s, seed):
    rate_hz, sender, at_ns, sounds, expected_gaps, positions = 48000, Sender(), STARTED_NS, [], {}, []
    end = begun_ns = 0
    for number, (length_s, hole_ms) in enumerate(zip(lengths_s, [0, *holes_ms], strict=False)):
        sound = noise(round(length_s * rate_hz), seed + number)
        at_ns = max(at_ns + hole_ms * MS + odd_ns, begun_ns + MS)
        begun_ns = at_ns
        position = (at_ns - STARTED_NS + 31_250) // 62_500
        if number and position - end >= 16:
            expected_gaps[end // 16] = (position - end) // 16
        placed = places(max(end, position), max(0, end - position), (2 * len(sound) // 3 + 1) // 2)
        positions, end = [*positions, *placed[:-1]], placed[-1]
        sender.segment(at_ns, reason="moved" if number else "")
        sender.blocks(sound, 960)
        sounds.append(sound)
        at_ns += len(sound) * 10**9 // rate_hz
    desk = Desk(pace_s)
    for kill in sorted(kills):
        desk.send(sender, stop=min(kill, len(sender.kept)))
        desk.kill()
    desk.send(sender.end())
    expected = np.concatenate([one_shot(sound, rate_hz) for sound in sounds])
    assert len(desk.heard) == len(expected)
    assert np.abs(desk.heard.astype(int) - expected).max() <= 1
    assert {gap.start_ms: gap.length_ms for gap in desk.gaps.values()} == expected_gaps
    assert [chunk.position for chunk in desk.chunks] == [*positions, end]


def places(position, shift, samples):
    """Where the chunks of a run lie that begins so late, and where it ends: a quarter closer until it is in time."""
    found = []
    for at in range(0, samples, 1600):
        step = min(shift, 400) if at and shift >= 16 else 0
        position, shift = position - step, shift - step
        found.append(position)
        position += min(1600, samples - at)
    return [*found, position]


def test_a_flush_at_the_end_of_the_process_loses_nothing_and_repeats_nothing():
    """Stopped without an end mark, then started again while capture went on."""
    sound = noise(48000 * 2)
    sender = Sender().blocks(sound, 960).end()
    desk = Desk().send(sender, stop=37)
    desk.carry_out(desk.stream.flush())
    desk.kill()
    desk.send(sender)
    assert len(desk.heard) == 32_000
    assert desk.gaps == {}


@pytest.mark.parametrize("kill", range(20, 70, 3))
def test_killed_after_frames_were_lost_amid_a_segment(kill):
    def story(desk, kill):
        sender = Sender().blocks(noise(28800), 960)
        sender.frame += 2400
        sender.blocks(noise(38400, 1), 960).end()
        desk.send(sender, stop=kill)
        if kill is not None:
            desk.kill()
            desk.send(sender)
        return desk

    whole, killed = story(Desk(0.001), None), story(Desk(0.001), kill)
    assert killed.chunks == whole.chunks
    assert killed.gaps == whole.gaps
    assert np.abs(killed.heard.astype(int) - whole.heard).max() <= 1
