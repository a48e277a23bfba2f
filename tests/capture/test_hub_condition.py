"""What the hub says of a stream: stalled, silent, muted, and what a person can do about it."""

import numpy as np
import pytest

from causal.testing.hub_bench import BLOCK_NS, HubBench


@pytest.fixture
def bench():
    return HubBench()


def test_nothing_delivered_is_stalled_and_after_a_while_opened_again(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.wait(1.5)
    assert bench.state("s/mic") == "stalled"
    assert len(bench.source.opened) == 1
    bench.wait(3.0)
    assert len(bench.source.opened) == 2
    assert bench.source.is_open("fake:a") == 1
    assert bench.state("s/mic") == "stalled"
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.segments("s/mic") == ["", "suspended"]


def test_a_process_that_stood_still_opens_nothing_again_and_hears_what_was_kept_for_it(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.stand_still(6.0)
    bench.wait(3.0)
    assert len(bench.source.opened) == 1
    bench.hear("fake:a", 120)
    assert bench.rings["s/mic"].heard_ns == 121 * BLOCK_NS


def test_a_device_that_says_nothing_after_the_process_stood_still_is_opened_again(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.stand_still(6.0)
    bench.wait(4.5)
    assert len(bench.source.opened) == 2


def test_a_suspended_device_is_stalled_and_left_alone(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.hole("fake:a", "suspended")
    bench.source.state("fake:a", "suspended")
    for _ in range(100):
        bench.wait(0.1)
    assert bench.state("s/mic") == "stalled"
    assert len(bench.source.opened) == 1
    bench.source.state("fake:a", "running")
    bench.hear("fake:a")
    assert bench.segments("s/mic") == ["", "suspended"]


def test_zeros_for_three_seconds_are_silent_and_a_sound_ends_that(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 60, level=0.0)
    assert bench.state("s/mic") == "capturing"
    bench.hear("fake:a", 2, level=0.0)
    assert bench.state("s/mic") == "silent"
    bench.hear("fake:a", level=0.01)
    assert bench.state("s/mic") == "capturing"


def test_muted_is_what_the_system_says(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.source.state("fake:a", "muted")
    bench.hear("fake:a", 70, level=0.0)
    assert bench.state("s/mic") == "muted"


def test_a_mute_that_does_not_silence_the_device_is_none(bench):
    bench.source.add("fake:a", "loopback")
    bench.add("s/system", "fake:a")
    bench.source.state("fake:a", "muted", "unmute it")
    bench.hear("fake:a", 10)
    assert bench.state("s/system") == "muted", "what was on its way does not count"
    bench.hear("fake:a", 12)
    bench.hear("fake:a", 10, level=0.0)
    assert bench.state("s/system") == "capturing", "also in a pause"
    bench.hear("fake:a", 60, level=0.0)
    bench.source.state("fake:a", "running")
    bench.source.state("fake:a", "muted")
    bench.hear("fake:a", 2, level=0.0)
    assert bench.state("s/system") == "muted"


def test_the_condition_says_what_the_driver_advises(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.source.state("fake:a", "muted", "unmute it so")
    bench.hear("fake:a", level=0.0)
    assert bench.hub.condition("s/mic").hint == "unmute it so"
    bench.source.state("fake:a", "running")
    bench.hear("fake:a")
    assert bench.hub.condition("s/mic").hint == ""


def test_a_microphone_that_delivers_only_zeros_gets_advice_and_a_loopback_does_not(bench):
    bench.source.add("fake:a", "input")
    bench.source.add("fake:b", "loopback")
    bench.add("s/mic", "fake:a")
    bench.add("s/system", "fake:b")
    for _ in range(101):
        bench.hear("fake:a", level=0.0)
        bench.source.deliver("fake:b", np.zeros((2400, 1), np.float32), bench.now_ns - BLOCK_NS)
    bench.rings["s/mic"].release(101)
    bench.hear("fake:a", 101, level=0.0)
    assert (bench.state("s/mic"), bench.state("s/system")) == ("silent", "stalled")
    assert "zeros" in bench.hub.condition("s/mic").hint
    assert "opened again" in bench.hub.condition("s/system").hint
    bench.hear("fake:a")
    assert bench.hub.condition("s/mic").hint == ""
