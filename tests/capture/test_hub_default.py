"""Who follows the default device hears the new one from where the old one ends."""

import numpy as np
import pytest

from causal.capture.ring import Ring
from causal.clock import NS_PER_S
from causal.testing.hub_bench import BLOCK_FRAMES, BLOCK_NS, HubBench


@pytest.fixture
def bench():
    return HubBench()


def with_another_default(bench) -> Ring:
    """What hears `mic`: one block of `fake:a`, and `fake:b` is the default now."""
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    return ring


def test_system_is_the_default_loopback_and_never_a_microphone(bench):
    bench.source.add("fake:mic", "input", default=True)
    bench.add("s/system", "system")
    condition = bench.hub.condition("s/system")
    assert (condition.state, condition.retrying) == ("failed", True)
    assert condition.error.code == "device-not-found"
    assert bench.source.opened == []
    bench.source.add("fake:out", "loopback", default=True)
    bench.hub.tick()
    assert bench.source.opened == ["fake:out"]


def test_a_new_default_is_opened_first_and_taken_when_it_delivers(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a", 2)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    assert (bench.source.is_open("fake:a"), bench.source.is_open("fake:b")) == (1, 1)
    bench.hear("fake:a")
    assert ring.heard_ns == 3 * BLOCK_NS
    bench.hear("fake:b")
    assert bench.source.is_open("fake:a") == 0
    bench.hear("fake:b")
    assert bench.segments("s/mic") == ["", "moved"]
    assert bench.hub.condition("s/mic").device == "fake:b"


def test_the_new_default_takes_over_on_the_frame_where_the_old_one_ends(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b", rate_hz=44_100)
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a", 3)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    # The new one is 10 ms later than the old one's last block, and heard twice before that one's next block comes.
    began_ns = bench.now_ns + 10_000_000
    for n in range(2):
        bench.source.deliver("fake:b", np.full((2205, 1), 0.25, np.float32), began_ns + n * BLOCK_NS)
        bench.hub.tick()
    assert bench.segments("s/mic") == [""]
    bench.hear("fake:a")
    assert bench.segments("s/mic") == ["", "moved"]
    old, new = ring.held(3), ring.held(4)
    seam_ns = new.captured_ns - (old.captured_ns + BLOCK_NS)
    assert 0 <= seam_ns <= NS_PER_S / 44_100
    assert len(new.samples) == pytest.approx(2205 * 0.2, abs=1)
    assert ring.held(5).captured_ns == began_ns + BLOCK_NS


def test_when_the_old_default_falls_silent_what_the_new_one_played_before_it_was_heard_is_a_gap(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a", 2)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    asked_ns = bench.now_ns
    bench.now_ns += BLOCK_NS
    moving = np.full((BLOCK_FRAMES, 1), 0.5, np.float32)
    moving[BLOCK_FRAMES // 2 :] = 0.0
    bench.source.deliver("fake:a", moving, asked_ns)
    bench.hub.tick()
    bench.hear("fake:a", 3, level=0.0)
    bench.hear("fake:b", 2)
    assert bench.source.is_open("fake:a") == 0
    assert bench.segments("s/mic") == ["", "moved"]
    assert ring.heard_ns == 4.5 * BLOCK_NS
    old, new = ring.held(2), ring.held(3)
    assert old.captured_ns + len(old.samples) * NS_PER_S // 48_000 == asked_ns + BLOCK_NS // 2
    assert new.captured_ns == asked_ns + 4 * BLOCK_NS


def test_the_old_default_s_silence_is_no_sound_from_when_the_new_one_is_wanted():
    bench = HubBench()
    bench.source.hesitant.add("fake:b")
    ring = with_another_default(bench)
    bench.hear("fake:a", 4, level=0.0)
    bench.source.answer("fake:b")
    bench.hear("fake:a", 2, level=0.0)
    bench.hear("fake:b", 2)
    assert ring.heard_ns == 3 * BLOCK_NS
    assert bench.segments("s/mic") == ["", "moved"]
    assert ring.held(ring.head - 2).captured_ns == bench.now_ns - 2 * BLOCK_NS


def test_an_old_default_s_silence_is_heard_after_all_when_the_new_one_does_not_answer():
    bench = HubBench()
    bench.source.hesitant.add("fake:b")
    ring = with_another_default(bench)
    bench.hear("fake:a", 15, level=0.0)
    assert ring.heard_ns == BLOCK_NS
    bench.hear("fake:a", 5, level=0.0)
    assert ring.heard_ns == 21 * BLOCK_NS
    bench.hear("fake:a")
    assert bench.segments("s/mic") == [""]


def test_a_pause_in_what_the_old_default_still_plays_is_no_gap(bench):
    ring = with_another_default(bench)
    bench.hear("fake:a", 3, level=0.0)
    assert ring.heard_ns == BLOCK_NS
    bench.hear("fake:a")
    assert ring.heard_ns == 5 * BLOCK_NS
    assert bench.segments("s/mic") == [""]


def test_an_old_default_that_is_silent_for_long_is_left_for_a_new_one_that_delivers_late(bench):
    ring = with_another_default(bench)
    bench.hear("fake:a", 20, level=0.0)
    bench.hear("fake:b")
    assert ring.heard_ns == 2 * BLOCK_NS
    assert bench.segments("s/mic") == ["", "moved"]
    assert ring.held(ring.head - 1).captured_ns == bench.now_ns - BLOCK_NS


def test_a_silent_default_is_not_left_for_one_that_cannot_be_opened(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    ring = bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.refused.add("fake:b")
    bench.source.make_default("fake:b")
    bench.hear("fake:a", 5, level=0.0)
    assert ring.heard_ns == 6 * BLOCK_NS
    assert bench.segments("s/mic") == [""]


def test_a_silent_default_that_was_left_and_is_the_default_again_has_lost_nothing(bench):
    ring = with_another_default(bench)
    bench.hear("fake:a", 3, level=0.0)
    assert ring.heard_ns == BLOCK_NS
    bench.source.make_default("fake:a")
    bench.hear("fake:a")
    assert ring.heard_ns == 5 * BLOCK_NS
    held = [ring.held(n) for n in range(ring.tail, ring.head) if len(ring.held(n).samples)]
    assert [h.captured_ns for h in held[1:]] == [h.captured_ns + BLOCK_NS for h in held[:-1]]


def test_a_new_default_is_taken_at_once_when_the_old_one_has_stopped_talking(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a", 2)
    bench.source.make_default("fake:b")
    bench.wait(0.6)
    bench.hear("fake:b")
    assert bench.segments("s/mic") == ["", "moved"]
    assert bench.hub.condition("s/mic").device == "fake:b"


def test_a_new_default_that_delivers_nothing_is_told_while_the_old_one_is_heard(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hear("fake:a", 30)
    assert bench.hub.condition("s/mic").hint == ""
    bench.hear("fake:a", 20)
    condition = bench.hub.condition("s/mic")
    assert (condition.device, condition.state) == ("fake:a", "capturing")
    assert condition.hint.startswith("fake:b is the default now")
    bench.hear("fake:b", 3)
    bench.wait(0.6)
    bench.hear("fake:b")
    assert (bench.hub.condition("s/mic").device, bench.hub.condition("s/mic").hint) == ("fake:b", "")


def test_two_sources_that_come_to_mean_one_device_both_hear_it_without_a_gap(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s1/mic", "fake:b")
    ring = bench.add("s2/mic", "mic")
    for _ in range(4):
        bench.hear("fake:b")
        bench.source.deliver("fake:a", np.full((2400, 1), 0.5, np.float32), bench.now_ns - BLOCK_NS)
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.hear("fake:b", 2)
    assert bench.source.opened == ["fake:b", "fake:a"]
    held = [ring.held(n) for n in range(ring.tail, ring.head)]
    assert [h.captured_ns for h in held[1:]] == [h.captured_ns + BLOCK_NS for h in held[:-1]]
    assert bench.segments("s2/mic") == ["", "moved"]


def test_a_default_that_changes_its_mind_changes_nothing(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.source.make_default("fake:a")
    bench.hub.tick()
    assert (bench.source.is_open("fake:a"), bench.source.is_open("fake:b")) == (1, 0)
    bench.hear("fake:a")
    assert bench.segments("s/mic") == [""]


def test_a_named_device_is_not_left_for_the_default(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    assert bench.source.is_open("fake:b") == 0


def test_when_the_default_is_unplugged_the_next_default_is_taken_at_once(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.hear("fake:b")
    assert bench.segments("s/mic") == ["", "device-lost"]


def test_an_old_default_that_has_delivered_nothing_yet_can_be_left(bench):
    bench.source.add("fake:a", default=True)
    bench.source.add("fake:b")
    bench.add("s/mic", "mic")
    bench.source.make_default("fake:b")
    bench.hub.tick()
    bench.hear("fake:a", 3, level=0.0)
    bench.hear("fake:b")
    assert bench.hub.condition("s/mic").device == "fake:b"
