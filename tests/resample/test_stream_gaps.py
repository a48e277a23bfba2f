"""What was not heard is a gap with its place on the time line; what comes after it stands where it was captured."""

import numpy as np

from causal.testing.stream_bench import STARTED_NS, Desk, Sender, noise, one_shot

MS = 1_000_000


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
