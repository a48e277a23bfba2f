"""A stream from blocks to chunks: numbered, acknowledged, ended; a bad block costs only itself."""

import numpy as np
import pytest

from causal.messages import Block
from causal.testing.stream_bench import STARTED_NS, Desk, Sender, noise, one_shot

MS = 1_000_000


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


def test_a_block_without_sound_ends_the_run_at_once():
    sender = Sender().blocks(noise(4900), 960).block(np.zeros(0, np.float32))
    desk = Desk().send(sender)
    assert [chunk.valid for chunk in desk.chunks] == [1600, 33]
    desk.send(sender.end())
    assert desk.chunks[-1].end


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
