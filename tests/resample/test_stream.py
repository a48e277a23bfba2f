"""One stream from blocks to chunks: whatever happens to either side, the sound is the same and in its place."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from causal.messages import Block
from causal.resample.stream import KeepChunk, PublishGap, Stream

NAME = "s1/mic"
STARTED_NS = 10**15
MS = 1_000_000


def noise(frames, seed=0):
    return (np.random.default_rng(seed).standard_normal(frames) * 0.2).astype(np.float32)


def one_shot(sound, rate_hz):
    samples = sound if rate_hz == 16000 else soxr.resample(sound, rate_hz, 16000, quality="HQ")
    return np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype(np.int16)


class Sender:
    """What capture does, in a few lines: numbers its blocks, keeps them until they are acknowledged, goes back."""

    def __init__(self, epoch=1, segment_started_ns=STARTED_NS, rate_hz=48000, segment_frame=0, ppm=0):
        """A device whose clock is `ppm` fast delivers more frames in a second than it says."""
        self.epoch, self.rate_hz, self.number = epoch, rate_hz, -1
        self.true_rate = Fraction(rate_hz * (10**6 + ppm), 10**6)
        self.kept = []
        self.cursor = self.oldest = 0
        self.segment(segment_started_ns, segment_frame)

    def segment(self, started_ns, frame=0, reason=""):
        self.started_ns, self.frame, self.reason = started_ns, frame, reason
        self.number += 1

    def block(self, sound, end=False):
        frames = len(sound)
        captured_ns = self.started_ns + int(self.frame * 10**9 / self.true_rate + Fraction(1, 2))
        block = Block(
            stream=NAME,
            epoch=self.epoch,
            n=len(self.kept),
            captured_ns=captured_ns,
            rate_hz=self.rate_hz,
            channels=1,
            frames=frames,
            segment=self.number,
            segment_started_ns=self.started_ns,
            segment_frame=self.frame,
            gap_reason=self.reason,
            end=end,
        )
        self.kept.append((block, sound))
        self.frame += frames
        self.reason = ""
        return self

    def blocks(self, sound, frames):
        for at in range(0, len(sound), frames):
            self.block(sound[at : at + frames])
        return self

    def end(self, reason=""):
        self.reason = reason
        return self.block(np.zeros(0, np.float32), end=True)

    def on_next(self, told):
        if told.epoch == self.epoch:
            self.oldest = max(self.oldest, told.n)
        if told.resend:
            self.cursor = max(told.wanted if told.epoch == self.epoch else 0, self.oldest)


class Desk:
    """A resampler process: carries out what its stream says, with a list for a journal. `kill` starts a new one."""

    def __init__(self, pace_s=0.05):
        self.journal, self.gaps, self.now_s, self.told = [], {}, 0.0, 0
        self.pace_s = pace_s
        self.kill()

    def kill(self, undone=0):
        """So many of the chunks since the last acknowledgement were not written yet."""
        del self.journal[max(self.told, len(self.journal) - undone) :]
        self.stream = Stream(NAME, STARTED_NS, self.journal[-1][0] if self.journal else None)

    def carry_out(self, actions):
        for action in actions:
            match action:
                case KeepChunk(chunk, samples):
                    assert chunk.index == len(self.journal), "every index once, without holes"
                    self.journal.append((chunk, samples))
                case PublishGap(gap, key):
                    self.gaps[key] = gap

    def send(self, sender, stop=None):
        """Moves blocks until all up to `stop` have arrived; time passes, answers come."""
        stop = len(sender.kept) if stop is None else stop
        self.tell(sender)
        for _ in range(20 * len(sender.kept) + 100):
            if sender.cursor >= stop:
                return self
            block, sound = sender.kept[sender.cursor]
            sender.cursor += 1
            self.carry_out(self.stream.hear(block, sound))
            self.tell(sender)
        raise AssertionError("no progress")

    def tell(self, sender):
        self.now_s += self.pace_s
        told = self.stream.tell(self.now_s)
        if told is not None:
            self.told = len(self.journal)
            sender.on_next(told)

    @property
    def heard(self):
        return np.concatenate([samples[: chunk.valid] for chunk, samples in self.journal])

    @property
    def chunks(self):
        return [chunk for chunk, _ in self.journal]


def test_blocks_become_chunks_and_an_end():
    sound = noise(48000)
    desk = Desk().send(Sender().blocks(sound, 960).end())
    assert [chunk.valid for chunk in desk.chunks] == [1600] * 10 + [0]
    assert [chunk.position for chunk in desk.chunks] == [1600 * index for index in range(11)]
    assert [chunk.captured_ns - STARTED_NS for chunk in desk.chunks] == [100 * MS * index for index in range(11)]
    assert [chunk.end for chunk in desk.chunks] == [False] * 10 + [True]
    assert np.array_equal(desk.heard, one_shot(sound, 48000))
    assert desk.gaps == {}
    assert desk.stream.ended


def test_everything_is_acknowledged_after_the_end():
    sender = Sender().blocks(noise(48000), 960).end()
    desk = Desk().send(sender)
    desk.now_s += 1
    assert desk.stream.tell(desk.now_s).n == len(sender.kept)


def test_an_acknowledgement_lags_by_what_a_new_resampler_needs_and_no_more():
    sender = Sender().blocks(noise(48000 * 5), 960)
    desk = Desk().send(sender)
    desk.now_s += 1
    lag_s = (len(sender.kept) - desk.stream.tell(desk.now_s).n) * 0.02
    assert 0.1 < lag_s < 0.4


def test_a_break_is_a_gap_and_the_next_run_begins_where_it_was_captured():
    first, second = noise(48000, 1), noise(24000, 2)
    sender = Sender().blocks(first, 960)
    sender.segment(STARTED_NS + 1_500 * MS, reason="device-lost")
    desk = Desk().send(sender.blocks(second, 960).end())
    assert [(gap.start_ms, gap.length_ms, gap.reason) for gap in desk.gaps.values()] == [(1000, 500, "device-lost")]
    assert desk.stream.lost_ms == 500
    assert desk.chunks[10].position == 24_000
    assert desk.chunks[10].segment_chunk == 0
    assert np.array_equal(desk.heard, np.concatenate([one_shot(first, 48000), one_shot(second, 48000)]))


def test_a_block_without_sound_ends_the_run_at_once():
    sender = Sender().blocks(noise(4900), 960).block(np.zeros(0, np.float32))
    desk = Desk().send(sender)
    assert [chunk.valid for chunk in desk.chunks] == [1600, 33]
    desk.send(sender.end())
    assert desk.chunks[-1].end


def test_an_end_with_a_reason_says_that_nothing_was_heard_before_it():
    sender = Sender().blocks(noise(48000), 960)
    sender.segment(STARTED_NS + 4_000 * MS)
    desk = Desk().send(sender.end("device-lost"))
    assert [(gap.start_ms, gap.length_ms, gap.reason) for gap in desk.gaps.values()] == [(1000, 3000, "device-lost")]
    assert desk.chunks[-1].position == 64_000


def test_an_end_that_lies_before_the_last_sample_shifts_nothing():
    sender = Sender().blocks(noise(48000), 960)
    sender.segment(STARTED_NS + 900 * MS)
    desk = Desk().send(sender.end("suspended"))
    assert desk.gaps == {}
    assert desk.stream.shifted_ms == 0


def test_a_stream_whose_capture_is_gone_was_not_heard_until_it_was_stopped():
    desk = Desk().send(Sender().blocks(noise(48000), 960))
    desk.carry_out(desk.stream.finish(STARTED_NS + 2_500 * MS))
    assert [(gap.start_ms, gap.length_ms, gap.reason) for gap in desk.gaps.values()] == [(1000, 1500, "restarted")]
    assert desk.chunks[-1].position == 40_000
    assert desk.stream.finish(STARTED_NS + 9_000 * MS) == []


def test_a_stream_of_which_nothing_was_ever_heard_is_one_gap():
    desk = Desk().send(Sender(segment_started_ns=STARTED_NS + 4_000 * MS).end("device-lost"))
    assert [(gap.start_ms, gap.length_ms, gap.reason) for gap in desk.gaps.values()] == [(0, 4000, "device-lost")]
    assert desk.stream.lost_ms == 4000


def test_the_time_before_the_device_opened_is_no_gap_unless_there_was_a_reason():
    quiet = Desk().send(Sender(segment_started_ns=STARTED_NS + 200 * MS).blocks(noise(4800), 960).end())
    assert quiet.gaps == {}
    assert quiet.chunks[0].position == 3200
    late = Sender()
    late.segment(STARTED_NS + 2_000 * MS, reason="device-lost")
    desk = Desk().send(late.blocks(noise(4800), 960).end())
    assert [(gap.start_ms, gap.length_ms) for gap in desk.gaps.values()] == [(0, 2000)]


def test_a_new_capture_process_costs_a_gap_and_not_the_stream():
    desk = Desk().send(Sender(epoch=1).blocks(noise(48000), 960))
    desk.send(Sender(epoch=2, segment_started_ns=STARTED_NS + 1_800 * MS).blocks(noise(48000), 960).end())
    assert [(gap.start_ms, gap.length_ms, gap.reason) for gap in desk.gaps.values()] == [(1000, 800, "restarted")]
    assert desk.chunks[-1].position == 16 * 2_800


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
    desk.stream = Stream(NAME, STARTED_NS, desk.journal[-1][0], outran=3000)
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
    stream = Stream(NAME, STARTED_NS, desk.journal[4][0], outran=3000)
    *_, end = stream.finish(until_ns=STARTED_NS + 2_000 * MS)
    assert end.chunk.end
    assert passed_on <= end.chunk.index <= passed_on + 12


def test_frames_that_the_sender_never_sent_are_a_gap():
    sender = Sender().blocks(noise(48000), 960)
    sender.frame += 4800
    desk = Desk().send(sender.blocks(noise(4800), 960).end())
    assert [(gap.start_ms, gap.length_ms, gap.reason) for gap in desk.gaps.values()] == [(1000, 100, "overflow")]


def test_a_run_stamped_before_the_end_of_the_last_is_shifted_and_counted():
    sender = Sender().blocks(noise(48000), 960)
    sender.segment(STARTED_NS + 950 * MS, reason="moved")
    desk = Desk().send(sender.blocks(noise(48000), 960).end())
    assert desk.gaps == {}
    assert desk.stream.shifted_ms == 50
    assert desk.chunks[10].position == 16_000
    assert desk.chunks[10].captured_ns == STARTED_NS + 950 * MS
    assert desk.chunks[10].run_started_ns == STARTED_NS + 950 * MS
    assert [chunk.position - 1600 * chunk.index for chunk in desk.chunks[10:14]] == [0, -400, -800, -800]


def test_a_finished_stream_stays_finished_and_acknowledges_what_still_comes():
    sender = Sender().blocks(noise(48000), 960).end()
    desk = Desk().send(sender)
    count = len(desk.journal)
    desk.kill()
    assert desk.stream.ended
    sender.cursor = sender.oldest = 0
    desk.send(sender)
    assert len(desk.journal) == count
    desk.now_s += 1
    assert desk.stream.tell(desk.now_s).n == len(sender.kept)
    assert desk.stream.finish() == []


def test_a_stream_whose_end_mark_never_comes_can_be_finished():
    desk = Desk().send(Sender().blocks(noise(5000), 960))
    desk.carry_out(desk.stream.finish())
    assert [chunk.valid for chunk in desk.chunks] == [1600, 67, 0]
    assert desk.chunks[-1].end


@pytest.mark.parametrize("bad", [{"rate_hz": 0}, {"channels": 0}, {"frames": 5}])
def test_a_block_whose_numbers_do_not_fit_is_counted_and_costs_only_itself(bad):
    sender = Sender().blocks(noise(9600), 960)
    block, sound = sender.kept[3]
    fields = {name: getattr(block, name) for name in block.__struct_fields__} | bad
    sender.kept[3] = (Block(**fields), sound)
    desk = Desk().send(sender.end())
    assert desk.stream.bad_blocks == 1
    assert [(gap.start_ms, gap.length_ms) for gap in desk.gaps.values()] == [(60, 20)]
    assert desk.chunks[-1].position == 3200


RATES = st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000])


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


def true_ms(chunk, ppm):
    """When the device heard a chunk of its first run."""
    return chunk.index * 100 / (1 + ppm * 1e-6)


@pytest.mark.parametrize("rate_hz", [44100, 48000])
@pytest.mark.parametrize("ppm", [-10_000, 10_000])
def test_a_drifting_device_changes_the_times_and_never_the_samples(rate_hz, ppm):
    sound = noise(rate_hz * 6)
    desk = Desk().send(Sender(rate_hz=rate_hz, ppm=ppm).blocks(sound, rate_hz // 20).end())
    assert np.array_equal(desk.heard, one_shot(sound, rate_hz))
    assert desk.gaps == {}
    chunks = desk.chunks[:-1]
    assert len({chunk.run_started_ns for chunk in chunks}) == 1
    assert max(abs(chunk.position / 16 - true_ms(chunk, ppm)) for chunk in chunks) < 1.6
    assert max(abs((chunk.captured_ns - STARTED_NS) / MS - true_ms(chunk, ppm)) for chunk in chunks) < 0.6


def test_a_gap_after_a_drifting_run_begins_where_that_run_truly_ended():
    for ppm, end_ms in [(-10_000, 6060), (10_000, 5940)]:
        sender = Sender(ppm=ppm).blocks(noise(48000 * 6), 2400)
        sender.segment(STARTED_NS + 7_000 * MS, reason="device-lost")
        desk = Desk().send(sender.blocks(noise(4800), 2400).end())
        (gap,) = desk.gaps.values()
        assert (gap.start_ms, gap.start_ms + gap.length_ms) == (
            pytest.approx(end_ms, abs=2),
            pytest.approx(7000, abs=1),
        )
        assert desk.chunks[60].position == 7000 * 16
        assert desk.stream.lost_ms == gap.length_ms


@settings(max_examples=40)
@given(
    rate_hz=st.sampled_from([16000, 44100, 48000]),
    ppm=st.sampled_from([-10_000, -100, 3_000]),
    block_s=st.sampled_from([0.02, 0.05, 0.33]),
    kills_s=st.lists(st.floats(0, 5.0), min_size=1, max_size=3),
    undone=st.integers(0, 3),
)
def test_killed_anywhere_the_times_of_a_drifting_device_are_the_same(rate_hz, ppm, block_s, kills_s, undone):
    def story(kills):
        sender = Sender(rate_hz=rate_hz, ppm=ppm).blocks(noise(rate_hz * 3), round(rate_hz * block_s))
        sender.segment(STARTED_NS + 2_900 * MS, reason="moved")
        sender.blocks(noise(rate_hz * 2), round(rate_hz * block_s)).end()
        desk = Desk(0.001)
        for kill_s in sorted(kills):
            desk.send(sender, stop=int(kill_s / block_s))
            desk.kill(undone)
        return desk.send(sender)

    whole, killed = story([]), story(kills_s)
    assert killed.chunks == whole.chunks
    assert killed.gaps == whole.gaps


@pytest.mark.parametrize("ppm", [-100, 100])
def test_frames_lost_after_hours_of_drift_are_a_gap_of_their_own_length(ppm):
    """The run that follows begins amid its segment, where the count is 288 ms away from the clock."""
    sender = Sender(ppm=ppm)
    sender.frame = 8 * 3600 * 48000 // 10
    sender.blocks(noise(48000), 2400)
    sender.frame += 4800
    desk = Desk().send(sender.blocks(noise(48000), 2400).end())
    assert [gap.length_ms for gap in desk.gaps.values()][-1] == pytest.approx(100, abs=2)
    assert desk.chunks[10].position / 16 == pytest.approx(2880_000 / (1 + ppm * 1e-6) + 1100, abs=2)
