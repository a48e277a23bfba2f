"""Devices that go, come late or stay away: tried again, and what was not heard is told."""

import numpy as np
import pytest

from causal.clock import NS_PER_S
from causal.errors import SourceError
from causal.testing.hub_bench import HubBench


@pytest.fixture
def bench():
    return HubBench()


def test_a_lost_device_is_waited_for_and_taken_up_again(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 2)
    bench.source.lose("fake:a")
    bench.hub.tick()
    condition = bench.hub.condition("s/mic")
    assert (condition.state, condition.error.code, condition.retrying) == ("failed", "device-lost", True)
    bench.wait(1.0)
    bench.source.add("fake:a")
    bench.hub.tick()
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.segments("s/mic") == ["", "device-lost"]


def test_a_lost_device_ends_its_segment_at_once_and_the_end_tells_what_was_not_heard(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 2)
    heard_to_ns = bench.now_ns
    bench.source.lose("fake:a")
    bench.hub.tick()
    assert [len(ring.held(n).samples) for n in range(ring.head)] == [2400, 2400, 0]
    bench.wait(30.0)
    assert ring.head == 3, "it is told once, however often the device is tried"
    bench.hub.remove("s/mic", bench.now_ns)
    end = ring.held(ring.head - 1)
    assert (end.end, end.gap_reason, end.captured_ns) == (True, "device-lost", bench.now_ns)
    assert bench.now_ns - heard_to_ns == 30 * NS_PER_S


def test_a_device_that_comes_late_tells_that_nothing_was_heard_before(bench):
    ring = bench.add("s/mic", "mic")
    bench.wait(5.0)
    bench.source.add("fake:a", default=True)
    bench.hub.tick()
    bench.hear("fake:a")
    assert ring.held(0).gap_reason == "device-lost"


def test_when_all_is_closed_a_stalled_device_was_not_heard_until_now(bench):
    bench.source.add("fake:a")
    ring = bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.wait(2.0)
    bench.hub.close()
    assert (ring.held(ring.head - 1).gap_reason, ring.held(ring.head - 1).captured_ns) == ("suspended", bench.now_ns)


def test_what_is_known_of_a_device_s_clock_outlives_its_loss(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.now_ns += NS_PER_S
    assert bench.hub.drift_ppm("s/mic") is None
    for _ in range(1300):
        bench.now_ns += 49_990_000
        bench.source.deliver("fake:a", np.zeros((2400, 1), np.float32), bench.now_ns)
    assert bench.hub.drift_ppm("s/mic") == pytest.approx(200, abs=2)
    bench.source.lose("fake:a")
    bench.wait(1.0)
    bench.source.add("fake:a")
    bench.hub.tick()
    assert bench.hub.drift_ppm("s/mic") == pytest.approx(200, abs=2)


def test_a_device_that_is_away_is_tried_again_soon_and_then_every_two_seconds(bench):
    bench.add("s/mic", "fake:a")
    bench.wait(1.0)
    assert len(bench.source.opened) == 3
    bench.wait(20.0)
    assert 12 <= len(bench.source.opened) <= 15
    assert bench.hub.condition("s/mic").error.code == "device-not-found"
    assert bench.state("s/mic") == "failed"


def test_a_device_that_is_back_before_its_loss_was_seen_is_taken_up_at_once(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.source.add("fake:a")
    bench.wait(0.4)
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.segments("s/mic") == ["", "device-lost"]


def test_who_follows_the_default_is_not_told_to_wait_for_the_lost_device(bench):
    bench.source.add("fake:a", default=True)
    bench.add("s/mic", "mic")
    bench.add("s/mic-2", "fake:a")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.hub.tick()
    assert "next default" in bench.hub.condition("s/mic").error.hint
    assert "next default" not in bench.hub.condition("s/mic-2").error.hint


def test_a_lost_device_that_is_looked_for_is_still_called_lost(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a")
    bench.source.lose("fake:a")
    bench.wait(5.0)
    assert bench.hub.condition("s/mic").error.code == "device-lost"


def test_a_server_that_is_away_is_told_and_waited_for(bench):
    bench.source.problem = SourceError("device-unavailable", "no sound server answers", "Start it.", retryable=True)
    bench.add("s/mic", "mic")
    assert bench.hub.condition("s/mic").error.code == "device-unavailable"
    assert bench.hub.problem is not None
    bench.source.problem = None
    bench.source.add("fake:a", default=True)
    bench.hub.tick()
    bench.hear("fake:a")
    assert bench.state("s/mic") == "capturing"
    assert bench.hub.problem is None


def test_samples_that_went_missing_without_a_word_begin_a_segment(bench):
    bench.source.add("fake:a")
    bench.add("s/mic", "fake:a")
    bench.hear("fake:a", 20)
    bench.now_ns += 800_000_000
    bench.hear("fake:a", 30)
    assert bench.segments("s/mic") == ["", "suspended"]
